package kvtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/kv"
)

var nameTests = []test{
	{"bind and look up", func(h *harness) {
		h.claim(space("a")).mustBind("name")
		h.wantLookup("name", "a")
		h.wantLookup("nam", none)
		h.wantLookup("names", none)
		h.reopen()
		h.wantLookup("name", "a")
	}},
	{"a name belongs to one space", func(h *harness) {
		h.claim(space("a")).mustBind("name")
		o := h.claim(space("b"))
		h.wantErr(o.start(kv.Delta{Ops: []kv.Op{put("k", "v")}, Bind: []byte("name")}).wait(h.T), kv.ErrExists)
		h.wantItems(space("b"), "")
		h.wantLookup("name", "a")
		h.reopen()
		o = h.claim(space("b"))
		h.wantErr(o.start(kv.Delta{Bind: []byte("name")}).wait(h.T), kv.ErrExists)
	}},
	{"binding the same name again", func(h *harness) {
		o := h.claim(space("a"))
		o.mustBind("name")
		o.mustBind("name")
		h.wantLookup("name", "a")
	}},
	{"a new name frees the old one", func(h *harness) {
		o := h.claim(space("a"))
		o.mustBind("one")
		o.mustBind("two")
		h.wantLookup("one", none)
		h.wantLookup("two", "a")
		h.claim(space("b")).mustBind("one")
		h.wantLookup("one", "b")
		o.destroy()
		h.wantLookup("two", none)
		h.wantLookup("one", "b")
	}},
	{"of racing binds one wins", func(h *harness) {
		// All are submitted before any can land, so that they meet in one group.
		const racers = 50
		var won atomic.Int32
		var winner atomic.Pointer[string]
		var wg sync.WaitGroup
		for i := range racers {
			id := fmt.Sprint("s", i)
			o := h.claim(space(id))
			wg.Add(1)
			h.s.Commit(o.Lease, &kv.Delta{N: 1, Bind: []byte("name")}, func(err error) {
				defer wg.Done()
				if err == nil {
					won.Add(1)
					winner.Store(&id)
				} else if !errors.Is(err, kv.ErrExists) {
					h.Errorf("bind: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			h.Fatalf("winners: got %d, want 1", won.Load())
		}
		h.wantLookup("name", *winner.Load())
	}},
	{"list", func(h *harness) {
		for _, name := range []string{"b", "a", "c", "b\x00", "ba", "\xff", "\xff\xff"} {
			h.claim(space("id-" + name)).mustBind(name)
		}
		h.claim(kv.NewSpace("other", "x")).mustBind("b")
		for _, tt := range []struct {
			name string
			r    kv.Range
			want string
		}{
			{"all", kv.Range{}, "a b b\x00 ba c \xff \xff\xff"},
			{"reverse", kv.Range{Reverse: true}, "\xff\xff \xff c ba b\x00 b a"},
			{"prefix", kv.PrefixRange([]byte("b")), "b b\x00 ba"},
			{"from a cursor", kv.Range{Lo: []byte("b\x00\x00")}, "ba c \xff \xff\xff"},
		} {
			if got := h.names("class", tt.r); got != tt.want {
				h.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
		if got := h.names("nobody", kv.Range{}); got != "" {
			h.Errorf("another class: got %q, want none", got)
		}
	}},
	{"empty and oversized names", func(h *harness) {
		if err := h.claim(space("a")).start(kv.Delta{Bind: []byte{}}).wait(h.T); err == nil {
			h.Error("binding an empty name succeeded")
		}
		long := strings.Repeat("n", h.s.Limits().MaxKey)
		h.claim(space("b")).mustBind(long)
		h.wantLookup(long, "b")
		err := h.claim(space("c")).start(kv.Delta{Bind: []byte(long + "n")}).wait(h.T)
		h.wantErr(err, kv.ErrTooLarge)
		h.wantLookup("", none)
		h.wantLookup(long+"n", none)
	}},
}

func (o *owner) mustBind(name string) {
	o.h.Helper()
	o.h.wantErr(o.start(kv.Delta{Bind: []byte(name)}).wait(o.h.T), nil)
}

// wantLookup fails unless name finds the space id; "<none>" wants ErrNotFound.
func (h *harness) wantLookup(name, id string) {
	h.Helper()
	s, err := h.s.Lookup(h.Context(), "class", []byte(name))
	got := s.ID()
	if errors.Is(err, kv.ErrNotFound) {
		got = none
	} else if err != nil {
		h.Fatalf("lookup %q: %v", name, err)
	}
	if got != id || got != none && s.Class() != "class" {
		h.Fatalf("lookup %q: got %q, want %q", short(name), got, id)
	}
}

// names lists a class; each space's id must be its name behind "id-".
func (h *harness) names(class string, r kv.Range) string {
	h.Helper()
	var got []string
	for b, err := range h.s.List(h.Context(), class, r) {
		h.wantErr(err, nil)
		if b.Space != kv.NewSpace(class, "id-"+string(b.Name)) {
			h.Errorf("name %q finds %v", b.Name, b.Space)
		}
		got = append(got, string(b.Name))
	}
	return strings.Join(got, " ")
}
