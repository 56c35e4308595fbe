package testkit_test

import (
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/testkit"
)

// A test of a counter: what it keeps is there after the host was killed.
func Example() {
	_ = func(t *testing.T) { // func TestCounter(t *testing.T)
		k := testkit.Start(t, testkit.Options{Dir: "."})
		a := k.Actor("counter", "lobby")
		var n int
		a.MustCall(&n, "increment", 3)
		k.Advance(time.Hour)
		k.Crash()
		if a.MustCall(&n, "increment", 4); n != 7 {
			t.Errorf("increment = %d, want 7", n)
		}
	}
}
