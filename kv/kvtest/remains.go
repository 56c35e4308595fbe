package kvtest

import (
	"fmt"
	"slices"

	"github.com/vivarium-run/vivarium/kv"
)

var remainsTests = []test{
	{"spaces of a class", func(h *harness) {
		want := map[kv.Space]bool{}
		for _, id := range []string{"a", "b", "aa", "a\x00", "\xff", "\xff\xff", "h", "i"} {
			o := h.claim(space(id))
			want[space(id)] = true
			for i := range 3 {
				o.commit(put(fmt.Sprint("k", i), "v"))
			}
		}
		h.claim(kv.NewSpace("clas", "s")).commit(put("k", "v"))
		h.claim(kv.NewSpace("class2", "s")).commit(put("k", "v"))
		h.claim(space("nothing"))
		gone := h.claim(space("gone"))
		gone.commit(put("k", "v"))
		gone.destroy()
		h.reopen()
		all := h.spaces("class", "")
		if len(all) != len(want) || slices.ContainsFunc(all, func(s kv.Space) bool { return !want[s] }) {
			h.Errorf("got %v, want %v", all, want)
		}
		for i, s := range all {
			if rest := h.spaces("class", s.ID()); !slices.Equal(rest, all[i+1:]) {
				h.Errorf("behind %q: %v, want %v", s.ID(), rest, all[i+1:])
			}
		}
		if none := h.spaces("another", ""); none != nil {
			h.Errorf("a class without spaces has %v", none)
		}
	}},
	{"nothing remains of a class whose spaces are destroyed, and their ids may be used again", func(h *harness) {
		h.wantRemains("class", 0)
		due := at(10)
		other := h.claim(kv.NewSpace("class2", "x"))
		h.wantErr(other.start(kv.Delta{Ops: []kv.Op{put("k", "other")}, Bind: []byte("name"), Due: &due}).wait(h.T), nil)
		for round := range 3 {
			for i := range 20 {
				o := h.claim(space(fmt.Sprint(i)))
				if o.Pos != 0 {
					h.Fatalf("round %d: a space begins at position %d", round, o.Pos)
				}
				h.wantItems(space(fmt.Sprint(i)), "")
				ops := []kv.Op{put("k", "v"), {Key: []byte("large"), Value: large(1_100_000, byte(i))}}
				h.wantErr(o.start(kv.Delta{Ops: ops, Bind: fmt.Append(nil, "n", i), Due: &due}).wait(h.T), nil)
				h.s.Release(o.Lease)
			}
			if n, err := h.s.Remains(h.Context(), "class", 7); n != 7 || err != nil {
				h.Errorf("at most 7: got %d, %v", n, err)
			}
			for _, s := range h.spaces("class", "") {
				o := h.claim(s)
				o.destroy()
				h.s.Release(o.Lease)
			}
			if round == 1 {
				h.reopen()
			}
			Eventually(h.T, "nothing is left", func() bool {
				n, err := h.s.Remains(h.Context(), "class", 10)
				h.wantErr(err, nil)
				return n == 0
			})
			h.wantDue(at(100), "x@10")
		}
		h.wantItems(kv.NewSpace("class2", "x"), "k=other")
	}},
	{"what a read under way may see remains", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "v"), put("l", "v"))
		h.claim(space("b")).commit(put("k", "v"))
		for _, err := range h.s.Spaces(h.Context(), "class", "") { // a snapshot of now
			h.wantErr(err, nil)
			for _, s := range []string{"a", "b"} {
				d := h.claim(space(s))
				d.destroy()
				h.s.Release(d.Lease)
			}
			// Some other space's commits give the engine reason to forget.
			other := h.claim(kv.NewSpace("class2", "x"))
			for i := range 20 {
				other.commit(put("k", fmt.Sprint(i)))
			}
			if n, err := h.s.Remains(h.Context(), "class", 10); n == 0 || err != nil {
				h.Errorf("%d remain, %v", n, err)
			}
			break
		}
		Eventually(h.T, "nothing is left", func() bool {
			n, err := h.s.Remains(h.Context(), "class", 10)
			return n == 0 && err == nil
		})
	}},
}

// spaces returns the spaces of a class behind an id.
func (h *harness) spaces(class, after string) (all []kv.Space) {
	h.Helper()
	for s, err := range h.s.Spaces(h.Context(), class, after) {
		h.wantErr(err, nil)
		all = append(all, s)
	}
	return all
}

func (h *harness) wantRemains(class string, want int) {
	h.Helper()
	if got, err := h.s.Remains(h.Context(), class, 1000); got != want || err != nil {
		h.Errorf("%d rows remain of %s, %v; want %d", got, class, err, want)
	}
}
