package actors

import (
	"context"
	"testing"
	"testing/synctest"
)

// As many of a namespace may wait for a place as it may have; who waits no more leaves nothing.
func TestCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newInstances(1)
		s.takeLocked(&claim{ns: "loud"})
		ctx, leave := context.WithCancel(t.Context())
		for n := range leastClaims {
			if s.crowded("loud") {
				t.Fatalf("crowded with %d that wait", n)
			}
			go s.acquire(ctx, &claim{ns: "loud"}) // ends with ctx
			synctest.Wait()
		}
		if !s.crowded("loud") || s.crowded("quiet") {
			t.Errorf("loud %v, quiet %v; want true and false", s.crowded("loud"), s.crowded("quiet"))
		}
		leave()
		synctest.Wait()
		if s.crowded("loud") || len(s.waiting) > 0 {
			t.Errorf("%d wait that have left", len(s.waiting))
		}
	})
}
