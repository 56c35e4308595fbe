package kvtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

var totalsTests = []test{
	{"bytes of items", func(h *harness) {
		o := h.claim(space("a"))
		h.wantTotals(0, 0, 0, 0)
		o.commit(put("key", "value"), put("k2", ""))
		h.wantTotals(10, 0, 0, 0)
		o.commit(put("key", "v"), kv.Op{Key: []byte("k2")}, kv.Op{Key: []byte("never was")})
		h.wantTotals(4, 0, 0, 0)
		o.commit(put("key", "first"), put("key", "and last")) // of two the last counts
		h.wantTotals(11, 0, 0, 0)
		h.claim(space("b")).commit(put("k", "v"))
		h.wantTotals(13, 0, 0, 0)
		h.reopen()
		h.wantTotals(13, 0, 0, 0)
		h.claim(space("a")).destroy()
		h.wantTotals(2, 0, 0, 0)
		h.reopen()
		h.wantTotals(2, 0, 0, 0)
	}},
	{"large values", func(h *harness) {
		o := h.claim(space("a"))
		large := make([]byte, min(3<<20+17, h.s.Limits().MaxValue))
		o.commit(kv.Op{Key: []byte("k"), Value: large})
		h.wantTotals(int64(1+len(large)), 0, 0, 0)
		o.commit(put("k", "small"))
		h.wantTotals(6, 0, 0, 0)
		o.commit(kv.Op{Key: []byte("k"), Value: large})
		o.destroy()
		h.wantTotals(0, 0, 0, 0)
	}},
	{"deltas that share a sync", func(h *harness) {
		o := h.claim(space("a"))
		large := kv.Op{Key: []byte("large"), Value: make([]byte, min(1<<20+5, h.s.Limits().MaxValue))}
		var last *flight
		for i := range 100 {
			ops := []kv.Op{put("k", fmt.Sprint("value ", i))}
			switch i % 7 {
			case 2:
				ops = append(ops, large)
			case 4:
				ops = append(ops, put("large", "small"), kv.Op{Key: []byte("k")})
			}
			last = o.start(kv.Delta{Ops: ops})
		}
		h.wantErr(last.wait(h.T), nil)
		h.wantTotals(int64(len("k"+"value 99"+"large"+"small")), 0, 0, 0)
	}},
	{"names and marks", func(h *harness) {
		o := h.claim(space("a"))
		o.mustBind("one")
		o.mustBind("two") // frees the other
		h.wantErr(o.start(kv.Delta{Marks: [2]int64{3, 1}, Ops: []kv.Op{put("k", "v")}}).wait(h.T), nil)
		h.wantTotals(2, 1, 3, 1)
		h.wantErr(o.start(kv.Delta{Marks: [2]int64{-1, -5}, Ops: []kv.Op{put("k", "v")}}).wait(h.T), nil)
		h.wantTotals(2, 1, 2, 0) // never below zero
		o.destroy()
		h.wantTotals(0, 0, 0, 0)
	}},
	{"bounds", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "1234567"))
		h.s.Bound("class", kv.Counts{kv.Bytes: 16, kv.Names: 1, kv.MarkA: 2})
		o.commit(put("l", "1234567")) // at the bound
		h.wantBound(o.start(kv.Delta{Ops: []kv.Op{put("l", "12345678")}}), kv.BoundError{What: kv.Bytes, Most: 16, Held: 16})
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "")}}).wait(h.T), kv.ErrFenced) // later deltas of the lease
		o = h.claim(space("a"))
		o.commit(put("l", "7654321"), put("k", "")) // what does not add
		o.mustBind("name")
		p := h.claim(space("b"))
		h.wantBound(p.start(kv.Delta{Bind: []byte("other")}), kv.BoundError{What: kv.Names, Most: 1, Held: 1})
		h.wantErr(o.start(kv.Delta{Marks: [2]int64{2, 9}}).wait(h.T), nil) // one of them has no bound
		h.wantBound(o.start(kv.Delta{Marks: [2]int64{1, 0}}), kv.BoundError{What: kv.MarkA, Most: 2, Held: 2})
		o = h.claim(space("a"))
		h.wantErr(o.start(kv.Delta{Marks: [2]int64{1, 0}, Ops: []kv.Op{put("m", "1234567890")}, Must: true}).wait(h.T), nil)
		h.wantTotals(20, 1, 3, 9)
		o.commit(put("m", "123456789")) // past the bound, and on the way down
		h.claim(kv.NewSpace("another class", "a")).commit(put("k", "12345678901234567890"))
		h.s.Bound("class", kv.Counts{})
		h.claim(space("b")).commit(put("k", "12345678901234567890"))
	}},
	{"hammer at a bound", func(h *harness) {
		const room = 100
		h.s.Bound("class", kv.Counts{kv.Bytes: room * 2})
		var wg sync.WaitGroup
		var mu sync.Mutex
		written := 0
		for i := range 64 {
			o := h.claim(space(fmt.Sprint("racer ", i)))
			wg.Go(func() {
				for k := range byte(8) {
					err := o.start(kv.Delta{Ops: []kv.Op{{Key: []byte{k}, Value: []byte{k}}}}).wait(h.T)
					if err == nil {
						mu.Lock()
						written++
						mu.Unlock()
					} else if !errors.As(err, new(*kv.BoundError)) && !errors.Is(err, kv.ErrFenced) {
						h.Errorf("got %v", err)
					}
				}
			})
		}
		wg.Wait()
		if written != room {
			h.Errorf("%d deltas were written, want %d", written, room)
		}
		h.wantTotals(room*2, 0, 0, 0)
	}},
	{"sums hold over restarts", func(h *harness) {
		r := rand.New(rand.NewPCG(1, 2))
		items := map[string]string{}
		for range 3 {
			o := h.claim(space("a"))
			for range 100 {
				key := fmt.Sprint(r.IntN(20))
				if r.IntN(3) == 0 {
					delete(items, key)
					o.commit(kv.Op{Key: []byte(key)})
					continue
				}
				items[key] = fmt.Sprint(r.Int64())
				o.commit(put(key, items[key]))
			}
			want := 0
			for k, v := range items {
				want += len(k) + len(v)
			}
			h.wantTotals(int64(want), 0, 0, 0)
			h.reopen()
			h.wantTotals(int64(want), 0, 0, 0)
		}
	}},
}

// wantTotals checks what the spaces of the tests' class hold.
func (h *harness) wantTotals(want ...int64) {
	h.Helper()
	if got := h.s.Totals("class"); got != kv.Counts(want) {
		h.Errorf("totals: got %v, want %v", got, want)
	}
}

func (h *harness) wantBound(f *flight, want kv.BoundError) {
	h.Helper()
	var got *kv.BoundError
	if err := f.wait(h.T); !errors.As(err, &got) || *got != want {
		h.Errorf("got %v, want %v", err, &want)
	}
}
