package slots

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A class with many waiters gets one slot in turn with a class that has one.
func TestRoundRobinByClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, func(class string) int { return map[string]int{"b": 2}[class] })
		if err := s.Acquire(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		order := ""
		for _, class := range []string{"a", "a", "a", "a", "b", "b", "b", "c"} {
			go func() {
				if err := s.Acquire(t.Context(), class); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order += class
				mu.Unlock()
				s.Release()
			}()
			synctest.Wait()
		}
		s.Release()
		synctest.Wait()
		if order != "abbcabaa" {
			t.Errorf("order is %s, want abbcabaa", order)
		}
	})
}

func TestYieldLetsAWaiterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "busy")
		if passed, err := s.Yield(t.Context(), "busy", false); err != nil || passed {
			t.Fatal(passed, err)
		}
		ran := false
		go func() {
			s.Acquire(t.Context(), "quiet")
			ran = true
			s.Release()
		}()
		synctest.Wait()
		if ran {
			t.Fatal("two run in one slot")
		}
		if passed, err := s.Yield(t.Context(), "busy", true); err != nil || !passed || !ran {
			t.Errorf("the waiter of another class did not run: %v, %v", passed, err)
		}
		if s.Waiting() != 0 {
			t.Errorf("%d wait", s.Waiting())
		}
	})
}

// Who stays goes on while others of its class wait, and no longer once one of another class does.
func TestStaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "busy")
		order := ""
		wait := func(class, mark string) {
			go func() {
				s.Acquire(t.Context(), class)
				order += mark
				s.Release()
			}()
			synctest.Wait()
		}
		wait("busy", "b")
		if passed, err := s.Yield(t.Context(), "busy", true); passed || err != nil || order != "" {
			t.Errorf("who stays passed its slot on: %v, %v, %q", passed, err, order)
		}
		wait("quiet", "q")
		if passed, err := s.Yield(t.Context(), "busy", true); !passed || err != nil || order != "bq" {
			t.Errorf("beside another class: %v, %v, %q", passed, err, order)
		}
		wait("busy", "b")
		if passed, err := s.Yield(t.Context(), "busy", false); !passed || err != nil || order != "bqb" {
			t.Errorf("who does not stay: %v, %v, %q", passed, err, order)
		}
	})
}

// A waiter that gives up neither keeps a slot nor loses one.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "a")
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() { failed <- s.Acquire(ctx, "b") }()
		synctest.Wait()
		cancel()
		if err := <-failed; err == nil {
			t.Error("no error")
		}
		s.Release()
		if err := s.Acquire(t.Context(), "c"); err != nil || s.Waiting() != 0 {
			t.Errorf("the slot is lost: %v", err)
		}
	})
}

// HammerSlots: never more holders than slots, and all of them come back.
func TestHammerSlots(t *testing.T) {
	const n = 3
	s := New(n, nil)
	var held atomic.Int32
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			class := fmt.Sprint(i % 5)
			for round := range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+round)%7 == 0 {
					cancel()
				}
				if err := s.Acquire(ctx, class); err == nil {
					if got := held.Add(1); got > n {
						t.Errorf("%d hold a slot", got)
					}
					held.Add(-1)
					if _, err = s.Yield(ctx, class, round%2 == 0); err == nil {
						s.Release()
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for range n {
		if err := s.Acquire(t.Context(), "end"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.Acquire(ctx, "end") == nil {
		t.Error("there are more slots than were made")
	}
}
