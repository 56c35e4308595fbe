// Package kvtest holds every implementation of kv.Store to its contract.
//
// It owns the conformance suite, Run, and Gate, a store that tests of the packages above can shut
// and make fail. It knows no engine: what only one engine promises is tested in that engine's
// package.
package kvtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

var (
	seed = flag.Int64("kvtest.seed", 0, "replay the model test with this seed; zero picks one")
	ops  = flag.Int("kvtest.ops", 3000, "operations of the model test")
)

// patience is how long anything may take before a test gives up.
const patience = 30 * time.Second

// Engine is an implementation of kv.Store.
type Engine struct {
	// Open makes or reopens the store in dir; the suite closes it.
	Open func(t *testing.T, dir string) kv.Store
	// Load returns what fills a new store in dir.
	Load func(dir string) (kv.Loader, error)
}

// Run runs the suite.
func Run(t *testing.T, e Engine) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"lease", leaseTests},
		{"delta", deltaTests},
		{"read", readTests},
		{"name", nameTests},
		{"due", dueTests},
		{"destroy", destroyTests},
		{"totals", totalsTests},
		{"remains", remainsTests},
		{"isolation", isolationTests},
		{"dump", dumpTests},
		{"moment", momentTests},
		{"close", closeTests},
		{"model", modelTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tt := range group.tests {
				t.Run(tt.name, func(t *testing.T) {
					dir := t.TempDir()
					h := &harness{T: t, dir: dir, engine: e, open: func() kv.Store { return e.Open(t, dir) }}
					h.s = h.open()
					t.Cleanup(func() { h.s.Close() })
					tt.run(h)
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(h *harness)
}

// harness is one test's store.
type harness struct {
	*testing.T
	dir  string
	open func() kv.Store
	s    kv.Store

	engine Engine
}

// reopen closes the store and opens it again, as a restart does.
func (h *harness) reopen() {
	h.Helper()
	if err := h.s.Close(); err != nil {
		h.Fatalf("close: %v", err)
	}
	h.s = h.open()
}

func (h *harness) claim(s kv.Space) *owner {
	h.Helper()
	l, err := h.s.Claim(h.Context(), s)
	if err != nil {
		h.Fatalf("claim %v: %v", s, err)
	}
	return &owner{h: h, Lease: l, n: l.Pos}
}

// owner commits deltas under one lease and numbers them.
type owner struct {
	kv.Lease
	h *harness
	n uint64 // of the last delta
}

// start submits d behind the owner's last delta.
func (o *owner) start(d kv.Delta) *flight {
	o.n++
	d.N = o.n
	f := newFlight()
	o.h.s.Commit(o.Lease, &d, f.land)
	return f
}

// commit submits a delta and waits until it is on disk.
func (o *owner) commit(ops ...kv.Op) {
	o.h.Helper()
	o.h.wantErr(o.start(kv.Delta{Ops: ops}).wait(o.h.T), nil)
}

func (o *owner) destroy() {
	o.h.Helper()
	f := newFlight()
	o.h.s.Destroy(o.Lease, f.land)
	o.h.wantErr(f.wait(o.h.T), nil)
}

// flight is one delta whose done is awaited.
type flight struct {
	landed chan error
}

func newFlight() *flight { return &flight{make(chan error, 2)} }

func (f *flight) land(err error) { f.landed <- err }

func (f *flight) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-f.landed:
		return err
	case <-time.After(patience):
		t.Fatal("done was not called")
		return nil
	}
}

// wantErr fails unless err is want; nil wants success.
func (h *harness) wantErr(err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Fatalf("got error %v, want %v", err, want)
	}
}

// wantGet fails unless key holds want; "<none>" wants ErrNotFound.
func (h *harness) wantGet(r kv.Reader, s kv.Space, key, want string) {
	h.Helper()
	v, err := r.Get(h.Context(), s, []byte(key))
	got := string(v)
	if errors.Is(err, kv.ErrNotFound) {
		got = none
	} else if err != nil {
		h.Fatalf("get %q: %v", key, err)
	}
	if got != want {
		h.Fatalf("get %q: got %q, want %q", key, short(got), short(want))
	}
}

const none = "<none>"

// wantItems fails unless the space holds exactly the items, written "k=v k=v".
func (h *harness) wantItems(s kv.Space, want string) {
	h.Helper()
	if got := h.items(s, kv.Range{}); got != want {
		h.Fatalf("space %v: got %q, want %q", s, got, want)
	}
}

func (h *harness) items(s kv.Space, r kv.Range) string {
	h.Helper()
	return joinItems(h.T, h.s.Scan(h.Context(), s, r))
}

// count returns the number of items in a space.
func (h *harness) count(s kv.Space) (n int) {
	h.Helper()
	for _, err := range h.s.Scan(h.Context(), s, kv.Range{}) {
		h.wantErr(err, nil)
		n++
	}
	return n
}

func joinItems(t testing.TB, seq func(func(kv.Item, error) bool)) string {
	t.Helper()
	var got []string
	for item, err := range seq {
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		got = append(got, string(item.Key)+"="+string(item.Value))
	}
	return strings.Join(got, " ")
}

// Eventually polls ok until it holds, and fails the test if that takes too long.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("timed out: %s", what)
		}
	}
}

func put(key, value string) kv.Op { return kv.Op{Key: []byte(key), Value: []byte(value)} }
func del(key string) kv.Op        { return kv.Op{Key: []byte(key)} }

// space returns a space of the test class.
func space(id string) kv.Space { return kv.NewSpace("class", id) }

// large returns n bytes that differ along the way, so that a misplaced part shows.
func large(n int, salt byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i) ^ salt
	}
	return b
}

func short(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%s... (%d bytes)", s[:60], len(s))
	}
	return s
}
