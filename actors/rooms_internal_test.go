package actors

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// A namespace gets its share of the rooms and no more, all of them get no more than there are, and who waits gets
// one that is given back.
func TestRooms(t *testing.T) {
	r := newRooms(8)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var give []func()
	for _, ns := range []string{"a", "a", "b", "b", "c", "c", "d", "d"} {
		free, err := r.take(ended, tenants.ID(ns))
		if err != nil {
			t.Fatalf("%s: %v", ns, err)
		}
		give = append(give, free)
	}
	for _, ns := range []string{"a", "e"} {
		if _, err := r.take(ended, tenants.ID(ns)); !errors.Is(err, context.Canceled) {
			t.Errorf("one more for %s: %v", ns, err)
		}
	}
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			free, err := r.take(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			free()
			free() // counts once
		})
	}
	give[0]()
	waiting.Wait()
	for _, free := range give {
		free()
	}
	if r.used != 0 || len(r.of) != 0 {
		t.Errorf("%d are used, by %v", r.used, r.of)
	}
}
