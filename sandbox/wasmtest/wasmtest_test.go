package wasmtest_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

func Example() {
	var m wasmtest.Module
	add := m.Func(wasmtest.T(wasmtest.I32, wasmtest.I32), wasmtest.T(wasmtest.I32), nil,
		wasmtest.Code{}.LocalGet(0).LocalGet(1).Op(wasmtest.I32Add))
	m.Export("add", 0, add)

	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)
	mod, err := r.Instantiate(ctx, m.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(mod.ExportedFunction("add").Call(ctx, 40, 2))
	// Output: [42] <nil>
}

// TestRandom wants programs that the engine accepts, the same for the same choices, and of all sizes.
func TestRandom(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer r.Close(ctx)
	rng := rand.New(rand.NewPCG(1, 2))
	large := 0
	for i := range 500 {
		src := make([]byte, rng.IntN(600))
		for j := range src {
			src[j] = byte(rng.Uint32())
		}
		b := wasmtest.Random(src)
		if !bytes.Equal(b, wasmtest.Random(src)) {
			t.Fatalf("program %d is not the same again", i)
		}
		if len(b) > 600 {
			large++
		}
		if _, err := r.CompileModule(ctx, b); err != nil {
			t.Fatalf("program %d of %d bytes: %v\n%x", i, len(src), err, src)
		}
	}
	if large < 50 {
		t.Errorf("only %d of 500 programs are large", large)
	}
}
