package kvtest

import (
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

var destroyTests = []test{
	{"reads as absent at once", func(h *harness) {
		o := h.claim(space("a"))
		due := at(10)
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "v"), put("l", "v")}, Bind: []byte("name"), Due: &due}).wait(h.T), nil)
		o.destroy()
		check := func() {
			h.Helper()
			h.wantGet(h.s, space("a"), "k", none)
			h.wantItems(space("a"), "")
			h.wantLookup("name", none)
			h.wantDue(at(100), "")
		}
		check()
		h.reopen()
		check()
	}},
	{"name is free", func(h *harness) {
		o := h.claim(space("a"))
		o.mustBind("name")
		o.destroy()
		h.claim(space("b")).mustBind("name")
		h.wantLookup("name", "b")
	}},
	{"later deltas are refused", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "v"))
		o.destroy()
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "zombie")}}).wait(h.T), kv.ErrFenced)
		f := newFlight()
		h.s.Destroy(o.Lease, f.land)
		h.wantErr(f.wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "")
	}},
	{"comes behind deltas in flight", func(h *harness) {
		o := h.claim(space("a"))
		var flights []*flight
		for i := range 50 {
			flights = append(flights, o.start(kv.Delta{Ops: []kv.Op{put(fmt.Sprint(i), "v")}}))
		}
		o.destroy()
		for _, f := range flights {
			h.wantErr(f.wait(h.T), nil)
		}
		h.wantItems(space("a"), "")
	}},
	{"stale lease cannot destroy", func(h *harness) {
		old := h.claim(space("a"))
		old.commit(put("k", "v"))
		fresh := h.claim(space("a"))
		f := newFlight()
		h.s.Destroy(old.Lease, f.land)
		h.wantErr(f.wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=v")
		fresh.commit(put("k", "w"))
	}},
	{"a space that holds nothing", func(h *harness) {
		h.claim(space("a")).destroy()
		h.wantItems(space("a"), "")
	}},
	{"later claim finds nothing", func(h *harness) {
		o := h.claim(space("a"))
		var ops []kv.Op
		for i := range 3000 {
			ops = append(ops, put(fmt.Sprintf("%05d", i), "v"))
		}
		o.commit(ops...)
		o.commit(kv.Op{Key: []byte("large"), Value: large(700<<10, 1)})
		o.commit(kv.Op{Key: []byte("large"), Value: large(700<<10, 2)})
		o.destroy()
		h.wantGone(space("a"))
		h.reopen() // perhaps in the middle of the removal
		h.wantGone(space("a"))
	}},
	{"others are left alone", func(h *harness) {
		for _, id := range []string{"a", "aa", "ab", "b", "\xff"} {
			h.claim(space(id)).commit(put("a", id), put("b", id))
		}
		o := h.claim(space("a"))
		o.destroy()
		Eventually(h.T, "removal", func() bool {
			_, err := h.s.Claim(h.Context(), space("a"))
			return err == nil || errors.Is(err, kv.ErrNotFound)
		})
		h.reopen()
		for _, id := range []string{"aa", "ab", "b", "\xff"} {
			h.wantItems(space(id), fmt.Sprintf("a=%s b=%s", id, id))
		}
	}},
	{"a scan that has begun sees its moment", func(h *harness) {
		o := h.claim(space("a"))
		var ops []kv.Op
		for i := range 100 {
			ops = append(ops, put(fmt.Sprintf("%05d", i), "v"))
		}
		o.commit(ops...)
		n := 0
		for _, err := range h.s.Scan(h.Context(), space("a"), kv.Range{}) {
			h.wantErr(err, nil)
			if n++; n == 1 {
				o.destroy()
				h.wantItems(space("a"), "")
			}
		}
		if n != 100 {
			h.Errorf("items: got %d, want 100", n)
		}
	}},
}

// wantGone fails if a claim of a destroyed space brings anything of it back. An engine may forget
// the id once its bytes are gone; then the space is as new.
func (h *harness) wantGone(s kv.Space) {
	h.Helper()
	h.wantItems(s, "")
	l, err := h.s.Claim(h.Context(), s)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return
	case err != nil:
		h.Fatalf("claim: %v", err)
	case l.Pos != 0:
		h.Fatalf("claim: got position %d, want ErrNotFound or 0", l.Pos)
	}
	h.s.Release(l)
}
