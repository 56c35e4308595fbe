package actors_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func settle(t *testing.T, s *actorstest.Stack) time.Time {
	t.Helper()
	next, err := s.Host.Settle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// A settled host has delivered all sends, also those that sends make, and says when there is more to do.
func TestSettleWaitsForSends(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	if next := settle(t, s); !next.IsZero() {
		t.Errorf("a host without actors has something due at %v", next)
	}
	const n = 8
	ids := make([]tenants.ActorID, n)
	for i := range ids {
		ids[i] = s.Actor(tenants.Default, "script", fmt.Sprint(i))
	}
	for round := range 3 {
		// Each hands the baton on, through sends in sends; the last one writes.
		args := do(step("kv_put", fmt.Sprint("round/", round), "x"))
		for i := n - 1; i > 0; i-- {
			args = do(step("send", to(ids[i]), "do", args))
		}
		s.MustDo(ids[0], args[0]...)
		next := settle(t, s)
		if got, want := strings.Count(items(t, s, ids[n-1], "round/"), "round/"), round+1; got != want {
			t.Fatalf("the settled host has done %d rounds of %d", got, want)
		}
		if want := clock.Now().Add(20 * time.Second); !next.Equal(want) {
			t.Errorf("next is %v, want the end of the pairs at %v", next, want)
		}
	}
	// Sleeping actors have to wake for what is due.
	for _, id := range ids {
		if err := s.Host.Sleep(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if awake, _ := s.Host.Awake(); awake != 0 {
		t.Fatalf("%d actors are awake", awake)
	}
	if next := settle(t, s); !next.Equal(clock.Now().Add(20 * time.Second)) {
		t.Errorf("asleep, next is %v", next)
	}
	clock.Advance(20 * time.Second)
	s.Host.Look()
	if next := settle(t, s); !next.IsZero() {
		t.Errorf("with all pairs ended, next is %v", next)
	}
	for i, id := range ids {
		if n := rows(t, s, id); n["S"]+n["R"]+n["g"] != 0 {
			t.Errorf("actor %d keeps %v", i, n)
		}
	}
}

// A send that fails is tried again later, which is nothing to wait for.
func TestSettleLeavesRetries(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, step("send", to(b), "do", do(step("trap"))))
	for attempt := 1; attempt < abi.MaxAttempts; attempt++ {
		next := settle(t, s)
		if want := clock.Now().Add(time.Second << (attempt - 1)); !next.Equal(want) {
			t.Fatalf("after attempt %d next is %v, want %v", attempt, next, want)
		}
		clock.Advance(next.Sub(clock.Now()))
		s.Host.Look()
	}
	settle(t, s)
	if n := strings.Count(s.Log(b), "the guest trapped"); n != abi.MaxAttempts {
		t.Errorf("%d attempts", n)
	}
}

// What waits, runs or is on its way to the disk is waited for, and named if it takes too long.
func TestSettleSaysWhatGoesOn(t *testing.T) {
	var g *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { g = kvtest.NewGate(inner); return g }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script", "a")
	settle(t, s)
	g.Hold()
	done := make(chan error, 1)
	go func() { _, err := s.Do(id, step("kv_put", "k", "v")); done <- err }()
	g.AwaitHeld(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Host.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), id.String()+": a commit is in flight") {
		t.Errorf("with a commit held back: %v", err)
	}
	g.Resume()
	settle(t, s)
	if got := items(t, s, id, "k"); got != "k" {
		t.Errorf("the settled host has %q on disk", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Host.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Host.Settle(t.Context()); abi.CodeOf(err) != abi.CodeUnavailable {
		t.Errorf("of a host that stops: %v", err)
	}
}

// An actor that is told to sleep does, with its hook, and wakes for the next request.
func TestSleepOnDemand(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "hooked", "a")
	s.MustDo(id, step("now"))
	for range 2 { // the second finds it asleep
		if err := s.Host.Sleep(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if awake, live := s.Host.Awake(); awake != 0 || live != 0 {
			t.Errorf("%d awake, %d instances", awake, live)
		}
	}
	s.MustDo(id, step("now"))
	want := fmt.Sprintf("%d %d %d %d", abi.KindCreate, abi.KindWake, abi.KindSleep, abi.KindWake)
	if got := s.Kinds(id); got != want {
		t.Errorf("the guest saw turns of kind %q, want %q", got, want)
	}
	if err := s.Host.Sleep(t.Context(), tenants.NewActorID(tenants.Default)); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("of an actor that is not: %v", err)
	}
}
