package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// WASI error numbers.
const (
	wasiOK      = 0
	wasiBadFile = 8
	wasiFault   = 21
)

// stdio are the only descriptors that a guest has.
const stdio = 3

// randomChunk is how much randomness is made between two looks at gas and deadline, in bytes.
const randomChunk = 64 << 10

// linkWASI makes wazero's WASI with some functions replaced: those that change an instance's table of
// descriptors, because it lies outside of memory and would reach the next actor that gets the
// instance, and random_get, because wazero's fills any length in one go.
func (s *Sandbox) linkWASI(ctx context.Context) error {
	b := s.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	const i32 = api.ValueTypeI32
	onFile := func(_ context.Context, _ api.Module, stack []uint64) {
		if uint32(stack[0]) < stdio {
			stack[0] = wasiOK // and nothing changes
		} else {
			stack[0] = wasiBadFile
		}
	}
	replace := func(name string, params int, f api.GoModuleFunc) {
		types := make([]api.ValueType, params)
		for i := range types {
			types[i] = i32
		}
		b.NewFunctionBuilder().WithGoModuleFunction(f, types, []api.ValueType{i32}).Export(name)
	}
	replace("fd_close", 1, onFile)
	replace("fd_fdstat_set_flags", 2, onFile)
	replace("fd_renumber", 2, func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = wasiBadFile })
	replace("random_get", 2, s.randomGet)
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("link wasi: %w", err)
	}
	return nil
}

// randomGet fills (pointer, length), paying for each part before it is made.
func (s *Sandbox) randomGet(_ context.Context, m api.Module, stack []uint64) {
	i, ok := s.running.Load(m)
	mem := m.Memory()
	if !ok || mem == nil {
		stack[0] = wasiFault
		return
	}
	p, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
	if !ok {
		stack[0] = wasiFault
		return
	}
	r := randomReader{i.(*Instance)}
	for n := 0; n < len(p); n += randomChunk {
		r.Read(p[n:min(n+randomChunk, len(p))]) // never fails; it may end the guest
	}
	stack[0] = wasiOK
}
