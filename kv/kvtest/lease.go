package kvtest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

var leaseTests = []test{
	{"space that never was is at position zero", func(h *harness) {
		if o := h.claim(space("a")); o.Pos != 0 {
			h.Errorf("position: got %d, want 0", o.Pos)
		}
	}},
	{"position is that of the last delta", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "1"))
		o.commit(put("k", "2"))
		if got := h.claim(space("a")).Pos; got != 2 {
			h.Errorf("position while claimed: got %d, want 2", got)
		}
		h.s.Release(h.claim(space("a")).Lease)
		if got := h.claim(space("a")).Pos; got != 2 {
			h.Errorf("position after release: got %d, want 2", got)
		}
		h.reopen()
		if got := h.claim(space("a")).Pos; got != 2 {
			h.Errorf("position after reopen: got %d, want 2", got)
		}
	}},
	{"a later claim has a greater epoch", func(h *harness) {
		first := h.claim(space("a")).Epoch
		second := h.claim(space("a")).Epoch
		h.reopen()
		third := h.claim(space("a")).Epoch
		for _, p := range [][2]kv.Epoch{{first, second}, {second, third}} {
			if !before(p[0], p[1]) {
				h.Errorf("epoch %v is not before %v", p[0], p[1])
			}
		}
	}},
	{"stale lease is refused whole", func(h *harness) {
		old := h.claim(space("a"))
		old.commit(put("k", "old"))
		fresh := h.claim(space("a"))
		name := []byte("name")
		h.wantErr(old.start(kv.Delta{Ops: []kv.Op{put("k", "stale"), put("l", "stale")}, Bind: name}).wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=old")
		_, err := h.s.Lookup(h.Context(), "class", name)
		h.wantErr(err, kv.ErrNotFound)
		fresh.commit(put("k", "new"))
		h.wantItems(space("a"), "k=new")
	}},
	{"lease of an earlier boot is refused", func(h *harness) {
		old := h.claim(space("a"))
		old.commit(put("k", "1"))
		h.reopen()
		h.wantErr(old.start(kv.Delta{}).wait(h.T), kv.ErrFenced)
		h.claim(space("a")).commit(put("k", "2"))
		old.n = 2
		h.wantErr(old.start(kv.Delta{Ops: []kv.Op{put("k", "stale")}}).wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=2")
	}},
	{"released lease is refused", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "1"))
		h.s.Release(o.Lease)
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "2")}}).wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=1")
	}},
	{"release lets deltas in flight land", func(h *harness) {
		o := h.claim(space("a"))
		var flights []*flight
		for i := range 20 {
			flights = append(flights, o.start(kv.Delta{Ops: []kv.Op{put("k", fmt.Sprint(i))}}))
		}
		h.s.Release(o.Lease)
		for _, f := range flights {
			h.wantErr(f.wait(h.T), nil)
		}
		h.wantItems(space("a"), "k=19")
	}},
	{"release of a stale lease changes nothing", func(h *harness) {
		old := h.claim(space("a"))
		fresh := h.claim(space("a"))
		h.s.Release(old.Lease)
		fresh.commit(put("k", "1"))
		h.wantItems(space("a"), "k=1")
	}},
	{"claim is ordered behind deltas in flight", func(h *harness) {
		old := h.claim(space("a"))
		var flights []*flight
		for i := range 200 {
			flights = append(flights, old.start(kv.Delta{Ops: []kv.Op{put(fmt.Sprintf("%03d", i), "x")}}))
		}
		fresh := h.claim(space("a"))
		seen := h.count(space("a"))
		if seen != int(fresh.Pos) {
			h.Errorf("claimed at %d, but reads see %d deltas", fresh.Pos, seen)
		}
		f := fresh.start(kv.Delta{Ops: []kv.Op{put("new", "x")}})
		for i, f := range flights {
			want := error(nil)
			if uint64(i+1) > fresh.Pos {
				want = kv.ErrFenced
			}
			if err := f.wait(h.T); !errors.Is(err, want) {
				h.Fatalf("delta %d, claim at %d: got %v, want %v", i+1, fresh.Pos, err, want)
			}
		}
		h.wantErr(f.wait(h.T), nil)
		if n, want := h.count(space("a")), int(fresh.Pos)+1; n != want {
			h.Errorf("items: got %d, want %d", n, want)
		}
	}},
	{"of racing claims only the newest commits", raceClaims},
	{"broken lease stays broken", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "1"))
		o.n += 5 // a gap
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "gap")}}).wait(h.T), kv.ErrFenced)
		o.n = 1
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "2")}}).wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=1")
		o = h.claim(space("a"))
		o.commit(put("k", "2"))
		h.wantItems(space("a"), "k=2")
	}},
	{"deltas behind a refused one are refused", func(h *harness) {
		h.claim(space("other")).start(kv.Delta{Bind: []byte("taken")})
		o := h.claim(space("a"))
		bad := o.start(kv.Delta{Ops: []kv.Op{put("k", "1")}, Bind: []byte("taken")})
		next := o.start(kv.Delta{Ops: []kv.Op{put("k", "2")}})
		h.wantErr(bad.wait(h.T), kv.ErrExists)
		h.wantErr(next.wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "")
		if got := h.claim(space("a")).Pos; got != 0 {
			h.Errorf("position: got %d, want 0", got)
		}
	}},
	{"claim with a dead context", func(h *harness) {
		ctx, cancel := deadContext(h)
		defer cancel()
		if _, err := h.s.Claim(ctx, space("a")); err == nil {
			h.Error("claim succeeded")
		}
		h.claim(space("a")).commit(put("k", "1"))
	}},
	{"invalid space", func(h *harness) {
		if _, err := h.s.Claim(h.Context(), kv.Space{}); err == nil {
			h.Error("claim of the zero space succeeded")
		}
		if _, err := h.s.ClaimNew(kv.Space{}); err == nil {
			h.Error("claim of the zero space as a new one succeeded")
		}
	}},
	{"a new space", func(h *harness) {
		l, err := h.s.ClaimNew(space("a"))
		if err != nil || l.Pos != 0 || !l.Due.IsZero() || l.Written != (kv.Epoch{}) {
			h.Fatalf("a new lease %+v, %v", l, err)
		}
		if _, err := h.s.ClaimNew(space("a")); !errors.Is(err, kv.ErrExists) {
			h.Errorf("who comes second: %v", err)
		}
		first := &owner{h: h, Lease: l}
		first.commit(put("k", "1"))
		next := h.claim(space("a"))
		if next.Pos != 1 || !before(l.Epoch, next.Epoch) {
			h.Errorf("the next lease %+v after %+v", next.Lease, l)
		}
		next.commit(put("k", "2"))
		h.s.Release(next.Lease)
		h.reopen()
		if got := h.claim(space("a")).Pos; got != 2 {
			h.Errorf("position %d after a restart", got)
		}
	}},
}

func before(a, b kv.Epoch) bool { return a.Boot < b.Boot || a.Boot == b.Boot && a.Claim < b.Claim }

// raceClaims lets claimers fight for one space. Each delta that lands appends its number, so a
// delta that slipped past a claim would leave a hole or a double.
func raceClaims(h *harness) {
	const claimers, deltas = 8, 15
	var mu sync.Mutex
	landed := make(map[uint64]string)
	var wg sync.WaitGroup
	for c := range claimers {
		wg.Go(func() {
			for range deltas {
				l, err := h.s.Claim(h.Context(), space("a"))
				if err != nil {
					h.Errorf("claim: %v", err)
					return
				}
				who := fmt.Sprintf("%d/%v", c, l.Epoch)
				f := newFlight()
				h.s.Commit(l, &kv.Delta{N: l.Pos + 1, Ops: []kv.Op{put(fmt.Sprintf("%05d", l.Pos+1), who)}}, f.land)
				switch err := <-f.landed; {
				case err == nil:
					mu.Lock()
					if other, ok := landed[l.Pos+1]; ok {
						h.Errorf("delta %d landed twice: %s, %s", l.Pos+1, other, who)
					}
					landed[l.Pos+1] = who
					mu.Unlock()
				case !errors.Is(err, kv.ErrFenced):
					h.Errorf("commit: %v", err)
				}
			}
		})
	}
	wg.Wait()
	o := h.claim(space("a"))
	if int(o.Pos) != len(landed) {
		h.Fatalf("position: got %d, want %d", o.Pos, len(landed))
	}
	for n, who := range landed {
		h.wantGet(h.s, space("a"), fmt.Sprintf("%05d", n), who)
	}
}
