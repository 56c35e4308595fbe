package kvtest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

var deltaTests = []test{
	{"all of a delta or nothing", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("a", "1"), put("b", "1"), put("c", "1"))
		o.commit(del("a"), put("b", "2"), put("d", "2"))
		h.wantItems(space("a"), "b=2 c=1 d=2")
		h.reopen()
		h.wantItems(space("a"), "b=2 c=1 d=2")
	}},
	{"of two changes of a key the last counts", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("a", "1"), put("a", "2"), put("b", "1"), del("b"), del("c"), put("c", "3"))
		h.wantItems(space("a"), "a=2 c=3")
	}},
	{"empty delta moves the position", func(h *harness) {
		o := h.claim(space("a"))
		o.commit()
		if got := h.claim(space("a")).Pos; got != 1 {
			h.Errorf("position: got %d, want 1", got)
		}
	}},
	{"empty value is not a deletion", func(h *harness) {
		h.claim(space("a")).commit(kv.Op{Key: []byte("k"), Value: []byte{}})
		check := func() {
			h.Helper()
			v, err := h.s.Get(h.Context(), space("a"), []byte("k"))
			if err != nil || v == nil || len(v) != 0 {
				h.Errorf("got %v, %v, want an empty value", v, err)
			}
			h.wantItems(space("a"), "k=")
		}
		check()
		h.reopen()
		check()
	}},
	{"deltas of a lease land in order", func(h *harness) {
		const n = 300
		o := h.claim(space("a"))
		var mu sync.Mutex
		var order []uint64
		last := newFlight()
		for i := range uint64(n) {
			h.s.Commit(o.Lease, &kv.Delta{N: i + 1, Ops: []kv.Op{put("k", fmt.Sprint(i+1))}}, func(err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					h.Errorf("delta %d: %v", i+1, err)
				}
				if order = append(order, i+1); i+1 == n {
					last.land(nil)
				}
			})
		}
		last.wait(h.T)
		for i, got := range order {
			if got != uint64(i+1) {
				h.Fatalf("done %d was for delta %d", i+1, got)
			}
		}
		h.wantItems(space("a"), fmt.Sprintf("k=%d", n))
	}},
	{"refusals come in order too", func(h *harness) {
		o := h.claim(space("a"))
		order := make(chan string, 3)
		note := func(what string) func(error) {
			return func(err error) { order <- fmt.Sprintf("%s %t", what, err == nil) }
		}
		h.s.Commit(o.Lease, &kv.Delta{N: 1, Ops: []kv.Op{put("k", "1")}}, note("first"))
		h.s.Commit(o.Lease, &kv.Delta{N: 2, Ops: []kv.Op{{Key: make([]byte, h.s.Limits().MaxKey+1)}}}, note("large"))
		h.s.Commit(o.Lease, &kv.Delta{N: 3}, note("last"))
		for _, want := range []string{"first true", "large false", "last false"} {
			if got := <-order; got != want {
				h.Errorf("got %q, want %q", got, want)
			}
		}
	}},
	{"numbering gaps are refused", func(h *harness) {
		for i, n := range []uint64{0, 1, 3, 1 << 63} { // 2 would be right
			s := space(fmt.Sprint("gap", i))
			o := h.claim(s)
			o.commit(put("k", "1"))
			o.n = n - 1
			h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "gap")}}).wait(h.T), kv.ErrFenced)
			h.wantItems(s, "k=1")
		}
	}},
	{"a refused delta leaves the others of its moment alone", func(h *harness) {
		var good, bad []*flight
		for i := range 100 {
			o := h.claim(space(fmt.Sprint("s", i)))
			if i%3 == 0 {
				o.n = 7
				bad = append(bad, o.start(kv.Delta{Ops: []kv.Op{put("k", "gap")}}))
			} else {
				good = append(good, o.start(kv.Delta{Ops: []kv.Op{put("k", "ok")}}))
			}
		}
		for _, f := range good {
			h.wantErr(f.wait(h.T), nil)
		}
		for _, f := range bad {
			h.wantErr(f.wait(h.T), kv.ErrFenced)
		}
		for i := range 100 {
			want := "k=ok"
			if i%3 == 0 {
				want = ""
			}
			h.wantItems(space(fmt.Sprint("s", i)), want)
		}
	}},
	{"limits", limits},
	{"large values", largeValues},
	{"large value in a deleted range and back", func(h *harness) {
		o := h.claim(space("a"))
		v := large(h.s.Limits().MaxValue, 1)
		o.commit(kv.Op{Key: []byte("k"), Value: v})
		o.commit(del("k"))
		h.wantItems(space("a"), "")
		o.commit(kv.Op{Key: []byte("k"), Value: v[:len(v)-1]})
		h.reopen()
		h.wantGet(h.s, space("a"), "k", string(v[:len(v)-1]))
	}},
}

// limits commits deltas at each limit and one past it.
func limits(h *harness) {
	l := h.s.Limits()
	many := func(n int) []kv.Op {
		ops := make([]kv.Op, n)
		for i := range ops {
			ops[i] = put(fmt.Sprintf("%08d", i), "")
		}
		return ops
	}
	key := func(n int) []kv.Op { return []kv.Op{put(strings.Repeat("k", n), "v")} }
	value := func(n int) []kv.Op { return []kv.Op{{Key: []byte("k"), Value: make([]byte, n)}} }
	// size makes a delta of n bytes with as many operations as there may be.
	size := func(n int) []kv.Op {
		ops := many(l.MaxOps)
		n -= (&kv.Delta{Ops: ops}).Size()
		for i := range ops {
			share := min(n, l.MaxBytes/len(ops)+1)
			ops[i].Value = make([]byte, share)
			n -= share
		}
		return ops
	}
	for i, tt := range []struct {
		name string
		at   []kv.Op
		past []kv.Op
	}{
		{"operations", many(l.MaxOps), many(l.MaxOps + 1)},
		{"key", key(l.MaxKey), key(l.MaxKey + 1)},
		{"value", value(l.MaxValue), value(l.MaxValue + 1)},
		{"bytes", size(l.MaxBytes), size(l.MaxBytes + 1)},
		{"empty key", nil, []kv.Op{put("", "v")}},
	} {
		s := space(fmt.Sprint("limit", i))
		o := h.claim(s)
		if err := o.start(kv.Delta{Ops: tt.at}).wait(h.T); err != nil {
			h.Errorf("%s at the limit: %v", tt.name, err)
		}
		o = h.claim(s)
		err := o.start(kv.Delta{Ops: append([]kv.Op{put("first", "x")}, tt.past...)}).wait(h.T)
		if tt.name == "empty key" {
			if err == nil {
				h.Errorf("%s: succeeded", tt.name)
			}
		} else {
			h.wantErr(err, kv.ErrTooLarge)
		}
		h.wantGet(h.s, s, "first", none)
		h.wantErr(o.start(kv.Delta{}).wait(h.T), kv.ErrFenced)
	}
}

// largeValues overwrites values of sizes around those at which an engine may cut them.
func largeValues(h *harness) {
	o := h.claim(space("a"))
	const half = 512 << 10
	sizes := []int{half, half + 1, 1, 2 * half, 3*half + 5, half - 1, 0, 2*half - 1, h.s.Limits().MaxValue}
	want := make(map[string][]byte)
	for i, n := range sizes {
		n = min(n, h.s.Limits().MaxValue)
		for _, key := range []string{"same", fmt.Sprint("own", i)} {
			want[key] = large(n, byte(i))
		}
		o.commit(kv.Op{Key: []byte("same"), Value: want["same"]})
		o.commit(kv.Op{Key: []byte(fmt.Sprint("own", i)), Value: want["same"]})
		h.wantGet(h.s, space("a"), "same", string(want["same"]))
	}
	// Twice in one delta, and deleted in the next.
	o.commit(kv.Op{Key: []byte("twice"), Value: large(half+9, 1)}, kv.Op{Key: []byte("twice"), Value: large(half+7, 2)})
	want["twice"] = large(half+7, 2)
	o.commit(del("own8"))
	delete(want, "own8")
	check := func() {
		h.Helper()
		seen := 0
		for item, err := range h.s.Scan(h.Context(), space("a"), kv.Range{}) {
			h.wantErr(err, nil)
			seen++
			if !bytes.Equal(item.Value, want[string(item.Key)]) {
				h.Errorf("%s: got %d bytes, want %d", item.Key, len(item.Value), len(want[string(item.Key)]))
			}
		}
		if seen != len(want) {
			h.Errorf("items: got %d, want %d", seen, len(want))
		}
	}
	check()
	h.reopen()
	check()
}

func deadContext(h *harness) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	return ctx, cancel
}
