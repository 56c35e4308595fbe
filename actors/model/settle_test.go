package model

import (
	"context"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// settle waits until no actor of the host has anything to do, moving the clock on.
func settle(tb testing.TB, s *actorstest.Stack, clock *actorstest.Clock) {
	tb.Helper()
	var left []string
	tb.Cleanup(func() {
		if len(left) > 0 {
			tb.Logf("not done: %q", left[:min(20, len(left))])
		}
	})
	kvtest.Eventually(tb, "all work to be done", func() bool {
		var err error
		if left, err = busy(s.Store); err != nil {
			tb.Fatal(err)
		}
		if len(left) == 0 {
			return true
		}
		clock.Advance(settleStep)
		s.Host.Look()
		return false
	})
}

// busy returns the rows of work that is not done.
func busy(s kv.Store) (left []string, err error) {
	for _, ns := range namespaces {
		spaces := []kv.Space{tenants.PostOffice(ns).Space()}
		for b, err := range s.List(context.Background(), string(ns), kv.Range{}) {
			if err != nil {
				return nil, err
			}
			spaces = append(spaces, b.Space)
		}
		for _, space := range spaces {
			if _, ok := tenants.IDOfSpace(space); !ok {
				continue
			}
			st, err := read(s, space)
			if err != nil {
				return nil, err
			}
			for _, row := range st.busy {
				left = append(left, space.ID()+" "+row)
			}
		}
	}
	return left, nil
}
