package actors

import (
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A child that has used up its gas gets none, whatever runs it.
func TestTurnGas(t *testing.T) {
	for _, tt := range []struct{ limit, turn, used, handed, want int64 }{
		{0, 0, 50, 0, 0}, {0, 0, 50, 7, 7}, {100, 0, 50, 0, 50}, {100, 0, 50, 7, 7}, {100, 30, 50, 0, 30},
		{100, 0, 100, 0, 1}, {100, 30, 150, 7, 1},
	} {
		a := &actor{record: record{Limits: &abi.ChildLimits{Gas: tt.limit, TurnGas: tt.turn}}, usage: abi.ChildUsage{Gas: tt.used}}
		if got := a.turnGas(tt.handed); got != tt.want {
			t.Errorf("%+v gives %d", tt, got)
		}
	}
}
