package badgerkv

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

func claim(t testing.TB, s *Store, space kv.Space) kv.Lease {
	t.Helper()
	l, err := s.Claim(t.Context(), space)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return l
}

// submit commits ops as delta n and returns where done's error will be.
func submit(s *Store, l kv.Lease, n uint64, ops ...kv.Op) chan error {
	done := make(chan error, 1)
	s.Commit(l, &kv.Delta{N: n, Ops: ops}, func(err error) { done <- err })
	return done
}

func put(key, value string) kv.Op { return kv.Op{Key: []byte(key), Value: []byte(value)} }

// gate is a beforeCommit hook that holds groups back.
type gate struct {
	arrived chan int // gets the number of jobs in each group that waits
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan int, 1000), make(chan struct{})} }

func (g *gate) hook(n int) {
	g.arrived <- n
	<-g.open
}

func TestConcurrentCommitsShareASync(t *testing.T) {
	g := newGate()
	s := openSmall(t, t.TempDir(), hooks{beforeCommit: g.hook})
	defer s.Close()
	var dones []chan error
	for i := range 100 {
		dones = append(dones, submit(s, claim(t, s, kv.NewSpace("class", fmt.Sprint(i))), 1, put("k", "v")))
		if i == 0 {
			<-g.arrived // the first is alone in its group; the others gather behind it
		}
	}
	close(g.open)
	for _, done := range dones {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	st := s.Stats()
	if st.Groups != 2 || st.Commits != 100 || st.Bytes == 0 {
		t.Errorf("got %+v, want 100 commits in 2 groups", st)
	}
	if st.Syncs.Count() != 2 || st.Syncs.Sum <= 0 || st.Waiting != 0 || st.FreeBytes != -1 || st.ReadOnly || st.Failed {
		t.Errorf("got %+v, want 2 syncs in some time, and a store that nobody's disk bounds", st)
	}
}

// done may be called only when the engine's synced commit has returned.
func TestDoneComesAfterSync(t *testing.T) {
	var syncWrites bool
	var group, synced, done atomic.Int64
	h := hooks{
		options:      func(o *badger.Options) { syncWrites = o.SyncWrites },
		beforeCommit: func(n int) { group.Store(int64(n)) },
		afterCommit:  func() { synced.Add(group.Load()) },
	}
	h.commit = func(commit func() error) error {
		before := done.Load()
		err := commit()
		if after := done.Load(); synced.Load() < after {
			t.Errorf("%d deltas done, %d synced (%d before the commit)", after, synced.Load(), before)
		}
		return err
	}
	s := openSmall(t, t.TempDir(), h)
	defer s.Close()
	if !syncWrites {
		t.Error("SyncWrites is off")
	}
	var wg sync.WaitGroup
	for i := range 20 {
		l := claim(t, s, kv.NewSpace(fmt.Sprint("class", i%3), fmt.Sprint(i)))
		for n := range uint64(20) {
			wg.Add(1)
			s.Commit(l, &kv.Delta{N: n + 1, Ops: []kv.Op{put("k", "v")}}, func(err error) {
				defer wg.Done()
				if d := done.Add(1); err != nil || d > synced.Load() {
					t.Errorf("done %d with %v, %d synced", d, err, synced.Load())
				}
			})
		}
	}
	wg.Wait()
}

// A read waits for no sync, and sees nothing that is not synced.
func TestReadsPassACommit(t *testing.T) {
	synced, publish := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	s := openSmall(t, t.TempDir(), hooks{afterCommit: func() {
		if armed.Load() {
			close(synced)
			<-publish
			armed.Store(false)
		}
	}})
	defer s.Close()
	space := kv.NewSpace("class", "a")
	l := claim(t, s, space)
	<-submit(s, l, 1, put("k", "old"))
	armed.Store(true)
	done := submit(s, l, 2, put("k", "new"))
	<-synced // the engine has it, done was not called
	if v, err := s.Get(t.Context(), space, []byte("k")); string(v) != "old" || err != nil {
		t.Errorf("got %q, %v, want old", v, err)
	}
	close(publish)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if v, err := s.Get(t.Context(), space, []byte("k")); string(v) != "new" || err != nil {
		t.Errorf("got %q, %v, want new", v, err)
	}
}

// A claim counts the deltas that are in a group, and refuses those that are not. It returns when
// reads see what it counts.
func TestClaimWhileAGroupIsHeld(t *testing.T) {
	g := newGate()
	s := openSmall(t, t.TempDir(), hooks{beforeCommit: g.hook})
	defer s.Close()
	space := kv.NewSpace("class", "a")
	old := claim(t, s, space)
	first := submit(s, old, 1, put("k", "1"))
	<-g.arrived
	second := submit(s, old, 2, put("k", "2"))
	s.Release(old) // changes nothing for deltas in flight
	claimed := claimLater(s, t.Context(), space)
	awaitLaterClaim(t, s, old)
	select {
	case c := <-claimed:
		t.Fatalf("claimed %+v while a delta that it counts cannot be read", c)
	default:
	}
	close(g.open)
	c := <-claimed
	if c.err != nil || c.lease.Pos != 1 {
		t.Fatalf("claim: got %+v, want position 1", c)
	}
	if v, err := s.Get(t.Context(), space, []byte("k")); string(v) != "1" || err != nil {
		t.Errorf("after the claim: got %q, %v, want 1", v, err)
	}
	third := submit(s, c.lease, 2, put("k", "3"))
	if err := <-first; err != nil {
		t.Errorf("delta in a group: %v", err)
	}
	if err := <-second; !errors.Is(err, kv.ErrFenced) {
		t.Errorf("delta in the queue: got %v, want ErrFenced", err)
	}
	if err := <-third; err != nil {
		t.Errorf("delta of the new lease: %v", err)
	}
}

type claimResult struct {
	lease kv.Lease
	err   error
}

func claimLater(s *Store, ctx context.Context, space kv.Space) chan claimResult {
	c := make(chan claimResult, 1)
	go func() {
		l, err := s.Claim(ctx, space)
		c <- claimResult{l, err}
	}()
	return c
}

// awaitLaterClaim returns when a claim has fenced old.
func awaitLaterClaim(t *testing.T, s *Store, old kv.Lease) {
	t.Helper()
	kvtest.Eventually(t, "claim", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.entries[old.Space].epoch != old.Epoch
	})
}

// A claim that gives up while it waits leaves nothing behind, and one that meets the store's end
// says so.
func TestClaimThatWaitsInVain(t *testing.T) {
	g := newGate()
	s := openSmall(t, t.TempDir(), hooks{beforeCommit: g.hook, commit: func(func() error) error {
		return errors.New("the disk is gone")
	}})
	defer s.Close()
	space := kv.NewSpace("class", "a")
	old := claim(t, s, space)
	first := submit(s, old, 1, put("k", "1"))
	<-g.arrived
	ctx, cancel := context.WithCancel(t.Context())
	claimed := claimLater(s, ctx, space)
	awaitLaterClaim(t, s, old)
	cancel()
	if c := <-claimed; !errors.Is(c.err, context.Canceled) {
		t.Errorf("claim: got %+v, want it cancelled", c)
	}
	claimed = claimLater(s, t.Context(), space)
	kvtest.Eventually(t, "claim", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.entries[space].released
	})
	close(g.open)
	wantUnknown(t, "delta", <-first)
	wantUnknown(t, "claim", (<-claimed).err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) != 0 {
		t.Errorf("entries left: %d", len(s.entries))
	}
}

func TestUnknownOutcome(t *testing.T) {
	for _, tt := range []struct {
		name    string
		written bool
	}{{"written", true}, {"not written", false}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			g := newGate()
			var broken atomic.Bool
			s := openSmall(t, dir, hooks{beforeCommit: g.hook, commit: func(commit func() error) error {
				if !broken.Load() || tt.written {
					if err := commit(); err != nil {
						return err
					}
				}
				if broken.Load() {
					return errors.New("the disk is gone")
				}
				return nil
			}})
			a, b := kv.NewSpace("class", "a"), kv.NewSpace("class", "b")
			la, lb := claim(t, s, a), claim(t, s, b)
			ok := submit(s, la, 1, put("k", "1"))
			<-g.arrived
			g.open <- struct{}{}
			if err := <-ok; err != nil {
				t.Fatal(err)
			}
			broken.Store(true)
			dones := []chan error{submit(s, la, 2, put("k", "2"))}
			<-g.arrived // that one is in a group, these wait behind it
			dones = append(dones, submit(s, la, 3, put("k", "3")), submit(s, lb, 1, put("k", "1")))
			close(g.open)
			for i, done := range dones {
				wantUnknown(t, fmt.Sprint("delta ", i), <-done)
			}
			select {
			case <-s.Failed():
			default:
				t.Error("Failed is open")
			}
			wantUnknown(t, "Err", s.Err())
			wantUnknown(t, "later commit", <-submit(s, lb, 1))
			_, err := s.Claim(t.Context(), b)
			wantUnknown(t, "claim", err)
			_, err = s.Get(t.Context(), a, []byte("k"))
			wantUnknown(t, "get", err)
			_, err = s.Lookup(t.Context(), "class", []byte("n"))
			wantUnknown(t, "lookup", err)
			for _, err := range s.Scan(t.Context(), a, kv.Range{}) {
				wantUnknown(t, "scan", err)
			}
			for _, err := range s.Due(t.Context(), time.Now()) {
				wantUnknown(t, "due", err)
			}
			destroyed := make(chan error, 1)
			s.Destroy(la, func(err error) { destroyed <- err })
			wantUnknown(t, "destroy", <-destroyed)
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}

			// The log decides.
			s = openSmall(t, dir, hooks{})
			defer s.Close()
			want := uint64(1)
			if tt.written {
				want = 2
			}
			if got := claim(t, s, a).Pos; got != want {
				t.Errorf("position after reopen: got %d, want %d", got, want)
			}
			if got := claim(t, s, b).Pos; got != 0 {
				t.Errorf("position of the other space: got %d, want 0", got)
			}
		})
	}
}

func wantUnknown(t *testing.T, what string, err error) {
	t.Helper()
	var unknown *kv.UnknownError
	if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("%s: got %v, want an UnknownError", what, err)
	}
}

// A scan that has begun when the store stops must not go on.
func TestUnknownOutcomeEndsScans(t *testing.T) {
	var broken atomic.Bool
	s := openSmall(t, t.TempDir(), hooks{commit: func(commit func() error) error {
		if broken.Load() {
			return errors.New("the disk is gone")
		}
		return commit()
	}})
	defer s.Close()
	space := kv.NewSpace("class", "a")
	l := claim(t, s, space)
	<-submit(s, l, 1, put("a", "1"), put("b", "1"))
	var last error
	n := 0
	for _, err := range s.Scan(t.Context(), space, kv.Range{}) {
		if last = err; n == 0 {
			broken.Store(true)
			wantUnknown(t, "commit", <-submit(s, l, 2))
		}
		n++
	}
	wantUnknown(t, "scan", last)
}

// Nothing is kept for spaces that nobody holds.
func TestEntriesGo(t *testing.T) {
	s := openSmall(t, t.TempDir(), hooks{})
	defer s.Close()
	for i := range 200 {
		l := claim(t, s, kv.NewSpace("class", fmt.Sprint(i)))
		switch i % 4 {
		case 0:
			submit(s, l, 1, put("k", "v"))
			s.Release(l)
		case 1:
			s.Release(l)
		case 2:
			submit(s, l, 7) // breaks the lease
			s.Release(l)
		case 3:
			submit(s, l, 1, put("k", "v"))
			s.Destroy(l, func(error) {})
		}
	}
	kvtest.Eventually(t, "entries and garbage gone", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.entries) == 0 && s.queue.empty() && s.dying.count.Load() == 0
	})
}

// TestHammer uses all calls on few spaces from many goroutines, and counts goroutines afterwards.
func TestHammer(t *testing.T) {
	before := runtime.NumGoroutine()
	s := openSmall(t, t.TempDir(), hooks{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 60 {
				space := kv.NewSpace(fmt.Sprint("class", i%3), fmt.Sprint("s", i%7))
				l, err := s.Claim(t.Context(), space)
				if errors.Is(err, kv.ErrNotFound) {
					continue // destroyed a moment ago
				}
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				for n := range uint64(5) {
					d := &kv.Delta{N: l.Pos + n + 1, Ops: []kv.Op{put(fmt.Sprint(n), "v")}, Bind: fmt.Append(nil, "name", w%4)}
					s.Commit(l, d, func(err error) {
						if err != nil && !errors.Is(err, kv.ErrFenced) && !errors.Is(err, kv.ErrExists) {
							t.Errorf("commit: %v", err)
						}
					})
				}
				for _, err := range s.Scan(t.Context(), space, kv.Range{Reverse: i%2 == 0}) {
					if err != nil {
						t.Errorf("scan: %v", err)
					}
				}
				for b, err := range s.List(t.Context(), space.Class(), kv.Range{}) {
					if err != nil {
						t.Errorf("list: %v", err)
					}
					s.Lookup(t.Context(), space.Class(), b.Name)
				}
				if i%10 == 9 {
					done := make(chan error, 1)
					s.Destroy(l, func(err error) { done <- err })
					if err := <-done; err != nil && !errors.Is(err, kv.ErrFenced) {
						t.Errorf("destroy: %v", err)
					}
				} else {
					s.Release(l)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	kvtest.Eventually(t, "goroutines gone", func() bool { return runtime.NumGoroutine() <= before+1 })
}
