package compile_test

import (
	"path/filepath"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// BenchmarkWorker is what a worker costs beside compiling: three starts of this executable, the jail,
// two synced files.
func BenchmarkWorker(b *testing.B) {
	c := open(b, compile.Config{})
	wasm := small(1)
	for b.Loop() {
		e, err := c.Compile(bg, "a", wasm)
		if err != nil {
			b.Fatal(err)
		}
		must(c.Remove(e))
	}
}

// BenchmarkVerify is what a load costs more than before: the hash of the module, and after a start the
// hash of the entry.
func BenchmarkVerify(b *testing.B) {
	cfg := compile.Config{CacheDir: filepath.Join(b.TempDir(), "cache")}
	c := open(b, cfg)
	wasm := counter(b)
	e, err := c.Compile(bg, "a", wasm)
	must(err)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := open(b, cfg)
			b.StartTimer()
			must(c.Verify(e, wasm))
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			must(c.Verify(e, wasm))
		}
	})
}
