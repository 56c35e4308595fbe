package slots

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// What a run may expect follows from who waits of its class, and how fast that has been served.
func TestExpect(t *testing.T) {
	tests := []struct {
		name    string
		slots   int
		waiters map[string]int
		ahead   int
		want    time.Duration // of class a, of whose runs ten end every 20 ms
	}{
		{"nobody waits", 1, nil, 0, 0},
		{"nobody waits, and many come before it", 1, nil, 255, 0},
		{"a thousand of another class", 1, map[string]int{"b": 1000}, 255, 0},
		{"a few of its own", 1, map[string]int{"a": 3}, 0, 0},
		{"many of its own", 1, map[string]int{"a": 100}, 0, 200 * ms},
		{"a few of its own, behind as many each time", 1, map[string]int{"a": 3}, 99, 600 * ms},
		{"a few for many slots", 32, map[string]int{"a": 100}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(tt.slots, nil)
				for range tt.slots {
					s.Acquire(t.Context(), "x")
				}
				for class, n := range tt.waiters {
					for range n {
						go s.Acquire(t.Context(), class) // ends with the test
					}
				}
				synctest.Wait()
				for range 100 { // in bursts, as they end that share a slot
					time.Sleep(20 * ms)
					for range 10 {
						s.Ended("a")
					}
				}
				if got := s.Expect("a", tt.ahead).Round(20 * ms); got != tt.want {
					t.Errorf("Expect = %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Runs that do not end make those behind them expect more the longer it lasts, and a pause is no slow pace.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "x")
		s.Ended("a")
		time.Sleep(time.Hour)
		s.Ended("a")
		for range 10 {
			go s.Acquire(t.Context(), "a") // ends with the test
		}
		synctest.Wait()
		if got := s.Expect("a", 0); got != 0 {
			t.Errorf("after a pause: %v, want 0", got)
		}
		time.Sleep(longRun)
		if got := s.Expect("a", 0); got != 0 {
			t.Errorf("when none has ended for a while: %v, want 0", got)
		}
		time.Sleep(longRun)
		if got, want := s.Expect("a", 0), 2*longRun; got != want {
			t.Errorf("when none has ended for long: %v, want %v", got, want)
		}
	})
}

// Who has the name of a class that was slow, and is no more, expects nothing of it.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "x")
		for range 10 {
			go s.Acquire(t.Context(), "a") // ends with the test
		}
		synctest.Wait()
		for range 2 {
			s.Ended("a")
			time.Sleep(time.Second)
		}
		s.Ended("a")
		if got := s.Expect("a", 0); got < 5*time.Second {
			t.Fatalf("behind ten that take a second each: %v", got)
		}
		s.Forget("a")
		s.Ended("a") // so that there are no long runs
		if got := s.Expect("a", 0); got != 0 {
			t.Errorf("when it is forgotten: %v, want 0", got)
		}
	})
}

// Classes that are remembered are bounded.
func TestPacesAreBounded(t *testing.T) {
	s := New(1, nil)
	for i := range 3 * maxPaces {
		if s.Ended(fmt.Sprint(i)); len(s.paces) > maxPaces {
			t.Fatalf("%d classes are remembered", len(s.paces))
		}
	}
}
