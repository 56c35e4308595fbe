package actorstest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// ScriptGuest is the folder of the guest that does what it is told; see there for its steps and actors.
const ScriptGuest = "guest-sdk/testguests/script"

// ScriptVariant returns the scripted guest as other bytes, which are a version of their own.
func ScriptVariant(tb testing.TB, n byte) []byte {
	tb.Helper()
	return append(slices.Clone(Guest(tb, ScriptGuest)), 0, 3, 1, 'v', n) // a custom section
}

// Step is one step of a script.
type Step struct {
	Op string   `json:"op"`
	B  []string `json:"b,omitempty"`
	N  []int64  `json:"n,omitempty"`
}

// S makes a step: strings are its byte arguments, ints its numbers.
func S(op string, args ...any) Step {
	s := Step{Op: op}
	for _, a := range args {
		switch v := a.(type) {
		case string:
			s.B = append(s.B, v)
		case []byte:
			s.B = append(s.B, string(v))
		case int:
			s.N = append(s.N, int64(v))
		case int64:
			s.N = append(s.N, v)
		default:
			b, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			s.B = append(s.B, string(b))
		}
	}
	return s
}

// Script returns steps as JSON, for the KV item that another kind of turn runs.
func Script(steps ...Step) string {
	b, err := json.Marshal(steps)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Outcome is what a step gave. N is negative for none (-1) and for a failure (-code).
type Outcome struct {
	N     int64  `json:"n"`
	B     string `json:"b"`
	Error string `json:"error"`
}

// Do runs a script in an action of the actor.
func (s *Stack) Do(id tenants.ActorID, steps ...Step) ([]Outcome, error) {
	out, err := s.Call(id, "do", steps)
	if err != nil {
		return nil, err
	}
	var list []Outcome
	return list, json.Unmarshal(out, &list)
}

// MustDo is Do for a script of which no step may fail.
func (s *Stack) MustDo(id tenants.ActorID, steps ...Step) []Outcome {
	s.tb.Helper()
	var list []Outcome
	must(s.tb, s.patiently(func() (err error) { list, err = s.Do(id, steps...); return err }))
	for i, o := range list {
		if o.Error != "" {
			s.tb.Fatalf("step %s: %d %s", steps[i].Op, o.N, o.Error)
		}
	}
	return list
}

// Seen is a turn as the scripted guest noted it.
type Seen struct {
	Kind    int    `json:"kind"`
	Name    string `json:"name"`
	Args    string `json:"args"`
	Request uint64 `json:"request"`
	Reload  bool   `json:"reload"`
	Hooks   bool   `json:"hooks"`
	Caller  string `json:"caller"`
	Sender  string `json:"sender"`
	Origin  string `json:"origin"`
	Conn    string `json:"conn"`
	Head    string `json:"head"`
	Context string `json:"context"`
}

// Seen returns the committed turns, other than actions and those that failed, that an actor of the
// scripted guest has seen.
func (s *Stack) Seen(id tenants.ActorID) (list []Seen) {
	s.tb.Helper()
	items, more, err := s.Host.KVList(s.tb.Context(), id, []byte("seen/"), nil, 1000)
	must(s.tb, err)
	if more {
		s.tb.Fatal("there are more turns than a list gives")
	}
	for _, it := range items {
		var one Seen
		must(s.tb, json.Unmarshal(it.Value, &one))
		list = append(list, one)
	}
	return list
}

// Kinds returns the kinds of Seen, such as "2 3", and their names where they have one.
func (s *Stack) Kinds(id tenants.ActorID) string {
	s.tb.Helper()
	var b strings.Builder
	for i, one := range s.Seen(id) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(one.Kind))
		if one.Name != "" {
			b.WriteString("/" + one.Name)
		}
	}
	return b.String()
}
