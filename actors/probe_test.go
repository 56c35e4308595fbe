package actors_test

import (
	"errors"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
)

// A module that computes or sleeps beyond its time is refused; one that had no processor may come again.
func TestStartThatDoesNotEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		slept time.Duration
		want  abi.Code
	}{
		"out of gas":          {&sandbox.LimitError{Gas: true, Used: abi.MaxGas}, 0, abi.CodeModuleLimit},
		"computed for long":   {&sandbox.LimitError{Used: abi.MaxGas / 2}, 0, abi.CodeModuleLimit},
		"slept":               {&sandbox.LimitError{Used: 1000}, 9 * time.Second, abi.CodeModuleLimit},
		"had no processor":    {&sandbox.LimitError{Used: 1000}, 0, abi.CodeHostBusy},
		"trapped":             {&sandbox.TrapError{Kind: "unreachable"}, 0, abi.CodeModuleInvalid},
		"refused by the host": {abi.Errorf(abi.CodeHandleMemory, "no"), 0, abi.CodeModuleInvalid},
		"no room":             {&abi.Error{Code: abi.CodeHostBusy}, 0, abi.CodeHostBusy},
		"our fault":           {errors.New("bug"), 0, abi.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			err := actors.Refusal(tt.err, tt.slept)
			if got := abi.CodeOf(err); got != tt.want {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if tt.want == abi.CodeHostBusy && tt.err != err && abi.AsError(err).Retry == 0 {
				t.Error("it does not say when to come again")
			}
		})
	}
}
