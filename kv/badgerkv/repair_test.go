package badgerkv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
)

// A process that is killed while Badger makes a log file leaves one without a byte. The store must
// open, with everything in it.
func TestOpenAfterAKillInFileCreation(t *testing.T) {
	dir := t.TempDir()
	space := kv.NewSpace("class", "id")
	s, err := Open(Config{Dir: dir, MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := s.Claim(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	s.Commit(lease, &kv.Delta{N: 1, Ops: []kv.Op{{Key: []byte("k"), Value: []byte("v")}}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00003.mem", "00099.mem", "000002.vlog", "000099.vlog"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			continue // the engine's own
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err = Open(Config{Dir: dir, MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, err := s.Get(t.Context(), space, []byte("k")); err != nil || string(v) != "v" {
		t.Errorf("got %q, %v", v, err)
	}
	if _, err := Open(Config{Dir: dir, MemTableSize: 16 << 20}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second owner: %v", err)
	}
}
