package kvtest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

var readTests = []test{
	{"get", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "v"))
		h.wantGet(h.s, space("a"), "k", "v")
		h.wantGet(h.s, space("a"), "kk", none)
		h.wantGet(h.s, space("a"), "", none)
		h.wantGet(h.s, space("b"), "k", none)
		h.wantGet(h.s, space("a"), strings.Repeat("k", h.s.Limits().MaxKey+1), none)
	}},
	{"get returns a copy", func(h *harness) {
		h.claim(space("a")).commit(put("k", "value"))
		v, err := h.s.Get(h.Context(), space("a"), []byte("k"))
		h.wantErr(err, nil)
		clear(v)
		h.wantGet(h.s, space("a"), "k", "value")
	}},
	{"ranges", func(h *harness) {
		h.claim(space("a")).commit(rangeItems()...)
		for _, tt := range rangeCases {
			if got := h.items(space("a"), tt.r); got != tt.want {
				h.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
			tt.r.Reverse = true
			if got, want := h.items(space("a"), tt.r), reversed(tt.want); got != want {
				h.Errorf("%s, reverse: got %q, want %q", tt.name, got, want)
			}
		}
	}},
	{"ranges between neighbours", func(h *harness) {
		// Spaces whose rows lie directly before and behind must not be touched, above all by the
		// start of a reverse scan.
		for _, id := range []string{"a", "b", "c", "\xff", "\xfe", "\xff\xff"} {
			h.claim(space(id)).commit(put("\x00", id), put("m", id), put("\xff\xff", id))
		}
		for _, id := range []string{"b", "\xff", "\xff\xff"} {
			want := fmt.Sprintf("\x00=%s m=%s \xff\xff=%s", id, id, id)
			h.wantItems(space(id), want)
			if got := h.items(space(id), kv.Range{Reverse: true}); got != reversed(want) {
				h.Errorf("reverse: got %q, want %q", got, reversed(want))
			}
		}
	}},
	{"scan may end early", func(h *harness) {
		h.claim(space("a")).commit(rangeItems()...)
		for range h.s.Scan(h.Context(), space("a"), kv.Range{}) {
			break
		}
		for range h.s.Scan(h.Context(), space("a"), kv.Range{Reverse: true}) {
			break
		}
	}},
	{"scan of an ended context", func(h *harness) {
		h.claim(space("a")).commit(rangeItems()...)
		ctx, cancel := deadContext(h)
		defer cancel()
		var last error
		for _, err := range h.s.Scan(ctx, space("a"), kv.Range{}) {
			last = err
		}
		if last == nil {
			h.Error("scan succeeded")
		}
	}},
	{"scan sees one moment while writers run", scanOneMoment},
	{"reads during a scan", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("a", "1"), put("b", "1"), put("c", "1"))
		n := 0
		for item, err := range h.s.Scan(h.Context(), space("a"), kv.Range{}) {
			h.wantErr(err, nil)
			n++
			o.commit(put(string(item.Key)+"x", "later"), del("c"))
			h.wantGet(h.s, space("a"), string(item.Key)+"x", "later")
		}
		if n != 3 {
			h.Errorf("items: got %d, want 3", n)
		}
	}},
	{"reads merge deltas in flight", mergeInFlight},
}

func rangeItems() []kv.Op {
	var ops []kv.Op
	for _, k := range []string{"a", "b", "ba", "b\x00", "bb", "b\xff", "c", "\xff", "\xff\xff"} {
		ops = append(ops, put(k, "1"))
	}
	return ops
}

var rangeCases = []struct {
	name string
	r    kv.Range
	want string
}{
	{"all", kv.Range{}, "a=1 b=1 b\x00=1 ba=1 bb=1 b\xff=1 c=1 \xff=1 \xff\xff=1"},
	{"low end is part", kv.Range{Lo: []byte("bb")}, "bb=1 b\xff=1 c=1 \xff=1 \xff\xff=1"},
	{"high end is not", kv.Range{Hi: []byte("b")}, "a=1"},
	{"both", kv.Range{Lo: []byte("b\x00"), Hi: []byte("bb")}, "b\x00=1 ba=1"},
	{"ends without items", kv.Range{Lo: []byte("az"), Hi: []byte("bz")}, "b=1 b\x00=1 ba=1 bb=1"},
	{"prefix", kv.PrefixRange([]byte("b")), "b=1 b\x00=1 ba=1 bb=1 b\xff=1"},
	{"prefix of ff", kv.PrefixRange([]byte("\xff")), "\xff=1 \xff\xff=1"},
	{"empty", kv.Range{Lo: []byte("b"), Hi: []byte("b")}, ""},
	{"turned", kv.Range{Lo: []byte("c"), Hi: []byte("a")}, ""},
	{"empty high end", kv.Range{Hi: []byte{}}, ""},
}

func reversed(items string) string {
	parts := strings.Fields(items)
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, " ")
}

// scanOneMoment has a writer that gives all items the same value in each delta. A scan that mixed
// two moments would see two values.
func scanOneMoment(h *harness) {
	const keys, rounds = 50, 60
	o := h.claim(space("a"))
	write := func(round int) {
		var ops []kv.Op
		for k := range keys {
			ops = append(ops, put(fmt.Sprintf("%03d", k), fmt.Sprint(round)))
		}
		o.commit(ops...)
	}
	write(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				first, n := "", 0
				for item, err := range h.s.Scan(h.Context(), space("a"), kv.Range{Reverse: i == 0}) {
					if err != nil {
						h.Errorf("scan: %v", err)
						return
					}
					if n++; n == 1 {
						first = string(item.Value)
					} else if string(item.Value) != first {
						h.Errorf("scan mixed the moments %s and %s", first, item.Value)
						return
					}
				}
				if n != keys {
					h.Errorf("items: got %d, want %d", n, keys)
					return
				}
			}
		})
	}
	for r := range rounds {
		write(r + 1)
	}
	close(stop)
	wg.Wait()
}

// mergeInFlight holds deltas back and reads through them, as an actor does.
func mergeInFlight(h *harness) {
	s := space("a")
	h.claim(s).commit(put("a", "0"), put("b", "0"), put("c", "0"), put("d", "0"), put("z", "0"))
	g := NewGate(h.s)
	h.s = g
	o := h.claim(s)
	g.Hold()
	var flights []*flight
	v := kv.View{Store: g, Space: s}
	for _, ops := range [][]kv.Op{
		{put("b", "1"), put("bb", "1"), del("c")},
		{put("b", "2"), del("bb"), put("c", "2"), put("y", "2")},
		{del("a"), put("bbb", "3"), del("y"), del("nothing")},
	} {
		var layer kv.Overlay
		for _, op := range ops {
			if op.Value == nil {
				layer.Delete(op.Key)
			} else {
				layer.Put(op.Key, op.Value)
			}
		}
		v.Layers = append([]*kv.Overlay{&layer}, v.Layers...)
		flights = append(flights, o.start(kv.Delta{Ops: layer.Ops()}))
	}
	check := func(when string) {
		h.Helper()
		for key, want := range map[string]string{
			"a": none, "b": "2", "bb": none, "bbb": "3", "c": "2", "d": "0", "y": none, "z": "0",
		} {
			got, err := v.Get(h.Context(), []byte(key))
			if err != nil {
				got = []byte(none)
			}
			if string(got) != want {
				h.Errorf("%s: get %q: got %q, want %q", when, key, got, want)
			}
		}
		for _, tt := range []struct {
			r    kv.Range
			want string
		}{
			{kv.Range{}, "b=2 bbb=3 c=2 d=0 z=0"},
			{kv.Range{Reverse: true}, "z=0 d=0 c=2 bbb=3 b=2"},
			{kv.PrefixRange([]byte("b")), "b=2 bbb=3"},
			{kv.Range{Lo: []byte("bb"), Hi: []byte("d")}, "bbb=3 c=2"},
			{kv.Range{Lo: []byte("bb"), Hi: []byte("d"), Reverse: true}, "c=2 bbb=3"},
			{kv.Range{Lo: []byte("e"), Hi: []byte("z")}, ""},
		} {
			if got := joinItems(h.T, v.Scan(h.Context(), tt.r)); got != tt.want {
				h.Errorf("%s: scan %+v: got %q, want %q", when, tt.r, got, tt.want)
			}
		}
		// A limit is a scan that ends early; a range delete is a scan and a deletion for each item.
		for item, err := range v.Scan(h.Context(), kv.Range{}) {
			h.wantErr(err, nil)
			if string(item.Key) != "b" {
				h.Errorf("%s: first is %q, want b", when, item.Key)
			}
			break
		}
		var turn kv.Overlay
		for item, err := range v.Scan(h.Context(), kv.PrefixRange([]byte("b"))) {
			h.wantErr(err, nil)
			turn.Delete(append([]byte(nil), item.Key...))
		}
		after := v
		after.Layers = append([]*kv.Overlay{&turn}, v.Layers...)
		if got, want := joinItems(h.T, after.Scan(h.Context(), kv.Range{})), "c=2 d=0 z=0"; got != want {
			h.Errorf("%s: after range delete: got %q, want %q", when, got, want)
		}
	}
	check("all held")
	// As deltas land their layers stay for a while: each is then seen twice, which is harmless.
	for i, f := range flights {
		g.Step(1)
		h.wantErr(f.wait(h.T), nil)
		check(fmt.Sprintf("%d landed, layers kept", i+1))
	}
	v.Layers = nil
	check("all landed")
}
