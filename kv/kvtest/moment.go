package kvtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

var momentTests = []test{
	{"what changes meanwhile is not seen", func(h *harness) {
		due := at(30)
		a, b := h.claim(space("a")), h.claim(space("b"))
		h.wantErr(a.start(kv.Delta{Ops: []kv.Op{put("k", "v"), put("gone", "x")}, Bind: []byte("name"), Due: &due, Marks: [2]int64{2, 3}}).wait(h.T), nil)
		b.commit(kv.Op{Key: []byte("large"), Value: large(1_200_000, 1)})
		h.claim(kv.NewSpace("class2", "a")).commit(put("k", "other"))
		dead := h.claim(space("dead"))
		dead.commit(put("k", "v"))
		dead.destroy()
		err := h.s.Moment(h.Context(), func(m kv.Moment) error {
			a.commit(put("k", "later"), put("new", "x"), del("gone"))
			b.commit(del("large"))
			b.destroy()
			h.claim(space("c")).commit(put("k", "v"))
			for range 100 { // so that what b leaves is swept
				a.commit(put("filler", "x"))
			}
			h.wantMoment(m, `a@1 "name" 30 [7 1 2 3]: gone="x" k="v"; b@1 "" never [1200005 0 0 0]: large=1200000;`)
			got, err := m.Get(h.Context(), space("b"), []byte("large"))
			if h.wantErr(err, nil); string(got) != string(large(1_200_000, 1)) {
				h.Errorf("got %d bytes", len(got))
			}
			_, err = m.Get(h.Context(), space("a"), []byte("new"))
			h.wantErr(err, kv.ErrNotFound)
			return nil
		})
		h.wantErr(err, nil)
	}},
	{"what was done before is seen", func(h *harness) {
		o := h.claim(space("a"))
		for i := range 50 {
			o.commit(put("n", fmt.Sprint(i)))
			h.wantErr(h.s.Moment(h.Context(), func(m kv.Moment) error {
				got, err := m.Get(h.Context(), space("a"), []byte("n"))
				if h.wantErr(err, nil); string(got) != fmt.Sprint(i) {
					h.Errorf("got %s, want %d", got, i)
				}
				return nil
			}), nil)
		}
	}},
	{"its error is returned, and it ends with its context", func(h *harness) {
		h.claim(space("a")).commit(put("k", "v"))
		mine := errors.New("mine")
		h.wantErr(h.s.Moment(h.Context(), func(kv.Moment) error { return mine }), mine)
		ctx, cancel := context.WithCancel(h.Context())
		err := h.s.Moment(ctx, func(m kv.Moment) error {
			cancel()
			for _, err := range m.Scan(ctx, space("a"), kv.Range{}) {
				return err
			}
			return nil
		})
		h.wantErr(err, context.Canceled)
	}},
	{"a copy of a space goes on where that was", func(h *harness) {
		o := h.claim(space("a"))
		o.n = 41
		h.wantErr(o.start(kv.Delta{Begins: true, Ops: []kv.Op{put("k", "v")}}).wait(h.T), nil)
		o.commit(put("l", "w"))
		h.reopen()
		if l := h.claim(space("a")); l.Pos != 43 {
			h.Errorf("position %d, want 43", l.Pos)
		}
		h.wantItems(space("a"), "k=v l=w")
	}},
	{"only the first delta may choose its number", func(h *harness) {
		o := h.claim(space("a"))
		o.commit(put("k", "v"))
		o.n = 41
		h.wantErr(o.start(kv.Delta{Begins: true, Ops: []kv.Op{put("k", "x")}}).wait(h.T), kv.ErrFenced)
		o = h.claim(space("b"))
		o.n = 41
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "x")}}).wait(h.T), kv.ErrFenced)
		h.wantItems(space("a"), "k=v")
		h.wantItems(space("b"), "")
	}},
}

// wantMoment compares what a moment has of the class.
func (h *harness) wantMoment(m kv.Moment, want string) {
	h.Helper()
	got := ""
	for s, err := range m.Spaces(h.Context(), "class") {
		h.wantErr(err, nil)
		due := "never"
		if !s.Due.IsZero() {
			due = fmt.Sprint(s.Due.Sub(dueBase).Seconds())
		}
		got += fmt.Sprintf("%s@%d %q %s %d:", s.Space.ID(), s.Pos, s.Name, due, s.Holds)
		for it, err := range m.Scan(h.Context(), s.Space, kv.Range{}) {
			if h.wantErr(err, nil); len(it.Value) > 1000 {
				got += fmt.Sprintf(" %s=%d", it.Key, len(it.Value))
				continue
			}
			got += fmt.Sprintf(" %s=%q", it.Key, it.Value)
		}
		got += "; "
	}
	if got != want+" " {
		h.Errorf("got  %s\nwant %s", got, want)
	}
}
