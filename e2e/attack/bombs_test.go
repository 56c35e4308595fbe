package attack

import (
	"fmt"
	"math"
	"slices"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// bomb is guest code of type () -> () that may be put into any place where guest code runs.
type bomb struct {
	row   int
	name  string
	want  string // verdict when it runs as an action
	fn    func(g *ground) uint32
	burns bool // all its gas: only some places have it in the short form
}

// ground is a module for bombs: a memory, tables, segments and imports.
type ground struct {
	*wt.Module
	log, kvPut, now, random, alloc, input uint32
	output, inputRead                     uint32
	funcs, externs                        uint32 // tables
	texts                                 uint32 // data segments besides those that sdk and newGround make
}

func newGround(m *wt.Module) *ground {
	g := &ground{Module: m}
	g.log = m.ImportFunc("vivarium", "log", wt.T(wt.I64, wt.I32, wt.I32), wt.T(wt.I64))
	g.kvPut = m.ImportFunc("vivarium", "kv_put", wt.T(wt.I32, wt.I32, wt.I32, wt.I32), wt.T(wt.I64))
	g.now = m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
	g.random = m.ImportFunc("vivarium", "random", wt.T(wt.I64), wt.T(wt.I64))
	g.alloc = m.ImportFunc("extism:host/env", "alloc", wt.T(wt.I64), wt.T(wt.I64))
	g.input = m.ImportFunc("extism:host/env", "input_load_u8", wt.T(wt.I64), wt.T(wt.I32))
	g.output = m.ImportFunc("vivarium", "output", wt.T(wt.I32, wt.I32), nil)
	g.inputRead = m.ImportFunc("vivarium", "input_read", wt.T(wt.I32, wt.I32), wt.T(wt.I32))
	m.Memory = wt.Limits(256)
	m.Export("memory", 2, 0)
	g.funcs = m.Table(wt.FuncRef, wt.Limits(1000))
	g.externs = m.Table(wt.ExternRef, wt.Limits(50_000))
	m.PassiveElem(make([]uint32, 1000)...)
	m.PassiveData(string(make([]byte, 60_000)))
	m.DataCount(1)
	return g
}

func (g *ground) do(c wt.Code) uint32 { return g.Func(nil, nil, nil, c) }

// tree returns a function that calls 2^n functions without a loop.
func (g *ground) tree(n int) uint32 {
	f := g.do(nil)
	for range n {
		f = g.do(wt.Code{}.Call(f).Call(f))
	}
	return f
}

// next is the index of the function that is declared next.
func (g *ground) next() uint32 { return g.do(nil) + 1 }

// bombs returns every bomb. Rows are those of the threat table.
func bombs() []bomb {
	loop := func(row int, name, want string, body func(g *ground) wt.Code) bomb {
		return bomb{row: row, name: name, want: want, fn: func(g *ground) uint32 { return g.do(forever(body(g))) }, burns: want == noGas}
	}
	once := func(row int, name, want string, body func(g *ground) wt.Code) bomb {
		return bomb{row: row, name: name, want: want, fn: func(g *ground) uint32 { return g.do(body(g)) }, burns: want == noGas}
	}
	const mem = 16 << 20
	return []bomb{
		loop(1, "loop", noGas, func(*ground) wt.Code { return nil }),
		loop(1, "loop of arithmetic", noGas, func(*ground) wt.Code { return wt.Code{}.I64Const(7).I64Const(9).Op(wt.I64Mul, wt.Drop) }),
		loop(1, "loop of loops", noGas, func(*ground) wt.Code { return forever(nil) }),
		loop(1, "loop of divisions", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(7).I32Const(9).Op(wt.I32DivS, wt.Drop) }),
		loop(2, "loop of now", tooMany, func(g *ground) wt.Code { return wt.Code{}.Call(g.now).Op(wt.Drop) }),
		loop(22, "loop of logs", tooMany, func(g *ground) wt.Code {
			return wt.Code{}.I64Const(2).I32Const(0).I32Const(100).Call(g.log).Op(wt.Drop)
		}),
		loop(2, "loop of kv_put", tooMany, func(g *ground) wt.Code {
			return wt.Code{}.I32Const(0).I32Const(1).I32Const(0).I32Const(1000).Call(g.kvPut).Op(wt.Drop)
		}),
		loop(2, "loop of random 64 KiB", noGas, func(g *ground) wt.Code { return wt.Code{}.I64Const(64 << 10).Call(g.random).Op(wt.Drop) }),
		loop(2, "loop of input", noGas, func(g *ground) wt.Code { return wt.Code{}.I64Const(0).Call(g.input).Op(wt.Drop) }),
		loop(19, "loop of Extism blocks", noHandles, func(g *ground) wt.Code { return wt.Code{}.I64Const(1 << 20).Call(g.alloc).Op(wt.Drop) }),
		loop(19, "loop of Extism blocks of a byte", noHandles, func(g *ground) wt.Code { return wt.Code{}.I64Const(1).Call(g.alloc).Op(wt.Drop) }),
		once(19, "Extism block of 2^63 bytes", noHandles, func(g *ground) wt.Code { return wt.Code{}.I64Const(math.MinInt64).Call(g.alloc).Op(wt.Drop) }),
		{3, "call tree of 2^44", noGas, func(g *ground) uint32 { return g.tree(44) }, true},
		{3, "indirect call tree of 2^44", noGas, func(g *ground) uint32 {
			f := g.do(nil)
			for i := range int32(44) {
				g.Elem(100+i, f)
				t := g.Type(nil, nil)
				f = g.do(wt.Code{}.I32Const(100+i).CallIndirect(t, g.funcs).I32Const(100+i).CallIndirect(t, g.funcs))
			}
			return f
		}, true},
		loop(3, "loop of memory.fill", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(0).I32Const(1).I32Const(mem).MemoryFill() }),
		loop(3, "loop of memory.copy", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(0).I32Const(1).I32Const(mem - 1).MemoryCopy() }),
		loop(3, "loop of memory.init", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(0).I32Const(0).I32Const(60_000).MemoryInit(0) }),
		loop(3, "loop of table.fill", noGas, func(g *ground) wt.Code {
			return wt.Code{}.I32Const(0).RefNull(wt.ExternRef).I32Const(50_000).TableFill(g.externs)
		}),
		loop(3, "loop of table.copy", noGas, func(g *ground) wt.Code {
			return wt.Code{}.I32Const(0).I32Const(1).I32Const(49_999).TableCopy(g.externs, g.externs)
		}),
		loop(3, "loop of table.init", noGas, func(g *ground) wt.Code {
			return wt.Code{}.I32Const(0).I32Const(0).I32Const(1000).TableInit(0, g.funcs)
		}),
		once(3, "3000 memory.fill in a row", noGas, func(*ground) wt.Code {
			return wt.Code{}.Times(3000, wt.Code{}.I32Const(0).I32Const(1).I32Const(mem).MemoryFill())
		}),
		{5, "recursion", trapped + "; stack overflow", func(g *ground) uint32 { n := g.next(); return g.do(wt.Code{}.Call(n)) }, false},
		{5, "mutual recursion", trapped + "; stack overflow", func(g *ground) uint32 {
			n := g.next()
			g.do(wt.Code{}.Call(n + 1))
			return g.do(wt.Code{}.Call(n))
		}, false},
		{5, "indirect recursion", trapped + "; stack overflow", func(g *ground) uint32 {
			n := g.next()
			g.Elem(0, n)
			return g.do(wt.Code{}.I32Const(0).CallIndirect(g.Type(nil, nil), g.funcs))
		}, false},
		{5, "recursion with large frames", trapped + "; stack overflow", func(g *ground) uint32 {
			n := g.next()
			return g.Func(nil, nil, wt.Repeat(wt.T(wt.I64), 4000), wt.Code{}.Call(n).LocalGet(3999).Op(wt.Drop))
		}, false},
		{5, "recursion with many operands", trapped + "; stack overflow", func(g *ground) uint32 {
			n := g.next()
			return g.do(wt.Code{}.Times(1000, wt.Code{}.I32Const(0).I32Load(0)).Call(n).Times(1000, wt.Code{wt.Drop}))
		}, false},
		once(6, "unreachable", trapped+"; unreachable", func(*ground) wt.Code { return wt.Code{wt.Unreachable} }),
		once(6, "division by zero", trapped+"; divide by zero", func(*ground) wt.Code { return wt.Code{}.I32Const(1).I32Const(0).Op(wt.I32DivS, wt.Drop) }),
		once(6, "division that overflows", trapped+"; overflow", func(*ground) wt.Code {
			return wt.Code{}.I32Const(math.MinInt32).I32Const(-1).Op(wt.I32DivS, wt.Drop)
		}),
		once(6, "load outside the memory", trapped+"; out of bounds", func(*ground) wt.Code { return wt.Code{}.I32Const(-4).I32Load(math.MaxUint32).Op(wt.Drop) }),
		once(6, "store outside the memory", trapped+"; out of bounds", func(*ground) wt.Code { return wt.Code{}.I32Const(mem - 3).I32Const(0).I32Store(0) }),
		once(6, "fill outside the memory", trapped+"; out of bounds", func(*ground) wt.Code { return wt.Code{}.I32Const(1).I32Const(0).I32Const(-1).MemoryFill() }),
		once(6, "copy outside the memory", trapped+"; out of bounds", func(*ground) wt.Code { return wt.Code{}.I32Const(-1).I32Const(-1).I32Const(-1).MemoryCopy() }),
		once(6, "init outside the segment", trapped+"; out of bounds", func(*ground) wt.Code { return wt.Code{}.I32Const(0).I32Const(60_000).I32Const(1).MemoryInit(0) }),
		once(6, "call of a null function", trapped+"; ", func(g *ground) wt.Code { return wt.Code{}.I32Const(999).CallIndirect(g.Type(nil, nil), g.funcs) }),
		once(6, "call outside the table", trapped+"; ", func(g *ground) wt.Code { return wt.Code{}.I32Const(-1).CallIndirect(g.Type(nil, nil), g.funcs) }),
		once(6, "call of another type", trapped+"; ", func(g *ground) wt.Code {
			g.Elem(900, g.Func(wt.T(wt.F64), nil, nil, nil))
			return wt.Code{}.I32Const(900).CallIndirect(g.Type(nil, nil), g.funcs)
		}),
		once(6, "table.get outside the table", trapped+"; ", func(g *ground) wt.Code { return wt.Code{}.I32Const(-1).TableGet(g.externs).Op(wt.Drop) }),
		once(8, "memory.grow by 2^32-1", fine, func(*ground) wt.Code { return wantI32(wt.Code{}.I32Const(-1).MemoryGrow(), -1) }),
		once(8, "memory.grow one page past the limit", fine, func(*ground) wt.Code { return wantI32(wt.Code{}.I32Const(1024-256+1).MemoryGrow(), -1) }),
		once(8, "memory.grow to the limit, all written", fine, func(*ground) wt.Code {
			return wantI32(wt.Code{}.I32Const(1024-256).MemoryGrow(), 256).I32Const(0).I32Const(1).I32Const(64<<20 - 1).MemoryFill()
		}),
		loop(8, "loop of memory.grow by a page", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(1).MemoryGrow().Op(wt.Drop) }),
		loop(8, "loop of memory.grow by none", noGas, func(*ground) wt.Code { return wt.Code{}.I32Const(0).MemoryGrow().Op(wt.Drop) }),
		once(9, "table.grow by 2^32-1", fine, func(g *ground) wt.Code {
			return wantI32(wt.Code{}.RefNull(wt.ExternRef).I32Const(-1).TableGrow(g.externs), -1)
		}),
		once(9, "table.grow one past the limit", fine, func(g *ground) wt.Code {
			return wantI32(wt.Code{}.RefNull(wt.ExternRef).I32Const(50_001).TableGrow(g.externs), -1)
		}),
		once(9, "table.grow to the limit", fine, func(g *ground) wt.Code {
			return wantI32(wt.Code{}.RefNull(wt.ExternRef).I32Const(50_000).TableGrow(g.externs), 50_000)
		}),
		loop(9, "loop of table.grow", noGas, func(g *ground) wt.Code {
			return wt.Code{}.RefNull(wt.ExternRef).I32Const(100).TableGrow(g.externs).Op(wt.Drop)
		}),
	}
}

// bombIndex finds a bomb by its name.
func bombIndex(name string) int {
	i := slices.IndexFunc(bombs(), func(b bomb) bool { return b.name == name })
	if i < 0 {
		panic("no bomb named " + name)
	}
	return i
}

// bombNamed returns the action of a bomb in the module of actionAttacks.
func bombNamed(name string) string { return fmt.Sprintf("b%d", bombIndex(name)) }

func bombFunc(name string) func(g *ground) uint32 { return bombs()[bombIndex(name)].fn }

// wantI32 traps unless code gives v.
func wantI32(code wt.Code, v int32) wt.Code {
	return code.I32Const(v).Op(wt.I32Xor).If(wt.Empty).Op(wt.Unreachable, wt.End)
}

// actionAttacks run every bomb as an action and, by a hook that looks at its input, at creation.
func actionAttacks() []attack {
	a := attack{row: 1, name: "every bomb as an action and a hook", upload: taken, again: "ok"}
	list := bombs()
	a.wasm = func() []byte {
		var m wt.Module
		g := newGround(&m)
		hook := wt.Code{}
		for i, b := range list {
			f := b.fn(g)
			m.Export(fmt.Sprintf("b%d", i), 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.Call(f).I32Const(0)))
			// The input is a list of one string: ["!"].
			hook = hook.I64Const(2).Call(g.input).I32Const(int32(firstCode + i)).Op(wt.I32Eq).If(wt.Empty).Call(f).Op(wt.End)
		}
		m.Export("ok", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0)))
		m.Export("on_create", 0, m.Func(nil, wt.T(wt.I32), nil, hook.I32Const(0)))
		return m.Encode()
	}
	for i, b := range list {
		a.calls = append(a.calls, call{row: b.row, name: b.name + ", action", action: fmt.Sprintf("b%d", i), want: b.want, input: `" "`, long: b.slow()})
	}
	hooks := a
	hooks.name, hooks.calls = "every bomb as a hook", nil
	for i, b := range list {
		if b.burns && !everywhere[b.name] && i%3 > 0 {
			continue // it takes seconds, and a hook is no other place for it than an action
		}
		hooks.calls = append(hooks.calls, call{row: 24, name: b.name + ", hook", create: b.want, input: quoted(i), long: b.burns && !everywhere[b.name]})
	}
	// Apart, so that two may run at one time; the same bytes are prepared once.
	for i, b := range list {
		if b.name == "unreachable" {
			a.calls = append(a.calls, call{row: 7, name: "thirty traps in a row", action: fmt.Sprintf("b%d", i), want: b.want, times: 30})
		}
	}
	half := a
	half.name, half.calls = "every bomb as an action", a.calls[:len(a.calls)/2]
	rest := a
	rest.name, rest.calls = "every bomb as an action, the rest", a.calls[len(a.calls)/2:]
	return []attack{half, rest, hooks}
}

// Burning all gas takes seconds, so the short form does it with few bombs: those of everywhere in every
// place, those of action as an action only, and none of the rest.
var (
	everywhere = map[string]bool{"call tree of 2^44": true, "loop of memory.fill": true}
	action     = map[string]bool{"loop": true, "loop of table.copy": true}
)

func (b *bomb) slow() bool { return b.burns && !everywhere[b.name] && !action[b.name] }

// firstCode is the code of the first bomb in an input: printable, and no bomb is a quote or a backslash.
const firstCode = 0x23

// quoted is a JSON string of the one byte that stands for bomb i.
func quoted(i int) string { return `"` + string(rune(firstCode+i)) + `"` }

// startAttacks run bombs in the start function and in _initialize (row 13).
func startAttacks() (list []attack) {
	for i, b := range bombs() {
		want := invalid // what fails, and what a host function refuses
		switch b.want {
		case fine:
			want = taken
		case noGas:
			want = overLimit
		}
		for _, place := range []string{"start function", "_initialize"} {
			if place == "_initialize" && i%7 != 0 || b.burns && !everywhere[b.name] && i%3 > 0 {
				continue
			}
			list = append(list, attack{
				row: 13, name: b.name + ", " + place, upload: want, burns: b.burns, long: b.burns && (!everywhere[b.name] || place != "start function") || i%3 == 1,
				wasm: plain(func(m *wt.Module) {
					f := b.fn(newGround(m))
					if place == "_initialize" {
						m.Export(place, 0, f)
					} else {
						m.Start(f)
					}
				}),
			})
		}
	}
	return list
}

// turnAttacks run bombs in actor_turn, at creation and as an action, and lie in the envelope.
func turnAttacks() (list []attack) {
	all := bombs()
	var pick []bomb
	for _, b := range all {
		if everywhere[b.name] || b.name == "recursion" || b.name == "unreachable" || b.name == "load outside the memory" {
			pick = append(pick, b)
		}
	}
	a := attack{row: 24, name: "bombs in actor_turn", upload: taken}
	const actor = "turner"
	const at = 6 + 5 + len(actor) + 5 // of the action's name, or the creation's input, in the envelope
	a.wasm = func() []byte {
		var m wt.Module
		g := newGround(&m)
		c := g.choice(at)
		for i, b := range pick {
			c = c.when(i, wt.Code{}.Call(b.fn(g)))
		}
		return g.sdk(fmt.Sprintf(goodManifest, actor), c.Code)
	}
	for i, b := range pick {
		a.calls = append(a.calls,
			call{row: b.row, name: b.name + ", actor_turn", actor: actor, action: fmt.Sprint(i), want: b.want, input: `"x"`},
			call{row: 24, name: b.name + ", creation in actor_turn", actor: actor, create: b.want, input: fmt.Sprint(i), long: b.burns})
	}
	list = append(list, a)
	return append(list, envelopeAttacks()...)
}

// choice is code that looks at a byte of the turn's envelope.
type choice struct {
	wt.Code
	at int
}

func (g *ground) choice(at int) choice {
	return choice{wt.Code{}.I32Const(inputAt).I32Const(64).Call(g.inputRead).Op(wt.Drop), at}
}

// when adds what to do if the byte is the digit i.
func (c choice) when(i int, do wt.Code) choice {
	const and = 0x71
	c.Code = c.I32Const(int32(c.at)).I32Load(0).I32Const(0xff).Op(and).I32Const(int32('0' + i)).Op(wt.I32Eq).If(wt.Empty).Then(do).Op(wt.End)
	return c
}

// sdk makes the ground an SDK module whose actor_turn runs turn and then says that all is well.
func (g *ground) sdk(manifest string, turn wt.Code) []byte {
	g.Data(replyAt, okReply)
	g.Data(manifestAt, manifest)
	g.DataCount(3 + g.texts)
	g.Export("actor_manifest", 0, g.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(manifestAt).I32Const(int32(len(manifest))).Call(g.output).I32Const(0)))
	g.Export("actor_turn", 0, g.Func(nil, wt.T(wt.I32), nil, turn.I32Const(replyAt).I32Const(int32(len(okReply))).Call(g.output).I32Const(0)))
	return g.Encode()
}

// okReply is an envelope of status 0.
const okReply = "\x10\x01\x00\x00\x00\x00"

// envelopeAttacks answer a turn with what is no envelope (rows 20 and 21).
func envelopeAttacks() []attack {
	const actor = "liar"
	field := func(tag byte, v string) string {
		return string(append([]byte{tag, byte(len(v)), byte(len(v) >> 8), byte(len(v) >> 16), 0}, v...))
	}
	const hidden = "502 rivetkit/internal_error"
	list := []struct{ name, envelope, want string }{
		{"nothing", "", trapped + "; broken contract"},
		{"one byte", "\x10", trapped + "; broken contract"},
		{"a field of 2^32-1 bytes", "\x10\xff\xff\xff\xff\x00", trapped + "; broken contract"},
		{"a status twice", okReply + okReply, trapped + "; broken contract"},
		{"an unknown status", field(16, "\x09"), trapped + "; broken contract"},
		{"a result that is not JSON", okReply + field(17, "{"), hidden},
		{"a result of invalid UTF-8", okReply + field(17, "\"\xff\""), hidden},
		{"a deep result", okReply + field(17, string(wt.Repeat([]byte("["), 60_000))), hidden},
		{"an error with escapes and newlines", field(16, "\x01") + field(18, "a\r\nSet-Cookie: x=1") + field(19, "\x1b[2J\x00\r\nforged"), "400 user/user_error"},
		{"a host error that never was", field(16, "\x03") + field(21, "\x01\x00"), hidden},
	}
	a := attack{row: 21, name: "envelopes that lie", upload: taken, wasm: func() []byte {
		var m wt.Module
		g := newGround(&m)
		c := g.choice(6 + 5 + len(actor) + 5)
		at := int32(64 << 10)
		for i, e := range list {
			g.Data(at, e.envelope)
			g.texts++
			c = c.when(i, wt.Code{}.I32Const(at).I32Const(int32(len(e.envelope))).Call(g.output).I32Const(0).Op(wt.Return))
			at += 64 << 10
		}
		return g.sdk(fmt.Sprintf(goodManifest, actor), c.Code)
	}}
	for i, e := range list {
		a.calls = append(a.calls, call{name: "envelope: " + e.name, actor: actor, action: fmt.Sprint(i), want: e.want, input: `"x"`})
	}
	return []attack{a}
}
