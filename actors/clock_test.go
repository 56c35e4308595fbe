package actors_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// timed is a host with the scripted guest, a clock and a gate of the test's.
type timed struct {
	*actorstest.Stack
	*actorstest.Clock
	gate *kvtest.Gate
	t    *testing.T
}

// openTimed starts one on a folder, empty for a new one, at a moment that is noon of a day in May.
func openTimed(t *testing.T, dir string, change ...func(*actors.Config)) *timed {
	t.Helper()
	s := &timed{t: t, Clock: actorstest.ClockAt(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))}
	s.open(dir, change...)
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	return s
}

func (s *timed) open(dir string, change ...func(*actors.Config)) {
	s.Stack = actorstest.Open(s.t, actorstest.Options{
		Dir:   dir,
		Store: func(st kv.Store) kv.Store { s.gate = kvtest.NewGate(st); return s.gate },
		Config: func(c *actors.Config) {
			c.Now = s.Clock.Now
			for _, f := range change {
				f(c)
			}
		},
	})
}

// restart ends the host and starts it again after a while.
func (s *timed) restart(after time.Duration) {
	s.t.Helper()
	s.Close()
	s.Advance(after)
	s.open(s.Dir)
}

// pass lets time go by.
func (s *timed) pass(d time.Duration) {
	s.Advance(d)
	s.Host.Look()
}

func (s *timed) eventually(what string, ok func() bool) {
	s.t.Helper()
	kvtest.Eventually(s.t, what, ok)
}

// get returns a committed KV value, empty if there is none.
func (s *timed) get(id tenants.ActorID, key string) string {
	s.t.Helper()
	v, err := s.Host.KVGet(s.t.Context(), id, []byte(key))
	if err != nil && abi.CodeOf(err) != abi.CodeNotFound {
		s.t.Fatal(err)
	}
	return string(v)
}

// runs returns the last runs of a schedule.
func (s *timed) runs(id tenants.ActorID, schedule string) (list []abi.Run) {
	s.t.Helper()
	s.decode(s.MustDo(id, actorstest.S("schedule_runs", schedule))[0].B, &list)
	return list
}

// results returns their results, newest first, such as "ok error".
func (s *timed) results(id tenants.ActorID, schedule string) (text string) {
	s.t.Helper()
	for i, r := range s.runs(id, schedule) {
		if i > 0 {
			text += " "
		}
		text += r.Result
	}
	return text
}

// deliveries returns the turns with queue messages that an actor has seen.
func (s *timed) deliveries(id tenants.ActorID) (list []actorstest.Seen) {
	s.t.Helper()
	for _, one := range s.Seen(id) {
		if one.Kind == int(abi.KindQueue) {
			list = append(list, one)
		}
	}
	return list
}

// schedules returns what the inspector shows.
func (s *timed) schedules(id tenants.ActorID) []abi.Schedule {
	s.t.Helper()
	list, more, err := s.Host.ListSchedules(s.t.Context(), id, "", 1000)
	if err != nil || more {
		s.t.Fatal(err, more)
	}
	return list
}

func (s *timed) decode(doc string, v any) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(doc), v); err != nil {
		s.t.Fatalf("%q: %v", doc, err)
	}
}

// spec is a schedule as a guest sets it.
type spec = map[string]any
