package kvtest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/kv"
)

var closeTests = []test{
	{"close finishes deltas in flight", func(h *harness) {
		o := h.claim(space("a"))
		var flights []*flight
		for i := range 100 {
			flights = append(flights, o.start(kv.Delta{Ops: []kv.Op{put(fmt.Sprintf("%03d", i), "v")}}))
		}
		h.reopen()
		for i, f := range flights {
			h.wantErr(f.wait(h.T), nil)
			h.wantGet(h.s, space("a"), fmt.Sprintf("%03d", i), "v")
		}
	}},
	{"later calls are refused", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "v"))
		h.wantErr(h.s.Writable(), nil)
		h.wantErr(h.s.Close(), nil)
		h.wantErr(h.s.Close(), nil)
		h.wantErr(h.s.Writable(), kv.ErrClosed)
		ctx := h.Context()
		_, err := h.s.Get(ctx, space("a"), []byte("k"))
		h.wantErr(err, kv.ErrClosed)
		_, err = h.s.Claim(ctx, space("b"))
		h.wantErr(err, kv.ErrClosed)
		_, err = h.s.Lookup(ctx, "class", []byte("name"))
		h.wantErr(err, kv.ErrClosed)
		for _, err := range h.s.Scan(ctx, space("a"), kv.Range{}) {
			h.wantErr(err, kv.ErrClosed)
		}
		h.wantErr(o.start(kv.Delta{}).wait(h.T), kv.ErrClosed)
		f := newFlight()
		h.s.Destroy(o.Lease, f.land)
		h.wantErr(f.wait(h.T), kv.ErrClosed)
		h.s.Release(o.Lease)
	}},
	{"a store that has not failed says so", func(h *harness) {
		select {
		case <-h.s.Failed():
			h.Error("failed")
		default:
		}
		h.wantErr(h.s.Err(), nil)
	}},
	{"hammer: close while all is used", hammerClose},
}

// hammerClose uses every call from many goroutines while the store closes. Each done is called
// once, and what was acknowledged is there afterwards.
func hammerClose(h *harness) {
	const workers = 12
	var acked [workers]atomic.Uint64
	started := make(chan struct{}, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s := kv.NewSpace(fmt.Sprint("class", w%3), fmt.Sprint("s", w))
			for {
				l, err := h.s.Claim(h.Context(), s)
				if err != nil {
					if !errors.Is(err, kv.ErrClosed) {
						h.Errorf("claim: %v", err)
					}
					return
				}
				for n := l.Pos + 1; n <= l.Pos+10; n++ {
					f := newFlight()
					h.s.Commit(l, &kv.Delta{N: n, Ops: []kv.Op{put("n", fmt.Sprint(n))}}, f.land)
					if err := f.wait(h.T); err != nil {
						if !errors.Is(err, kv.ErrClosed) {
							h.Errorf("commit: %v", err)
						}
						return
					}
					acked[w].Store(n)
					if n == 5 {
						started <- struct{}{}
					}
					for _, err := range h.s.Scan(h.Context(), s, kv.Range{}) {
						if err != nil && !errors.Is(err, kv.ErrClosed) {
							h.Errorf("scan: %v", err)
						}
					}
				}
				h.s.Release(l)
			}
		})
	}
	for range workers {
		<-started
	}
	h.wantErr(h.s.Close(), nil)
	wg.Wait()
	h.s = h.open()
	for w := range workers {
		s := kv.NewSpace(fmt.Sprint("class", w%3), fmt.Sprint("s", w))
		l, err := h.s.Claim(h.Context(), s)
		h.wantErr(err, nil)
		if l.Pos != acked[w].Load() {
			h.Errorf("space %v: position %d, acknowledged %d", s, l.Pos, acked[w].Load())
		}
	}
}
