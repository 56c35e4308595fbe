package api

import (
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, c := range abi.Codes() {
		status, ok := statuses[c]
		if !ok {
			t.Errorf("%v has no status", c)
		}
		if (status == 500) != (c == abi.CodeInternal) {
			t.Errorf("%v is %d: 500 is for our own faults, and only for them", c, status)
		}
		if status < 400 || status > 599 {
			t.Errorf("%v is %d", c, status)
		}
	}
	if len(statuses) != len(abi.Codes()) {
		t.Errorf("%d statuses for %d codes", len(statuses), len(abi.Codes()))
	}
	for c := range nextSteps {
		if !c.Known() {
			t.Errorf("a next step for the unknown code %d", c)
		}
	}
}
