package actors_test

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

var scheduledActors = flag.Int("schedules.actors", 300, "actors of TestManySchedulesAtOnce")

// Many sleeping actors have one schedule each, all in the same second: all of them run, once. It says how
// late; the clock stands still until all are set and asleep.
func TestManySchedulesAtOnce(t *testing.T) {
	n := *scheduledActors
	var began atomic.Pointer[time.Time] // from when the clock runs
	base := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	now := func() time.Time {
		if b := began.Load(); b != nil {
			return base.Add(time.Since(*b))
		}
		return base
	}
	s := openTimed(t, "", func(c *actors.Config) { c.Now, c.IdleTime = now, 100*time.Millisecond })
	ids := make([]tenants.ActorID, n)
	var wg sync.WaitGroup
	work := make(chan int)
	for range 32 {
		wg.Go(func() {
			for i := range work {
				ids[i] = s.Actor(tenants.Default, "script", fmt.Sprint(i))
				at := base.Add(time.Millisecond + time.Duration(i)*time.Second/time.Duration(n)).UnixMilli()
				s.MustDo(ids[i], S("schedule_set", spec{"at": at, "action": "do", "name": "once"}, do(S("now"), S("kv_get", "ran"), S("kv_put", "ran", "once"))))
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	s.eventually("sleep", func() bool { awake, _ := s.Host.Awake(); return awake == 0 })
	start := time.Now()
	began.Store(&start)
	s.Host.Look()
	var late []time.Duration
	for _, id := range ids {
		s.eventually("the run", func() bool { return s.get(id, "ran") == "once" })
	}
	for _, id := range ids {
		runs := s.runs(id, "once")
		if len(runs) != 1 || runs[0].Result != "ok" {
			t.Fatalf("runs %+v", runs)
		}
		late = append(late, time.Duration(runs[0].At-runs[0].Due)*time.Millisecond)
		if list := s.schedules(id); len(list) != 0 {
			t.Fatalf("left %+v", list)
		}
	}
	slices.Sort(late)
	t.Logf("%d actors in one second: late by p50 %v, p99 %v, max %v", n, late[n/2], late[n*99/100], late[n-1])
	if late[0] < 0 {
		t.Errorf("one ran %v early", -late[0])
	}
}
