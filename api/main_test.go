package api

import (
	"os"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox"
)

// TestMain lets the test binary be a compile worker.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	os.Exit(m.Run())
}
