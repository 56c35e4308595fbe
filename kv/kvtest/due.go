package kvtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

var dueTests = []test{
	{"earliest first, up to the moment asked for", func(h *harness) {
		for id, sec := range map[string]int{"c": 30, "a": 10, "b": 20, "e": 50, "past": -5} {
			h.claim(space(id)).mustDue(at(sec))
		}
		h.claim(kv.NewSpace("another class", "d")).mustDue(at(25))
		h.wantDue(at(30), "past@-5 a@10 b@20 d@25 c@30")
		h.wantDue(at(-6), "")
		h.reopen()
		h.wantDue(at(100), "past@-5 a@10 b@20 d@25 c@30 e@50")
	}},
	{"a new moment replaces the old one", func(h *harness) {
		o := h.claim(space("a"))
		o.mustDue(at(10))
		o.mustDue(at(40))
		h.wantDue(at(100), "a@40")
		o.mustDue(at(5))
		h.wantDue(at(100), "a@5")
		o.commit(put("k", "v")) // says nothing about it
		h.wantDue(at(100), "a@5")
		o.mustDue(time.Time{})
		h.wantDue(at(100), "")
		o.mustDue(time.Time{})
		h.wantDue(at(100), "")
	}},
	{"survives claim, release and reopen", func(h *harness) {
		o := h.claim(space("a"))
		o.mustDue(at(10))
		h.s.Release(o.Lease)
		h.reopen()
		o = h.claim(space("a"))
		if !o.Lease.Due.Equal(at(10)) {
			h.Errorf("a lease says that the space is due at %v, want %v", o.Lease.Due, at(10))
		}
		if w := o.Lease.Written; w == (kv.Epoch{}) || w == o.Lease.Epoch {
			h.Errorf("a lease of epoch %v says that the space was written under %v", o.Lease.Epoch, w)
		}
		o.mustDue(at(20))
		h.wantDue(at(100), "a@20")
	}},
	{"nobody is woken early", func(h *harness) {
		due := at(10).Add(300 * time.Microsecond)
		h.claim(space("a")).mustDue(due)
		for _, err := range h.s.Due(h.Context(), due.Truncate(time.Millisecond)) {
			h.wantErr(err, nil)
			h.Error("woken before the moment")
		}
		n := 0
		for w, err := range h.s.Due(h.Context(), due.Add(time.Millisecond)) {
			h.wantErr(err, nil)
			n++
			if late := w.Due.Sub(due); late < 0 || late >= time.Millisecond {
				h.Errorf("due %v later than asked for", late)
			}
		}
		if n != 1 {
			h.Errorf("due: got %d spaces, want 1", n)
		}
	}},
	{"a refused delta changes nothing", func(h *harness) {
		o := h.claim(space("a"))
		o.mustDue(at(10))
		o.n = 5
		due := at(1)
		h.wantErr(o.start(kv.Delta{Due: &due}).wait(h.T), kv.ErrFenced)
		h.wantDue(at(100), "a@10")
	}},
	{"many at one moment", func(h *harness) {
		var want []string
		for i := range 20 {
			id := fmt.Sprintf("s%02d", i)
			h.claim(space(id)).mustDue(at(10))
			want = append(want, id+"@10")
		}
		h.wantDue(at(10), strings.Join(want, " "))
	}},
}

var dueBase = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func at(sec int) time.Time { return dueBase.Add(time.Duration(sec) * time.Second) }

func (o *owner) mustDue(t time.Time) {
	o.h.Helper()
	o.h.wantErr(o.start(kv.Delta{Due: &t}).wait(o.h.T), nil)
}

// wantDue fails unless exactly these are due at t, written "id@sec id@sec".
func (h *harness) wantDue(t time.Time, want string) {
	h.Helper()
	var got []string
	for w, err := range h.s.Due(h.Context(), t) {
		h.wantErr(err, nil)
		got = append(got, fmt.Sprintf("%s@%d", w.Space.ID(), int(w.Due.Sub(dueBase)/time.Second)))
	}
	if s := strings.Join(got, " "); s != want {
		h.Fatalf("due at %v: got %q, want %q", t, s, want)
	}
}
