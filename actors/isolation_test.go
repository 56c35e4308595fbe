package actors_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

const (
	// foreignName is the name of all that the other namespace has. A stranger may have guessed it.
	foreignName = "zz-of-the-other"
	// foreignText is in all that it keeps, and so in no answer to anybody else.
	foreignText = "zz-secret-of-the-other"
)

// No operation of the table reaches anything of another namespace, whatever names, ids and prefixes it is given. A new
// operation is part of this by being in the table.
func TestNoOperationReachesAnotherNamespace(t *testing.T) {
	s := openTimed(t, "")
	const other tenants.ID = "other"
	s.Upload(other, "script", actorstest.ScriptGuest)
	s.Upload(other, foreignName, "examples/wasm/counter")
	if _, err := s.Registry.SetConfig(t.Context(), other, "script", map[string]*string{"name": ptr(foreignText)}); err != nil {
		t.Fatal(err)
	}
	theirs := s.Actor(other, "script", foreignName)
	schedule := s.MustDo(theirs,
		S("kv_put", "k", foreignText), S("kv_put", "prefix/"+foreignName, foreignText), S("state_set", foreignText),
		S("schedule_set", spec{"after": 3_600_000, "name": foreignName, "action": "nop"}, `["`+foreignText+`"]`),
		S("broadcast", foreignName, `["`+foreignText+`"]`), S("log", foreignText, 2))[3].B
	s.mustSend(theirs, "jobs", foreignText)
	s.settled()
	before := s.rowsOf(theirs)

	mine := s.Actor(tenants.Default, "script", "mine")
	id := theirs.String()
	values := []string{
		id, schedule, foreignName, "k", "name", "v", string(other), string(other) + "/" + id, "\x00", "../" + string(other), "\x05other", "a" + id,
		`{"id":"` + id + `"}`, `{"name":"script","key":["` + foreignName + `"]}`,
		`{"namespace":"other","id":"` + id + `"}`, `{"name":"other/script","key":["` + foreignName + `"]}`,
		`{"id":"other/` + id + `"}`, `{"name":"` + foreignName + `","key":[]}`,
	}
	asked := 0
	for _, op := range hostfuncs.Operations() {
		if op.Name == "destroy" || op.Name == "sleep" { // of the actor itself
			continue
		}
		for _, value := range values {
			for _, rest := range []string{value, "do", "[]"} {
				var args []any
				first := true
				for _, p := range op.Params {
					switch {
					case p.Kind == hostfuncs.Number:
						args = append(args, 1)
					case first:
						args, first = append(args, value), false
					default:
						args = append(args, rest)
					}
				}
				asked++
				got, err := s.Do(mine, S(op.Name, args...))
				for _, o := range got {
					if strings.Contains(o.B, foreignText) || strings.Contains(o.Error, foreignText) {
						t.Errorf("%s(%q, %q) gives %q %q", op.Name, value, rest, o.B, o.Error)
					}
				}
				if code := abi.CodeOf(err); code == abi.CodeInternal {
					t.Errorf("%s(%q, %q): %v", op.Name, value, rest, err)
				}
				if len(op.Params) < 2 {
					break
				}
			}
		}
	}
	if asked < 500 {
		t.Fatalf("%d operations were asked", asked)
	}
	s.settled()
	if after := s.rowsOf(theirs); after != before {
		t.Errorf("the other's rows were\n%s\nand are\n%s", before, after)
	}
	if _, err := s.Registry.Module(other, foreignName); err != nil {
		t.Error(err)
	}
	list, _, err := s.Host.List(t.Context(), other, "", "", 100)
	if err != nil || len(list) != 1 {
		t.Errorf("the other has the actors %v, %v", list, err)
	}
}

func ptr[T any](v T) *T { return &v }

// settled waits until nothing is left to do.
func (s *timed) settled() {
	s.t.Helper()
	if _, err := s.Host.Settle(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// rowsOf returns all that the store has of an actor.
func (s *timed) rowsOf(id tenants.ActorID) string {
	s.t.Helper()
	var b strings.Builder
	for it, err := range s.Store.Scan(s.t.Context(), id.Space(), kv.Range{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q=%q\n", it.Key, it.Value)
	}
	return b.String()
}
