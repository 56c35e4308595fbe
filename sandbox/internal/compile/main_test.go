package compile_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

func TestMain(m *testing.M) {
	compile.SetTestWork(testWork)
	compile.MaybeWorker()
	os.Exit(m.Run())
}

// open starts a Compiler in new directories and closes it when the test ends.
func open(t testing.TB, cfg compile.Config) *compile.Compiler {
	t.Helper()
	if cfg.CacheDir == "" {
		cfg.CacheDir = filepath.Join(t.TempDir(), "cache")
	}
	if cfg.Nice == 0 {
		cfg.Nice = 1 // or other work on the machine would starve the tests
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := compile.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// eventually waits for something that another process does.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !came(cond) {
		t.Fatal("never came true: " + what)
	}
}

// came waits for a condition and reports whether it came true. The deadline is for what never does: on a busy
// machine much takes seconds.
func came(cond func() bool) bool {
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
