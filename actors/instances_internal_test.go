package actors

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

// asked takes those out of a list of actors that have been asked to sleep.
func asked(all *[]*actor) (some []*actor) {
	*all = slices.DeleteFunc(*all, func(a *actor) bool {
		if a.mail.wasNudged() {
			some = append(some, a)
			return true
		}
		return false
	})
	return some
}

// A host of 64 has 40 places for a namespace, one of which it keeps free while there are idle actors: nobody has to wait.
func TestRoomIsMadeAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newInstances(64)
		var awake []*actor
		for range 100 {
			if err := s.acquire(t.Context(), &claim{ns: "a"}); err != nil || s.of["a"] > 40 {
				t.Fatalf("%d live, %v", s.of["a"], err)
			}
			for _, a := range asked(&awake) {
				s.release("a", a)
			}
			a := idleActors("a", 1)[0]
			if awake = append(awake, a); !s.park(a, false) {
				t.Fatal("somebody waits")
			}
		}
		if s.of["a"] != 39 || len(s.leaving.all)+len(s.leaving.of) != 0 {
			t.Errorf("%d live, %d leaving; want 39 and none", s.of["a"], len(s.leaving.all))
		}
	})
}

// Those of a namespace that chained turns have let live beyond its part leave all at once when others want to run, and as many
// of them as have something to do again are replaced.
func TestAllLeaveWhoHaveTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newInstances(64)
		idle := idleActors("a", 47)
		for _, a := range idle {
			s.takeLocked(&claim{ns: "a", chained: true})
			s.park(a, false)
		}
		granted := make(chan error, 2)
		for range 2 {
			go func() { granted <- s.acquire(t.Context(), &claim{ns: "a"}) }()
		}
		synctest.Wait()
		const want = 47 - 40 + 2 + 1
		leaving := asked(&idle)
		if len(leaving) != want {
			t.Fatalf("%d were asked to sleep, want %d", len(leaving), want)
		}
		s.unpark(leaving[0])
		if leaving = append(leaving[1:], asked(&idle)...); len(leaving) != want {
			t.Fatalf("%d leave after one came back, want %d", len(leaving), want)
		}
		for _, a := range leaving {
			s.release("a", a)
		}
		synctest.Wait()
		if len(granted) != 2 || s.of["a"] != 39 {
			t.Errorf("%d of 2 may run, %d live", len(granted), s.of["a"])
		}
	})
}

// What waits because its namespace has its share has nobody of another one leave.
func TestOthersNeedNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newInstances(64)
		for range 40 {
			s.takeLocked(&claim{ns: "loud"})
		}
		ctx, leave := context.WithCancel(t.Context())
		for range 30 {
			go s.acquire(ctx, &claim{ns: "loud"}) // ends with ctx
		}
		synctest.Wait()
		quiet := idleActors("quiet", 3)
		for _, a := range quiet {
			s.takeLocked(&claim{ns: "quiet"})
			s.park(a, false)
		}
		if err := s.acquire(ctx, &claim{ns: "quiet"}); err != nil || len(asked(&quiet)) != 0 {
			t.Errorf("acquire: %v; %d of 3 are left", err, len(quiet))
		}
		leave()
		synctest.Wait()
	})
}

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

// A namespace near its share, all at work, has those of others make room for it where the host is full.
func TestOthersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newInstances(64) // 56 but for those that are called
		for range 39 {
			s.takeLocked(&claim{ns: "busy"})
		}
		idle := idleActors("idle", 17)
		for _, a := range idle {
			s.takeLocked(&claim{ns: "idle"})
			s.park(a, false)
		}
		granted := make(chan error, 1)
		go func() { granted <- s.acquire(t.Context(), &claim{ns: "busy"}) }()
		synctest.Wait()
		leaving := asked(&idle)
		for _, a := range leaving {
			s.release("idle", a)
		}
		synctest.Wait()
		if len(granted) != 1 || len(leaving) != 2 { // for itself, and one place ahead
			t.Errorf("%d may run, %d of the other namespace have left", len(granted), len(leaving))
			s.release("busy", nil)
		}
	})
}
