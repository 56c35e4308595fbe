package validate

import (
	"errors"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/spectest"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// withCode is a module of one function with a memory, a table, a global and two segments.
func withCode(c wt.Code) []byte {
	var m wt.Module
	m.Memory = wt.Limits(1)
	m.Table(wt.FuncRef, wt.Limits(1))
	m.Global(wt.I32, false, wt.Code{}.I32Const(0))
	m.PassiveElem()
	m.PassiveData("")
	m.DataCount(1)
	m.Func(nil, nil, wt.T(wt.I32), c)
	return m.Encode()
}

func TestMalformed(t *testing.T) {
	const types = wt.TypeSection
	empty := wt.Section(types, wt.Vec(wt.FuncType(nil, nil)))
	tests := []struct {
		name, text string
		b          []byte
	}{
		{"empty file", "magic", nil},
		{"not wasm", "magic", []byte("GIF89a..")},
		{"header cut", "version", []byte("\x00asm\x01")},
		{"another version", "version", []byte("\x00asm\x02\x00\x00\x00")},
		{"section of no known number", "malformed section id 14", wt.Raw(wt.Section(14))},
		{"sections out of order", "out of order", wt.Raw(wt.Section(wt.FuncSection, wt.Vec()), empty)},
		{"section twice", "occurs twice", wt.Raw(empty, empty)},
		{"data count after code", "out of order", wt.Raw(wt.Section(wt.CodeSection, wt.Vec()), wt.Section(wt.DataCountSection, []byte{0}))},
		{"bytes after the last element", "section size mismatch", wt.Raw(wt.Section(types, wt.Vec(wt.FuncType(nil, nil)), []byte{0}))},
		{"integer too long", "representation too long", wt.Raw(wt.Section(types, wt.PadU32(0, 6)))},
		{"custom without a name", "unexpected end", wt.Raw(wt.Section(wt.CustomSection))},
		{"custom name not UTF-8", "UTF-8", wt.Raw(wt.Custom("a\xff", nil))},
		{"import name not UTF-8", "UTF-8", wt.Raw(empty, wt.Section(wt.ImportSection, wt.Vec(wt.Cat(wt.Name("m"), wt.Name("\xc0\xaf"), []byte{0, 0}))))},
		{"function of no type", "unknown type 1", wt.Raw(empty, wt.Section(wt.FuncSection, wt.Vec(wt.U32(1))))},
		{"function without code", "inconsistent lengths: 1 and 0", wt.Raw(empty, wt.Section(wt.FuncSection, wt.Vec(wt.U32(0))))},
		{"data count without data", "inconsistent lengths: 2 and 0", wt.Raw(wt.Section(wt.DataCountSection, []byte{2}))},
		{"limits in reverse", "must not be greater", wt.Raw(wt.Section(wt.MemorySection, wt.Vec(wt.Limits(2, 1))))},
		{"memory beyond 4 GiB", "at most 65536", wt.Raw(wt.Section(wt.MemorySection, wt.Vec(wt.Limits(1, 65537))))},
		{"mutability", "mutability", wt.Raw(wt.Section(wt.GlobalSection, wt.Vec([]byte{wt.I32, 2, 0x41, 0, wt.End})))},
		{"export of nothing", "unknown func 0", wt.Raw(wt.Section(wt.ExportSection, wt.Vec(wt.Cat(wt.Name("e"), []byte{0, 0}))))},
		{"start of nothing", "unknown function 7", wt.Raw(wt.Section(wt.StartSection, wt.U32(7)))},
		{"global of another type", "i64 instead of i32", wt.Raw(wt.Section(wt.GlobalSection, wt.Vec(wt.Cat([]byte{wt.I32, 0}, wt.Code{}.I64Const(0).Op(wt.End)))))},
		{"global from itself", "unknown imported global", wt.Raw(wt.Section(wt.GlobalSection, wt.Vec(wt.Cat([]byte{wt.I32, 0}, wt.Code{}.GlobalGet(0).Op(wt.End)))))},
		{"not constant", "constant expression required", wt.Raw(wt.Section(wt.GlobalSection, wt.Vec(wt.Cat([]byte{wt.I32, 0}, wt.Code{}.MemorySize().Op(wt.End)))))},

		{"unknown instruction", "unknown instruction 0x27", withCode(wt.Code{0x27})},
		{"block not closed", "unexpected end", withCode(wt.Code{}.Block(wt.Empty))},
		{"end too many", "END opcode expected at the end: 1 bytes", withCode(wt.Code{wt.End})},
		{"else without if", "else without if", withCode(wt.Code{}.Block(wt.Empty).Op(wt.Else, wt.End))},
		{"else twice", "else without if", withCode(wt.Code{}.I32Const(0).If(wt.Empty).Op(wt.Else, wt.Else, wt.End))},
		{"block of no type", "unknown block type 9", withCode(wt.Code{}.BlockOf(9).Op(wt.End))},
		{"label", "unknown label 1", withCode(wt.Code{}.Br(1))},
		{"label of br_table", "unknown label 2", withCode(wt.Code{}.I32Const(0).BrTable(0, 2, 0))},
		{"local", "unknown local 1", withCode(wt.Code{}.LocalGet(1).Op(wt.Drop))},
		{"global", "unknown global 1", withCode(wt.Code{}.GlobalGet(1).Op(wt.Drop))},
		{"immutable", "global 0 is immutable", withCode(wt.Code{}.I32Const(0).GlobalSet(0))},
		{"function", "unknown function 1", withCode(wt.Code{}.Call(1))},
		{"type", "unknown type 1", withCode(wt.Code{}.I32Const(0).CallIndirect(1, 0))},
		{"table", "unknown table 1", withCode(wt.Code{}.I32Const(0).CallIndirect(0, 1))},
		{"table.copy from", "unknown table 1", withCode(wt.Code{}.I32Const(0).I32Const(0).I32Const(0).TableCopy(0, 1))},
		{"element segment", "unknown element segment 1", withCode(wt.Code{}.ElemDrop(1))},
		{"data segment", "unknown data segment 1", withCode(wt.Code{}.DataDrop(1))},
		{"undeclared reference", "undeclared function reference 0", withCode(wt.Code{}.RefFunc(0).Op(wt.Drop))},
		{"alignment", "alignment", withCode(wt.Code{}.I32Const(0).Op(0x28, 32, 0).Op(wt.Drop))},
		{"body longer than its size", "unexpected end", withCode(wt.Code{0x41, 0x80})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.b, Limits{}, Malformed, tt.text) })
	}
}

func TestUnsupportedByName(t *testing.T) {
	memory := func(limits ...byte) []byte { return wt.Raw(wt.Section(wt.MemorySection, []byte{1}, limits)) }
	typ := func(form ...byte) []byte { return wt.Raw(wt.Section(wt.TypeSection, []byte{1}, form, make([]byte, 8))) }
	tests := []struct {
		name, text string
		b          []byte
	}{
		{"component", "component", []byte("\x00asm\x0d\x00\x01\x00")},
		{"shared memory", wasm.Threads, memory(3, 1, 2)},
		{"atomic load", wasm.Threads, withCode(wt.Code{}.I32Const(0).Op(0xfe, 0x10, 2, 0))},
		{"64-bit memory", wasm.Memory64, memory(4, 1)},
		{"page sizes", wasm.PageSizes, memory(8, 1, 0)},
		{"two memories", wasm.MultiMemory, wt.Raw(wt.Section(wt.MemorySection, wt.Vec(wt.Limits(1), wt.Limits(1))))},
		{"load from another memory", wasm.MultiMemory, withCode(wt.Code{}.I32Const(0).Op(0x28, 0x42, 1, 0))},
		{"data for another memory", wasm.MultiMemory, wt.Raw(wt.Section(wt.DataSection, []byte{1, 2, 1, 0x41, 0, wt.End, 0}))},
		{"struct type", wasm.GC, typ(0x5f)},
		{"rec group", wasm.GC, typ(0x4e)},
		{"anyref", wasm.GC, typ(0x60, 1, 0x6e)},
		{"struct.new", wasm.GC, withCode(wt.Code{0xfb, 0, 0})},
		{"return_call", wasm.TailCall, withCode(wt.Code{0x12, 0})},
		{"return_call_indirect", wasm.TailCall, withCode(wt.Code{}.I32Const(0).Op(0x13, 0, 0))},
		{"tag section", wasm.Exceptions, wt.Raw(wt.Section(wt.TagSection, []byte{0}))},
		{"tag import", wasm.Exceptions, wt.Raw(wt.Section(wt.ImportSection, wt.Vec(wt.Cat(wt.Name("m"), wt.Name("t"), []byte{4, 0, 0}))))},
		{"try_table", wasm.Exceptions, withCode(wt.Code{0x1f, wt.Empty, 0, wt.End})},
		{"throw", wasm.Exceptions, withCode(wt.Code{0x08, 0})},
		{"exnref", wasm.Exceptions, typ(0x60, 1, 0x69)},
		{"block of exnref", wasm.Exceptions, withCode(wt.Code{0x02, 0x69, wt.Unreachable, wt.End, wt.Drop})},
		{"call_ref", wasm.TypedFuncRefs, withCode(wt.Code{0x14, 0})},
		{"typed reference", wasm.TypedFuncRefs, typ(0x60, 1, 0x64, 0)},
		{"table with a first value", wasm.TypedFuncRefs, wt.Raw(wt.Section(wt.TableSection, []byte{1, 0x40, 0, wt.FuncRef, 0, 1, 0xd0, wt.FuncRef, wt.End}))},
		{"relaxed SIMD", wasm.RelaxedSIMD, withCode(wt.Code{}.Vec(0x105))},
		{"wide arithmetic", wasm.WideArithmetic, withCode(wt.Code{0xfc, 19})},
		{"extended constants", wasm.ExtendedConst, wt.Raw(wt.Section(wt.GlobalSection,
			wt.Vec(wt.Cat([]byte{wt.I32, 0}, wt.Code{}.I32Const(1).I32Const(2).Op(wt.I32Add, wt.End)))))},
		{"reserved export", "reserved", func() []byte {
			var m wt.Module
			m.Export("__vivarium_gas", 0, m.Func(nil, nil, nil, nil))
			return m.Encode()
		}()},
		{"reserved import", "reserved", func() []byte {
			var m wt.Module
			m.ImportFunc("vivarium_meter", "out_of_gas", nil, nil)
			return m.Encode()
		}()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.b, Limits{}, Unsupported, tt.text) })
	}
}

func TestControlCharactersInNames(t *testing.T) {
	for _, name := range []string{"a\nb", "\x00", "\x7f", "a\u0085b", "\x1b[31m"} {
		var m wt.Module
		m.Export(name, 0, m.Func(nil, nil, nil, nil))
		check(t, m.Encode(), Limits{}, Limit, "control character")
		check(t, m.Encode(), Limits{ControlNames: true}, 0, "")
		var im wt.Module
		im.ImportFunc("m", name, nil, nil)
		check(t, im.Encode(), Limits{}, Limit, "control character")
	}
}

// TestProposals takes the valid modules of the suites of proposals: each is accepted, if it happens to
// need nothing of its proposal, or refused for a proposal by name, never as malformed.
func TestProposals(t *testing.T) {
	for dir, name := range map[string]string{
		"threads": wasm.Threads, "tail-call": wasm.TailCall, "exception-handling": wasm.Exceptions,
		"extended-const": wasm.ExtendedConst, "typed-function-references": wasm.TypedFuncRefs,
	} {
		accepted, refused, named := 0, 0, 0
		for _, s := range spectest.Proposal(t, dir) {
			for i := range s.Commands {
				c := &s.Commands[i]
				if c.Type != "module" {
					continue
				}
				_, err := Module(s.Module(t, c), Limits{MemoryPages: 1 << 16, ControlNames: true, NameBytes: 300})
				var e *Error
				switch {
				case err == nil:
					accepted++
				case errors.As(err, &e) && e.Kind == Unsupported:
					refused++
					if strings.Contains(e.Msg, name) {
						named++
					}
				default:
					t.Errorf("%s/%s:%d: %v", dir, s.Name, c.Line, err)
				}
			}
		}
		t.Logf("%s: %d modules accepted, %d refused by name, %d as %q", dir, accepted, refused, named, name)
		if named == 0 {
			t.Errorf("%s: no module was refused for %q", dir, name)
		}
	}
}
