package hostfuncs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func newKernel() *Kernel {
	k := &Kernel{}
	k.reset()
	return k
}

func TestKernelBlocks(t *testing.T) {
	k := newKernel()
	if h := k.alloc(0); h != 0 {
		t.Errorf("alloc(0) = %d, want 0", h)
	}
	a, b := k.alloc(3), k.put([]byte("hello"))
	if a == 0 || b == 0 || a == b {
		t.Fatalf("handles %d and %d", a, b)
	}
	if got := string(k.bytes(b)); got != "hello" || k.length(b) != 5 || k.length(a) != 3 {
		t.Errorf("block holds %q, lengths %d and %d", got, k.length(b), k.length(a))
	}
	for _, h := range []uint64{0, 1, a + 1, b + 8, 1 << 40, ^uint64(0)} {
		if k.bytes(h) != nil || k.length(h) != 0 {
			t.Errorf("handle %d is live", h)
		}
		k.free(h) // ignored
	}
	k.free(b)
	if k.length(b) != 0 || k.length(a) != 3 {
		t.Error("free of b")
	}
	if c := k.put([]byte("again")); c != b {
		t.Errorf("the freed block is not used again: %d, want %d", c, b)
	}
	k.free(a)
	k.free(a) // twice, as PDKs do: must not free what was given since
	if got := string(k.bytes(b)); got != "again" {
		t.Errorf("block holds %q after a double free of another", got)
	}
	if e := k.put(nil); e == 0 || k.length(e) != 0 || k.bytes(e) == nil {
		t.Error("an empty value is a live handle of length 0")
	}
}

func TestKernelLoadsAndStores(t *testing.T) {
	k := newKernel()
	h := k.alloc(16)
	k.store64(h+1, 0x1122334455667788) // unaligned
	if got := k.load64(h + 1); got != 0x1122334455667788 {
		t.Errorf("load64 = %x", got)
	}
	if got := k.load8(h + 1); got != 0x88 {
		t.Errorf("load8 = %x", got)
	}
	for _, off := range []uint64{h + 16, 1 << 40, ^uint64(0), ^uint64(0) - 7} {
		k.store64(off, 1)
		k.store8(off, 1)
		if k.load64(off) != 0 || k.load8(off) != 0 {
			t.Errorf("offset %d outside the arena is not zero", off)
		}
	}
	k.store8(0, 7)
	if k.load8(0) != 0 {
		t.Error("null can be written")
	}
}

// What one run leaves must not be seen by the next, be it of another actor.
func TestKernelLeavesNoResidue(t *testing.T) {
	k := newKernel()
	for range 4 {
		k.put(bytes.Repeat([]byte{0xaa}, 10_000))
	}
	k.setError(k.put([]byte("old error")))
	k.outOff, k.outLen = 8, 100
	k.reset()
	if h := k.alloc(40_000); bytes.Contains(k.bytes(h), []byte{0xaa}) {
		t.Error("an allocation shows bytes of the run before")
	}
	if out, ok := k.output(); len(out) != 0 || !ok || k.err != "" {
		t.Errorf("output %q and error %q of the run before", out, k.err)
	}
}

func TestKernelOutput(t *testing.T) {
	k := newKernel()
	h := k.put([]byte("result"))
	for _, tt := range []struct {
		off, n uint64
		want   string
		ok     bool
	}{
		{h, 6, "result", true},
		{h + 1, 3, "esu", true},
		{0, 0, "", true},
		{0, 6, "", false},
		{h, 1 << 40, "", false},
		{h, ^uint64(0), "", false},
		{^uint64(0), 2, "", false},
	} {
		k.outOff, k.outLen = tt.off, tt.n
		if out, ok := k.output(); ok != tt.ok || string(out) != tt.want {
			t.Errorf("output(%d, %d) = %q, %v, want %q, %v", tt.off, tt.n, out, ok, tt.want, tt.ok)
		}
	}
	k.outOff, k.outLen = h, 6
	k.free(h) // PDKs free what they have set
	if out, ok := k.output(); !ok || string(out) != "result" {
		t.Errorf("output after a free is %q, %v", out, ok)
	}
	k.setError(k.put([]byte("why")))
	if k.err != "why" {
		t.Errorf("error is %q", k.err)
	}
}

func TestKernelIsBounded(t *testing.T) {
	for _, n := range []uint64{abi.MaxHandleBytes, 1 << 32, 1 << 63, ^uint64(0)} {
		k := newKernel()
		if err := aborted(func() { k.alloc(n) }); abi.CodeOf(err) != abi.CodeHandleMemory {
			t.Errorf("alloc(%d): %v", n, err)
		}
	}
	k := newKernel()
	err := aborted(func() {
		for {
			k.put(nil) // empty blocks take room, too
		}
	})
	if abi.CodeOf(err) != abi.CodeHandleMemory {
		t.Errorf("endless empty blocks: %v", err)
	}
	k.reset()
	if cap(k.mem) > keepArena {
		t.Errorf("%d bytes stay with an idle kernel", cap(k.mem))
	}
}

// aborted returns what f ended its guest with.
func aborted(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err, _ = r.(error)
		}
	}()
	f()
	return nil
}

// FuzzKernel plays random operations against a plain model: a map from handle to bytes.
func FuzzKernel(f *testing.F) {
	f.Add([]byte{0, 5, 1, 0, 2, 0, 3, 1, 0, 9})
	f.Add(bytes.Repeat([]byte{0, 200, 2, 0}, 50))
	f.Fuzz(func(t *testing.T, script []byte) {
		k := newKernel()
		model := map[uint64][]byte{}
		var handles []uint64
		pick := func(n byte) uint64 {
			if len(handles) == 0 {
				return uint64(n)
			}
			return handles[int(n)%len(handles)]
		}
		for len(script) >= 2 {
			op, n := script[0], script[1]
			script = script[2:]
			switch op % 4 {
			case 0:
				h := k.alloc(uint64(n))
				if n > 0 {
					if _, live := model[h]; live || h == 0 {
						t.Fatalf("alloc gave %d, which is in use", h)
					}
					model[h] = make([]byte, n)
					handles = append(handles, h)
				}
			case 1:
				h := pick(n)
				k.free(h)
				delete(model, h)
			case 2:
				h := pick(n)
				if b := model[h]; len(b) >= 8 {
					k.store64(h, uint64(op)<<32|uint64(n))
					binary.LittleEndian.PutUint64(b, uint64(op)<<32|uint64(n))
				}
			case 3:
				h := pick(n) + uint64(op)
				k.load64(h)
				k.outOff, k.outLen = h, uint64(n)
				k.output()
			}
			for h, want := range model {
				if !bytes.Equal(k.bytes(h), want) {
					t.Fatalf("block %d holds %x, want %x", h, k.bytes(h), want)
				}
			}
		}
	})
}

// Both forms of the operations come from one table and agree on names and shapes.
func TestModulesAgreeWithTheTable(t *testing.T) {
	funcs := map[string]map[string]Func{}
	for _, m := range Modules() {
		funcs[m.Name] = map[string]Func{}
		for _, f := range m.Funcs {
			if _, twice := funcs[m.Name][f.Name]; twice {
				t.Errorf("%s.%s twice", m.Name, f.Name)
			}
			funcs[m.Name][f.Name] = f
		}
	}
	for _, op := range Operations() {
		if op.Doc == "" {
			t.Errorf("%s has no doc", op.Name)
		}
		slots := 0
		for _, p := range op.Params {
			if slots++; p.Kind == Bytes {
				slots++
			}
		}
		if f := funcs[abi.ModuleVivarium][op.Name]; len(f.Params) != slots || len(f.Results) != 1 {
			t.Errorf("vivarium.%s has %d parameters, want %d", op.Name, len(f.Params), slots)
		}
		if f := funcs[abi.ModuleUser][op.Name]; len(f.Params) != len(op.Params) || len(f.Results) != 1 {
			t.Errorf("extism:host/user.%s has %d parameters, want %d", op.Name, len(f.Params), len(op.Params))
		}
	}
	if len(funcs[abi.ModuleExtism]) < 25 {
		t.Errorf("the Extism kernel has %d functions", len(funcs[abi.ModuleExtism]))
	}
}

// A host function that runs without a Call is our own fault, and no crash.
func TestHostFunctionWithoutCall(t *testing.T) {
	for _, m := range Modules() {
		for _, f := range m.Funcs {
			err := aborted(func() { f.Call(context.Background(), nil, make([]uint64, 16)) })
			if !errors.Is(err, errNoGuestCall) {
				t.Errorf("%s.%s: %v", m.Name, f.Name, err)
			}
		}
	}
}
