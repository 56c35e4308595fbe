package actors_test

import (
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// The guest of many tests does what it is told, and tells what it saw.
func TestScriptedGuest(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "hooked", "a")
	got := s.MustDo(id, actorstest.S("kv_put", "key", "value"), actorstest.S("kv_get", "key"), actorstest.S("remember", "x"))
	if got[1].B != "value" || got[2].N != 1 {
		t.Errorf("the script gave %+v", got)
	}
	if kinds := s.Kinds(id); kinds != "2 3" {
		t.Errorf("the guest saw turns of kind %q, want 2 3", kinds)
	}
	_, err := s.Do(id, actorstest.S("kv_put", "key", "other"), actorstest.S("user", "no", "not today"))
	if abi.CodeOf(err) != abi.CodeUser {
		t.Errorf("a refusing script: %v", err)
	}
	if got := s.MustDo(id, actorstest.S("kv_get", "key")); got[0].B != "value" {
		t.Errorf("a refused script left %q", got[0].B)
	}
}
