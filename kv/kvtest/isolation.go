package kvtest

import (
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

// hostile are pairs of class and id chosen so that their plain concatenations, prefixes and
// separators run into one another.
var hostile = []kv.Space{
	kv.NewSpace("a", "b"),
	kv.NewSpace("a", "bc"),
	kv.NewSpace("ab", "c"),
	kv.NewSpace("ab", "b"),
	kv.NewSpace("a\x01", "b"),
	kv.NewSpace("a", "\x01b"),
	kv.NewSpace("a\x00", "b"),
	kv.NewSpace("a", "\x00b"),
	kv.NewSpace("a/", "b"),
	kv.NewSpace("a", "/b"),
	kv.NewSpace("\x01", "\x01"),
	kv.NewSpace("\x01\x01", "\x01"),
	kv.NewSpace("\xff", "\xff"),
	kv.NewSpace("\xff\xff", "\xff"),
	kv.NewSpace("\xff", "\xff\xff"),
	kv.NewSpace("!badger!", "x"),
	kv.NewSpace("badger!head-of-an-engine-s-own-keys"[:33], "x"),
	kv.NewSpace("cm", "bdgv"),
	kv.NewSpace("as", "i"),
	kv.NewSpace("a", "bi"),
	kv.NewSpace("a", "bik"),
}

var hostileKeys = []string{"k", "\x00", "\xff", "bk", "ik", "/", "\x01b", "h", "c\x00\x00"}

var isolationTests = []test{
	{"hostile classes, ids and keys never meet", func(h *harness) {
		for i, s := range hostile {
			o := h.claim(s)
			var ops []kv.Op
			for _, k := range hostileKeys {
				ops = append(ops, put(k, fmt.Sprint(i)))
			}
			o.commit(ops...)
		}
		check := func() {
			h.Helper()
			for i, s := range hostile {
				n := 0
				for item, err := range h.s.Scan(h.Context(), s, kv.Range{}) {
					h.wantErr(err, nil)
					n++
					if string(item.Value) != fmt.Sprint(i) {
						h.Errorf("space %q: item %q has value %q", s, item.Key, item.Value)
					}
				}
				if n != len(hostileKeys) {
					h.Errorf("space %q: got %d items, want %d", s, n, len(hostileKeys))
				}
			}
		}
		check()
		h.reopen()
		check()
	}},
	{"the same ids and names in two classes", func(h *harness) {
		for _, class := range []string{"one", "two"} {
			o := h.claim(kv.NewSpace(class, "id"))
			h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", class)}, Bind: []byte("name")}).wait(h.T), nil)
		}
		for _, class := range []string{"one", "two"} {
			s, err := h.s.Lookup(h.Context(), class, []byte("name"))
			h.wantErr(err, nil)
			if want := kv.NewSpace(class, "id"); s != want {
				h.Errorf("lookup in %s: got %v, want %v", class, s, want)
			}
			h.wantGet(h.s, s, "k", class)
		}
		o := h.claim(kv.NewSpace("one", "id"))
		o.destroy()
		h.wantGet(h.s, kv.NewSpace("two", "id"), "k", "two")
		s, err := h.s.Lookup(h.Context(), "two", []byte("name"))
		h.wantErr(err, nil)
		h.claim(s).commit(put("k", "again"))
	}},
	{"hostile names never meet", func(h *harness) {
		for i, s := range hostile {
			o := h.claim(s)
			h.wantErr(o.start(kv.Delta{Bind: fmt.Appendf(nil, "b%s", s.ID())}).wait(h.T), nil)
			h.wantErr(o.start(kv.Delta{Bind: fmt.Appendf(nil, "name%d", i)}).wait(h.T), nil)
		}
		for i, s := range hostile {
			got, err := h.s.Lookup(h.Context(), s.Class(), fmt.Appendf(nil, "name%d", i))
			h.wantErr(err, nil)
			if got != s {
				h.Errorf("lookup: got %q, want %q", got, s)
			}
			for b, err := range h.s.List(h.Context(), s.Class(), kv.Range{}) {
				h.wantErr(err, nil)
				if b.Space.Class() != s.Class() {
					h.Errorf("list of %q yields %q", s.Class(), b.Space)
				}
			}
		}
	}},
	{"destroying each in turn leaves the rest", func(h *harness) {
		for i, s := range hostile {
			h.claim(s).commit(put("k", fmt.Sprint(i)))
		}
		for i, s := range hostile {
			h.claim(s).destroy()
			for j, other := range hostile {
				want := none
				if j > i {
					want = fmt.Sprint(j)
				}
				h.wantGet(h.s, other, "k", want)
			}
		}
	}},
}
