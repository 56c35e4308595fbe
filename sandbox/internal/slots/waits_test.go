package slots

import (
	"testing"
	"testing/synctest"
	"time"
)

// Who gets a slot at once counts as having waited for no time, and who gives up does not count.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(1, nil)
		s.Acquire(t.Context(), "a")
		go s.Acquire(t.Context(), "b")
		synctest.Wait()
		time.Sleep(3 * time.Second) // of the bubble's clock
		s.Release()
		synctest.Wait()
		w := s.Waits()
		if w.Count() != 2 || w.Sum != 3*time.Second || w.Counts[0] != 1 {
			t.Errorf("got %d waits of %v, %v", w.Count(), w.Sum, w.Counts)
		}
	})
}
