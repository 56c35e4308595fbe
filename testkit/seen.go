package testkit

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// Event is an event that an actor sent.
type Event struct {
	Name string
	Args []any // as JSON decodes them
}

func newEvent(name string, args []byte) Event {
	e := Event{Name: name}
	if err := json.Unmarshal(args, &e.Args); err != nil {
		panic("testkit: event " + name + ": " + err.Error()) // the host has checked it
	}
	return e
}

// seen keeps what actors said, over restarts of the host, and shows their logs in the test's.
type seen struct {
	mu     sync.Mutex // guards the fields below
	tb     testing.TB // nil once the test has ended
	logs   map[tenants.ActorID]*strings.Builder
	events map[tenants.ActorID][]Event
}

func newSeen(tb testing.TB) *seen {
	s := &seen{tb: tb, logs: map[tenants.ActorID]*strings.Builder{}, events: map[tenants.ActorID][]Event{}}
	tb.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tb = nil
	})
	return s
}

func (s *seen) line(a actors.Info, l actors.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs[a.ID] == nil {
		s.logs[a.ID] = &strings.Builder{}
	}
	s.logs[a.ID].WriteString(l.Level + " " + l.Source + ": " + l.Text + "\n")
	if s.tb != nil {
		s.tb.Logf("%s %s %s: %s", title(a.Address.Name, a.Address.Key.Components()), l.Level, l.Source, l.Text)
	}
}

func (s *seen) event(a actors.Info, e actors.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[a.ID] = append(s.events[a.ID], newEvent(e.Name, e.Args))
}

// Write takes lines of the host's own log.
func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tb != nil {
		s.tb.Logf("host: %s", p)
	}
	return len(p), nil
}

func (s *seen) log(id tenants.ActorID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.logs[id]; b != nil {
		return b.String()
	}
	return ""
}

// take returns an actor's events and forgets them.
func (s *seen) take(id tenants.ActorID) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.events[id]
	delete(s.events, id)
	return list
}

// title names an actor to people.
func title(name string, key []string) string { return name + "[" + strings.Join(key, ",") + "]" }
