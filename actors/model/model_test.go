package model

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox"
)

var (
	seed  = flag.Int64("model.seed", 0, "what the model test does; zero picks a seed")
	ops   = flag.Int("model.ops", 100_000, "how many operations the model test does")
	kills = flag.Int("model.kills", 5, "how often the model test kills the host")
)

// TestMain lets the test binary be a compile worker, and a host that is to be killed.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	if file := os.Getenv(childFile); file != "" {
		childMain(file)
		return
	}
	code := m.Run()
	os.RemoveAll(templateDir)
	os.Exit(code)
}

// Random operations against a host and against plain maps end alike, over restarts and kills.
func TestModel(t *testing.T) {
	s := *seed
	if s == 0 {
		s = time.Now().UnixNano()
	}
	t.Logf("replay with -model.seed=%d -model.ops=%d -model.kills=%d", s, *ops, *kills)
	r := openRun(t, s, *ops, *kills)
	err := r.all()
	t.Logf("%d operations in %d turns\n%s", r.doneOps(), r.turns, r.histogram())
	if err != nil {
		t.Fatal(err)
	}
}

// histogram lists what was done how often.
func (w *world) histogram() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.counts)) {
		fmt.Fprintf(&b, "%8d %s\n", w.counts[name], name)
	}
	return b.String()
}
