package actors

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// What is kept is compiled once, and bounded in number and in parts.
func TestCheckersAreBounded(t *testing.T) {
	version := func(number, parts int) *tenants.Version {
		schema := `{"allOf":[` + strings.TrimSuffix(strings.Repeat(`true,`, parts), ",") + `]}`
		if parts > 10 {
			schema = `{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{},`, parts), ",") + `]}`
		}
		return &tenants.Version{Module: "m", Number: number, Actors: map[string]abi.ActorManifest{
			"a": {CheckArgs: true, Input: json.RawMessage(schema)}, "unchecked": {Input: json.RawMessage(schema)},
		}}
	}
	var c checkers
	first := c.of(version(1, 1), "a")
	if first == nil || c.of(version(1, 1), "a") != first {
		t.Error("a checker is made twice")
	}
	if c.of(version(1, 1), "unchecked") != nil || c.of(version(1, 1), "absent") != nil {
		t.Error("a checker for an actor that does not ask for one")
	}
	for i := range 2 * maxCheckers {
		c.of(version(i, 1), "a")
		if len(c.kept) > maxCheckers {
			t.Fatalf("%d are kept", len(c.kept))
		}
	}
	for i := range 14 {
		c.of(version(10_000+i, 4_000), "a")
		if c.parts > maxCheckerParts {
			t.Fatalf("%d parts are kept", c.parts)
		}
	}
}
