package sandbox

import (
	"os"
	"testing"
)

// TestMain lets the test binary be a compile worker.
func TestMain(m *testing.M) {
	MaybeWorker()
	os.Exit(m.Run())
}
