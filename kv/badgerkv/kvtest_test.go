package badgerkv

import (
	"testing"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// openSmall opens a store with small tables, which is quick to open and fill.
func openSmall(t testing.TB, dir string, h hooks) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, MemTableSize: 16 << 20, hooks: h})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func loadSmall(dir string) (kv.Loader, error) { return Load(Config{Dir: dir, MemTableSize: 16 << 20}) }

func TestConformance(t *testing.T) {
	kvtest.Run(t, kvtest.Engine{
		Open: func(t *testing.T, dir string) kv.Store { return openSmall(t, dir, hooks{}) },
		Load: loadSmall,
	})
}

// The gate must itself be a store.
func TestConformanceOfGate(t *testing.T) {
	kvtest.Run(t, kvtest.Engine{
		Open: func(t *testing.T, dir string) kv.Store { return kvtest.NewGate(openSmall(t, dir, hooks{})) },
		Load: loadSmall,
	})
}
