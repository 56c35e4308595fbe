package model

import (
	"testing"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
)

// A host that leaves out one rollback is found out by the model.
func TestModelFindsWhatIsNotRolledBack(t *testing.T) {
	for _, omitted := range []failpoint.Rollback{failpoint.DropChanges, failpoint.Distrust, failpoint.StaleMemory} {
		t.Run(string(omitted), func(t *testing.T) {
			r := openRun(t, 1, 20_000, 0)
			failpoint.LeaveOut(omitted)
			defer failpoint.LeaveOut("")
			err := r.all()
			t.Logf("after %d operations: %.300v", r.doneOps(), err)
			if err == nil {
				t.Error("the model finds no difference")
			}
		})
	}
}
