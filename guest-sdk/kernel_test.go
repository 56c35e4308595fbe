package guest_test

import (
	"context"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
)

// kernel is the part of the Extism kernel that our guests and as-pdk import.
type kernel struct {
	host   *memhost.Host
	input  []byte
	output []byte
	err    string
	log    []string
	vars   map[string]string
	arena  []byte // Extism memory; a handle is an offset into it, a block is preceded by its length
}

func (k *kernel) alloc(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	h := uint64(len(k.arena) + 8)
	k.arena = append(binary.LittleEndian.AppendUint64(k.arena, n), make([]byte, n)...)
	return h
}

// block returns what lies at a handle. It is valid until the next alloc.
func (k *kernel) block(h uint64) []byte {
	if h == 0 {
		return nil
	}
	return k.arena[h : h+binary.LittleEndian.Uint64(k.arena[h-8:])]
}

func (k *kernel) give(s string) uint64 {
	h := k.alloc(uint64(len(s)))
	copy(k.block(h), s)
	return h
}

func (k *kernel) functions(b wazero.HostModuleBuilder) wazero.HostModuleBuilder {
	k.vars = map[string]string{}
	type ctx = context.Context
	log := func(level string) func(ctx, uint64) {
		return func(_ ctx, h uint64) { k.log = append(k.log, level+" "+string(k.block(h))) }
	}
	for name, f := range map[string]any{
		"alloc":          func(_ ctx, n uint64) uint64 { return k.alloc(n) },
		"free":           func(ctx, uint64) {},
		"length":         func(_ ctx, h uint64) uint64 { return uint64(len(k.block(h))) },
		"load_u8":        func(_ ctx, p uint64) uint32 { return uint32(k.arena[p]) },
		"load_u64":       func(_ ctx, p uint64) uint64 { return binary.LittleEndian.Uint64(k.arena[p:]) },
		"store_u8":       func(_ ctx, p uint64, v uint32) { k.arena[p] = byte(v) },
		"store_u64":      func(_ ctx, p, v uint64) { binary.LittleEndian.PutUint64(k.arena[p:], v) },
		"input_length":   func(ctx) uint64 { return uint64(len(k.input)) },
		"input_load_u8":  func(_ ctx, i uint64) uint32 { return uint32(k.input[i]) },
		"input_load_u64": func(_ ctx, i uint64) uint64 { return binary.LittleEndian.Uint64(k.input[i:]) },
		"output_set":     func(_ ctx, p, n uint64) { k.output = append([]byte{}, k.arena[p:p+n]...) },
		"error_set":      func(_ ctx, h uint64) { k.err = string(k.block(h)) },
		"config_get":     func(_ ctx, h uint64) uint64 { v, _ := k.host.Config(string(k.block(h))); return k.give(v) },
		"var_get":        func(_ ctx, h uint64) uint64 { return k.give(k.vars[string(k.block(h))]) },
		"var_set":        func(_ ctx, h, v uint64) { k.vars[string(k.block(h))] = string(k.block(v)) },
		"log_debug":      log("debug"),
		"log_info":       log("info"),
		"log_warn":       log("warn"),
		"log_error":      log("error"),
	} {
		b.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	return b
}

// TestPlainModule runs the committed plug-ins, which know the Extism kernel only.
func TestPlainModule(t *testing.T) {
	for _, plugin := range []string{"extism-as", "extism-c", "extism-rust"} {
		t.Run(plugin, func(t *testing.T) {
			wasm, err := os.ReadFile("../examples/wasm/" + plugin + "/plugin.wasm")
			if err != nil {
				t.Fatal(err)
			}
			testPlainModule(t, wasm)
		})
	}
}

func testPlainModule(t *testing.T, wasm []byte) {
	g := instantiate(t, wasm, "_initialize")
	k := &g.kernel
	g.host.Settings = map[string]string{"city": "Zürich"}
	tests := []struct {
		action, input, want string
		fails               bool
		err                 string
	}{
		{action: "echo"},
		{action: "echo", input: "12345", want: "12345"},
		{action: "echo", input: strings.Repeat("x\x00\xff", 1001), want: strings.Repeat("x\x00\xff", 1001)},
		{action: "echo", input: strings.Repeat("0123456789abcdef", 4096), want: strings.Repeat("0123456789abcdef", 4096)},
		{action: "greet", input: "wörld", want: "Hello, wörld!"},
		{action: "count", want: "1"},
		{action: "count", want: "2"},
		{action: "conf", input: "city", want: "Zürich"},
		{action: "conf", input: "none"},
		{action: "fail", fails: true, err: "refused: zu spät"},
		{action: "crash", fails: true},
		{action: "logs", input: "hé"},
	}
	for _, tt := range tests {
		k.input, k.output, k.err, k.arena = []byte(tt.input), nil, "", nil
		err := g.export(tt.action)
		if (err != nil) != tt.fails || string(k.output) != tt.want || k.err != tt.err {
			t.Errorf("%s(%.20q) = %.40q, error %q, %v, want %.40q, %q", tt.action, tt.input, k.output, k.err, err, tt.want, tt.err)
		}
	}
	if got, want := strings.Join(k.log, ", "), "debug hé, info hé, warn hé, error hé"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	exports := g.module.ExportedFunctionDefinitions()
	delete(exports, "_initialize") // a start-up, which C has
	for name := range exports {
		if len(exports[name].ParamTypes()) > 0 {
			t.Errorf("export %s takes parameters", name)
		}
	}
	if len(exports) != 7 {
		t.Errorf("%d exported functions, want the 7 actions", len(exports))
	}
}
