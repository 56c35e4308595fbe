package attack

import (
	"fmt"
	"math"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// sections of a module that has all of them, each valid, in order.
var sections = []struct {
	id   byte
	name string
	body []byte
}{
	{wt.TypeSection, "type", wt.Vec(wt.FuncType(nil, nil), wt.FuncType(nil, wt.T(wt.I32)))},
	{wt.ImportSection, "import", wt.Vec(wt.Cat(wt.Name("wasi_snapshot_preview1"), wt.Name("sched_yield"), []byte{0, 1}))},
	{wt.FuncSection, "function", wt.Vec(wt.U32(0), wt.U32(1))},
	{wt.TableSection, "table", wt.Vec(wt.Cat([]byte{wt.FuncRef}, wt.Limits(2, 4)))},
	{wt.MemorySection, "memory", wt.Vec(wt.Limits(1, 2))},
	{wt.GlobalSection, "global", wt.Vec(wt.Cat([]byte{wt.I32, 1}, wt.Code{}.I32Const(7).Op(wt.End)))},
	{wt.ExportSection, "export", wt.Vec(wt.Cat(wt.Name("go"), []byte{0, 2}))},
	{wt.StartSection, "start", wt.U32(1)},
	{wt.ElemSection, "element", wt.Vec(wt.Cat([]byte{0}, wt.Code{}.I32Const(0).Op(wt.End), wt.Vec(wt.U32(1))))},
	{wt.DataCountSection, "data count", wt.U32(1)},
	{wt.CodeSection, "code", wt.Vec([]byte{2, 0, wt.End}, []byte{4, 0, 0x41, 0, wt.End})},
	{wt.DataSection, "data", wt.Vec(wt.Cat([]byte{0}, wt.Code{}.I32Const(0).Op(wt.End), wt.Name("data")))},
}

// whole returns that module with each section as f makes it.
func whole(f func(i int) []byte) []byte {
	b := []byte(wt.Header)
	for i := range sections {
		b = append(b, f(i)...)
	}
	return b
}

func section(i int) []byte { return wt.Section(sections[i].id, sections[i].body) }

// with returns the module with section i replaced.
func with(i int, s []byte) []byte {
	return whole(func(j int) []byte {
		if i == j {
			return s
		}
		return section(j)
	})
}

// formatAttacks are files that are no modules (row 11).
func formatAttacks() (list []attack) {
	add := func(name string, b []byte, want string) {
		list = append(list, attack{row: 11, name: name, wasm: bytesOf(b), upload: want})
	}
	add("the whole module, as a control", whole(section), taken)
	for i, s := range sections {
		if s.id != wt.StartSection && s.id != wt.DataCountSection {
			left := uint32(len(s.body) - 1)
			for _, n := range []uint32{math.MaxUint32, 100_000_000, left + 1} {
				add(fmt.Sprintf("%s section claims %d entries", s.name, n), with(i, wt.Section(s.id, wt.U32(n), s.body[1:])), malformed)
			}
			add(s.name+" section claims one entry less", with(i, wt.Section(s.id, wt.U32(uint32(s.body[0])-1), s.body[1:])), malformed)
			add(s.name+" section has nothing", with(i, wt.Section(s.id)), malformed)
		}
		add(s.name+" section twice", with(i, wt.Cat(section(i), section(i))), malformed)
		add(s.name+" section claims 2^32-1 bytes", with(i, wt.Cat([]byte{s.id}, wt.U32(math.MaxUint32), s.body)), malformed)
		add(s.name+" section is one byte short", with(i, wt.Cat([]byte{s.id}, wt.U32(uint32(len(s.body)-1)), s.body)), malformed)
		add(s.name+" section has a size of six bytes", with(i, wt.Cat([]byte{s.id}, wt.PadU32(uint32(len(s.body)), 6), s.body)), malformed)
		add(s.name+" section has bits beyond 32 in its size", with(i, wt.Cat([]byte{s.id, byte(len(s.body)) | 0x80, 0x80, 0x80, 0x80, 0x10}, s.body)), malformed)
		if i > 0 {
			add(s.name+" section before that which precedes it", whole(func(j int) []byte {
				switch j {
				case i - 1:
					return section(i)
				case i:
					return section(i - 1)
				}
				return section(j)
			}), malformed)
		}
	}
	b := whole(section)
	for cut := 0; cut < len(b); cut += 5 {
		if !boundary(cut) {
			add(fmt.Sprintf("cut after %d bytes", cut), b[:cut], malformed)
		}
	}
	return append(list, smallLies()...)
}

// boundary reports whether the whole module, cut at n, may still be a module.
func boundary(n int) bool {
	end := len(wt.Header)
	if n == end {
		return true
	}
	for i := range sections {
		if end += len(section(i)); n == end {
			return true
		}
	}
	return false
}

// smallLies lie in other places than at the beginning of a section.
func smallLies() (list []attack) {
	add := func(name string, b []byte, want string) {
		list = append(list, attack{row: 11, name: name, wasm: bytesOf(b), upload: want})
	}
	fn := func(body ...[]byte) []byte {
		b := wt.Cat(body...)
		return wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))), wt.Section(wt.FuncSection, wt.Vec(wt.U32(0))),
			wt.Section(wt.CodeSection, wt.Vec(wt.Cat(wt.U32(uint32(len(b))), b))))
	}
	for _, n := range []uint32{math.MaxUint32, math.MaxInt32, 100_000_000} {
		for name, b := range map[string][]byte{
			"parameters":         wt.Raw(wt.Section(wt.TypeSection, []byte{1, 0x60}, wt.U32(n), []byte{0})),
			"results":            wt.Raw(wt.Section(wt.TypeSection, []byte{1, 0x60, 0}, wt.U32(n))),
			"bytes of a name":    wt.Raw(wt.Section(wt.ImportSection, []byte{1}, wt.U32(n), []byte("m   "))),
			"groups of locals":   fn(wt.U32(n), []byte{wt.End}),
			"branch labels":      fn(wt.Code{0}.I32Const(0).Op(0x0e), wt.U32(n), []byte{0, wt.End}),
			"types of a select":  fn([]byte{0, 0x1c}, wt.U32(n), []byte{wt.I32, wt.End}),
			"entries of an elem": wt.Raw(wt.Section(wt.ElemSection, []byte{1, 1, 0}, wt.U32(n))),
			"bytes of a data":    wt.Raw(wt.Section(wt.DataSection, []byte{1, 1}, wt.U32(n))),
			"bytes of a custom":  wt.Raw(wt.Section(wt.CustomSection, wt.U32(n), []byte("x"))),
			"data segments":      wt.Raw(wt.Section(wt.DataCountSection, wt.U32(n))),
			"bytes of a body": wt.Raw(wt.Section(wt.TypeSection, wt.Vec(wt.FuncType(nil, nil))), wt.Section(wt.FuncSection, wt.Vec(wt.U32(0))),
				wt.Section(wt.CodeSection, []byte{1}, wt.U32(n), []byte{0, wt.End})),
		} {
			add(fmt.Sprintf("%d %s", n, name), b, malformed)
		}
	}
	locals := func(n uint32) []byte { return wt.Cat(wt.U32(n), []byte{wt.I64}) }
	add("2^32-1 locals", fn([]byte{1}, locals(math.MaxUint32), []byte{wt.End}), overLimit)
	add("locals whose sum wraps", fn([]byte{2}, locals(math.MaxUint32), locals(math.MaxUint32), []byte{wt.End}), malformed)
	for name, s := range map[string]string{"continuation": "\x80", "overlong": "\xc0\xaf", "surrogate": "\xed\xa0\x80", "beyond Unicode": "\xf4\x90\x80\x80", "cut": "\xe2\x82"} {
		add("export name, UTF-8 "+name, plain(func(m *wt.Module) { m.Export("x"+s, 0, m.Func(nil, nil, nil, nil)) })(), malformed)
		add("import name, UTF-8 "+name, plain(func(m *wt.Module) { m.ImportFunc("env", s, nil, nil) })(), malformed)
		add("custom name, UTF-8 "+name, append(plain(nil)(), wt.Custom(s, nil)...), malformed)
	}
	add("not a module", []byte("GET / HTTP/1.1\r\n\r\n"), malformed)
	add("ELF", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00"), malformed)
	add("text", []byte("(module)"), malformed)
	add("version 2", []byte("\x00asm\x02\x00\x00\x00"), malformed)
	add("section 13 without a proposal's content", wt.Raw(wt.Section(14, nil)), malformed)
	add("section 255", wt.Raw(wt.Section(255, nil)), malformed)
	add("bytes after the end", append(plain(nil)(), 0xff), malformed)
	add("else without if", plainCode(wt.Code{wt.Else}), malformed)
	add("operand missing", plainCode(wt.Code{wt.Drop}), malformed)
	add("branch to nowhere", plainCode(wt.Code{}.Br(math.MaxUint32)), malformed)
	add("call of nothing", plainCode(wt.Code{}.Call(math.MaxUint32)), malformed)
	add("unknown opcode", plainCode(wt.Code{0x27}), malformed)
	add("unknown opcode after 0xfc", plainCode(wt.Code{0xfc, 0xff, 0x7f}), malformed)
	add("opcode of six bytes", plainCode(wt.Code{0xfd, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}), malformed)
	return list
}

// plainCode returns a module that is harmless but for one function.
func plainCode(c wt.Code) []byte {
	return plain(func(m *wt.Module) { m.Func(nil, nil, nil, c) })()
}
