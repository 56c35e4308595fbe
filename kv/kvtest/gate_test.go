package kvtest_test

import (
	"errors"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// The suite itself runs on a gate in package badgerkv.

func openGate(t *testing.T, dir string) *kvtest.Gate {
	t.Helper()
	s, err := badgerkv.Open(badgerkv.Config{Dir: dir, MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	g := kvtest.NewGate(s)
	t.Cleanup(func() { g.Close() })
	return g
}

var space = kv.NewSpace("class", "a")

func claim(t *testing.T, g *kvtest.Gate) kv.Lease {
	t.Helper()
	l, err := g.Claim(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func commit(g *kvtest.Gate, l kv.Lease, n uint64, value string) chan error {
	done := make(chan error, 1)
	g.Commit(l, &kv.Delta{N: n, Ops: []kv.Op{{Key: []byte("k"), Value: []byte(value)}}}, func(err error) { done <- err })
	return done
}

func wantValue(t *testing.T, g *kvtest.Gate, want string) {
	t.Helper()
	v, err := g.Get(t.Context(), space, []byte("k"))
	if errors.Is(err, kv.ErrNotFound) {
		v, err = nil, nil
	}
	if err != nil || string(v) != want {
		t.Errorf("got %q, %v, want %q", v, err, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func TestGateHolds(t *testing.T) {
	g := openGate(t, t.TempDir())
	l := claim(t, g)
	g.Hold()
	first, second, third := commit(g, l, 1, "1"), commit(g, l, 2, "2"), commit(g, l, 3, "3")
	g.AwaitHeld(t, 3)
	wantValue(t, g, "")
	g.Step(2)
	wantErr(t, <-first, nil)
	wantErr(t, <-second, nil)
	wantValue(t, g, "2")
	g.Release(l) // waits behind the third
	g.Resume()
	wantErr(t, <-third, nil)
	wantValue(t, g, "3")
	wantErr(t, <-commit(g, l, 4, "4"), kv.ErrFenced)
}

func TestGateClaimFencesHeldDeltas(t *testing.T) {
	g := openGate(t, t.TempDir())
	old := claim(t, g)
	g.Hold()
	held := commit(g, old, 1, "old")
	fresh := claim(t, g)
	if fresh.Pos != 0 {
		t.Errorf("position: got %d, want 0", fresh.Pos)
	}
	g.Resume()
	wantErr(t, <-held, kv.ErrFenced)
	wantErr(t, <-commit(g, fresh, 1, "new"), nil)
	wantValue(t, g, "new")
}

func TestGateRefuses(t *testing.T) {
	g := openGate(t, t.TempDir())
	l := claim(t, g)
	g.Refuse(2, kv.ErrReadOnly)
	first, second, third := commit(g, l, 1, "1"), commit(g, l, 2, "2"), commit(g, l, 3, "3")
	wantErr(t, <-first, nil)
	wantErr(t, <-second, kv.ErrReadOnly)
	wantErr(t, <-third, kv.ErrFenced)
	wantValue(t, g, "1")
	if l = claim(t, g); l.Pos != 1 {
		t.Errorf("position: got %d, want 1", l.Pos)
	}
	wantErr(t, <-commit(g, l, 2, "again"), nil)
	wantValue(t, g, "again")
}

func TestGateUnknown(t *testing.T) {
	for _, tt := range []struct {
		name    string
		written bool
		want    string
	}{{"written", true, "2"}, {"not written", false, "1"}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			g := openGate(t, dir)
			l := claim(t, g)
			wantErr(t, <-commit(g, l, 1, "1"), nil)
			g.Unknown(1, tt.written)
			g.Hold()
			second, third := commit(g, l, 2, "2"), commit(g, l, 3, "3")
			g.Step(1)
			wantUnknown(t, <-second)
			<-g.Failed()
			g.Resume()
			wantUnknown(t, <-third)
			wantUnknown(t, g.Err())
			wantUnknown(t, <-commit(g, l, 4, "4"))
			destroyed := make(chan error, 1)
			g.Destroy(l, func(err error) { destroyed <- err })
			wantUnknown(t, <-destroyed)
			_, err := g.Get(t.Context(), space, []byte("k"))
			wantUnknown(t, err)
			_, err = g.Claim(t.Context(), space)
			wantUnknown(t, err)
			_, err = g.Lookup(t.Context(), "class", []byte("name"))
			wantUnknown(t, err)
			for _, err := range g.Scan(t.Context(), space, kv.Range{}) {
				wantUnknown(t, err)
			}
			wantErr(t, g.Close(), nil)
			wantValue(t, openGate(t, dir), tt.want)
		})
	}
}

func wantUnknown(t *testing.T, err error) {
	t.Helper()
	var unknown *kv.UnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("got %v, want an UnknownError", err)
	}
}

// A full store is what an engine is on a full disk: read-only, and as before when there is room.
func TestGateFills(t *testing.T) {
	g := openGate(t, t.TempDir())
	l := claim(t, g)
	wantErr(t, <-commit(g, l, 1, "1"), nil)
	g.Fill(true)
	wantErr(t, g.Writable(), kv.ErrReadOnly)
	wantErr(t, <-commit(g, l, 2, "2"), kv.ErrReadOnly)
	wantErr(t, <-commit(g, l, 3, "3"), kv.ErrReadOnly)
	wantValue(t, g, "1")
	g.Fill(false)
	wantErr(t, g.Writable(), nil)
	wantErr(t, <-commit(g, l, 2, "2"), kv.ErrFenced)
	l = claim(t, g)
	wantErr(t, <-commit(g, l, 2, "2"), nil)
	g.Fill(true)
	done := make(chan error, 1)
	g.Destroy(l, func(err error) { done <- err })
	wantErr(t, <-done, nil)
}
