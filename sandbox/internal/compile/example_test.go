package compile_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// The host compiles at upload, keeps the entry in the version's record, and verifies it before each load.
// Its main function begins with MaybeWorker.
func Example() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	c, err := compile.Open(ctx, compile.Config{CacheDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	defer c.Close()

	module := []byte("\x00asm\x01\x00\x00\x00")
	entry, err := c.Compile(ctx, "acme", module)
	fmt.Println("compiled:", err)
	fmt.Println("before a load:", c.Verify(entry, module))
	fmt.Println("removed:", c.Remove(entry))
	fmt.Println("before a load:", c.Verify(entry, module))
	_, err = c.Compile(ctx, "acme", []byte("\x00asm"))
	fmt.Println(err)
	// Output:
	// compiled: <nil>
	// before a load: <nil>
	// removed: <nil>
	// before a load: compile: entry must be compiled again: it is gone
	// compile: refused: invalid version header
}
