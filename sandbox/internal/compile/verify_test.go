package compile_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// TestVerify changes an entry in all ways that are to be noticed before a load.
func TestVerify(t *testing.T) {
	cfg := compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
	c := open(t, cfg)
	wasm := small(11)
	e, err := c.Compile(bg, "a", wasm)
	must(err)
	path := filepath.Join(cfg.CacheDir, e.Name)
	good, err := os.ReadFile(path)
	must(err)
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1

	stale := func(name string, c *compile.Compiler, e compile.Entry, wasm []byte) {
		t.Helper()
		if err := c.Verify(e, wasm); !errors.Is(err, compile.ErrStale) {
			t.Errorf("%s: %v, want ErrStale", name, err)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	fresh := func(name string) {
		t.Helper()
		must(os.RemoveAll(path))
		must(os.WriteFile(path, good, 0o600))
		if err := c.Verify(e, wasm); err != nil {
			t.Errorf("before %s: %v", name, err)
		}
	}
	fresh("bit flip")
	must(os.WriteFile(path, flipped, 0o600))
	must(os.Chtimes(path, time.Time{}, time.Now().Add(time.Second))) // whatever the clock's grain
	stale("bit flip", c, e, wasm)
	fresh("cut off")
	must(os.Truncate(path, e.Size-1))
	stale("cut off", c, e, wasm)
	fresh("replaced")
	must(os.WriteFile(path+".new", flipped, 0o600))
	must(os.Rename(path+".new", path))
	stale("replaced", c, e, wasm)
	fresh("link")
	must(os.Rename(path, path+".away"))
	must(os.Symlink(path+".away", path))
	stale("link", c, e, wasm)
	fresh("directory")
	must(os.Remove(path))
	must(os.Mkdir(path, 0o700))
	stale("directory", c, e, wasm)
	fresh("gone")
	must(os.Remove(path))
	stale("gone", c, e, wasm)
	fresh("other module")
	stale("other module", c, e, small(12))
	stale("no record", c, compile.Entry{}, wasm)
	other := e
	other.Name = "wazero-v0.0.0-amd64-linux/" + filepath.Base(e.Name)
	stale("other wazero", c, other, wasm)
	stale("other options", open(t, compile.Config{CacheDir: cfg.CacheDir, Options: compile.Options{CloseOnContextDone: true}}), e, wasm)

	// A second Compiler on the same directory, as after a restart, agrees.
	if err := open(t, cfg).Verify(e, wasm); err != nil {
		t.Error("after a restart:", err)
	}
}

func TestRemove(t *testing.T) {
	cfg := compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
	c := open(t, cfg)
	e, err := c.Compile(bg, "a", small(2))
	must(err)
	for _, name := range []string{"", "lock", e.Name + ".json", ".work/lock", "../x", e.Name + "/../../x", "a/b/" + filepath.Base(e.Name), "../" + filepath.Base(e.Name)} {
		if err := c.Remove(compile.Entry{Name: name}); err == nil {
			t.Errorf("%q: removed", name)
		}
	}
	must(c.Remove(e))
	must(c.Remove(e)) // it is gone, which is what was asked for
	if err := c.Verify(e, small(2)); !errors.Is(err, compile.ErrStale) {
		t.Error(err)
	}
	// Compiling again makes the record good again.
	if again, err := c.Compile(bg, "a", small(2)); err != nil || again != e || c.Verify(e, small(2)) != nil {
		t.Errorf("again: %+v, %v", again, err)
	}
}
