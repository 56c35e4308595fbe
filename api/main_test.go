package api

import (
	"os"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// TestMain lets the test binary be a compile worker, and stacks share what they have prepared.
func TestMain(m *testing.M) { os.Exit(actorstest.Main(m)) }
