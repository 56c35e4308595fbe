package main

import (
	"errors"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestTake(t *testing.T) {
	a := guesttest.New(t, "limiter", guesttest.Options{Input: Rule{Burst: 5, Interval: 500}})
	for i, step := range []struct {
		wait time.Duration
		n    int
		want Decision
	}{
		{0, 4, Decision{Allowed: true, Remaining: 1}},
		{0, 2, Decision{Remaining: 1, RetryAfter: 500}},
		{0, 1, Decision{Allowed: true}},
		{400 * time.Millisecond, 1, Decision{RetryAfter: 100}},
		{100 * time.Millisecond, 1, Decision{Allowed: true}}, // what was refused cost nothing
		{time.Hour, 5, Decision{Allowed: true}},              // no more than the burst
		{0, 1, Decision{RetryAfter: 500}},
		{2500 * time.Millisecond, 1, Decision{Allowed: true, Remaining: 4}},
	} {
		a.Advance(step.wait)
		var got Decision
		if a.MustCall(&got, "take", step.n); got != step.want {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
	}
	for _, n := range []int{0, 6} {
		if err := a.Call(nil, "take", n); !errors.Is(err, guest.UserError("bad_request", "")) {
			t.Errorf("take(%d): %v", n, err)
		}
	}
}

// TestRefusalWritesNothing holds that a flood of refused requests saves no state.
func TestRefusalWritesNothing(t *testing.T) {
	a := guesttest.New(t, "limiter", guesttest.Options{Input: Rule{Burst: 1}})
	a.MustCall(nil, "take", 1)
	var before, after Bucket
	a.State(&before)
	a.Advance(200 * time.Millisecond)
	a.MustCall(nil, "take", 1)
	if a.State(&after); after != before {
		t.Errorf("a refusal made %+v of %+v", after, before)
	}
}

func TestRule(t *testing.T) {
	var b Bucket
	guesttest.New(t, "limiter", guesttest.Options{}).State(&b)
	if b.Burst != 10 || b.Interval != 1000 {
		t.Errorf("without a rule: %+v", b)
	}
	if _, err := guesttest.Create(t, "limiter", guesttest.Options{Input: Rule{Burst: -1}}); !errors.Is(err, guest.UserError("bad_rule", "")) {
		t.Errorf("a wrong rule: %v", err)
	}
}
