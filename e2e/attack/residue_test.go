package attack

import wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"

// residueAttacks leave what they can in memory and globals, and look for what another actor has left
// (row 20). Instances of a version are used again, so this is about the reset between two actors.
func residueAttacks() []attack {
	const pages = 16
	a := attack{row: 20, name: "residue", upload: taken, again: "ok", wasm: func() []byte {
		var m wt.Module
		m.Memory = wt.Limits(pages)
		m.Export("memory", 2, 0)
		g := m.Global(wt.I32, true, wt.Code{}.I32Const(0))
		table := m.Table(wt.ExternRef, wt.Limits(10))
		dirty := wt.Code{}.I32Const(0).I32Const(0x41).I32Const(pages << 16).MemoryFill().I32Const(7).GlobalSet(g)
		grow := wt.Code{}.I32Const(8).MemoryGrow().Op(wt.Drop).I32Const(pages << 16).I32Const(0x42).I32Const(8 << 16).MemoryFill()
		entries := wt.Code{}.RefNull(wt.ExternRef).I32Const(5).TableGrow(table).Op(wt.Drop)
		clean := func(c wt.Code) wt.Code { return c.If(wt.Empty).Op(wt.Unreachable, wt.End) }
		look := clean(wt.Code{}.GlobalGet(g)).
			Then(clean(wt.Code{}.MemorySize().I32Const(pages).Op(wt.I32Xor))).
			Then(clean(wt.Code{}.TableSize(table).I32Const(10).Op(wt.I32Xor))).
			I32Const(pages<<16).LocalSet(0).
			Loop(wt.Empty).LocalGet(0).I32Const(4).Op(wt.I32Sub).LocalTee(0).I32Load(0).If(wt.Empty).Op(wt.Unreachable, wt.End).
			LocalGet(0).BrIf(0).Op(wt.End)
		action := func(name string, c wt.Code) {
			m.Export(name, 0, m.Func(nil, wt.T(wt.I32), wt.T(wt.I32), c.I32Const(0)))
		}
		action("ok", nil)
		action("fill", dirty)
		action("grow", grow)
		action("trap", wt.Code{}.Then(dirty).Op(wt.Unreachable))
		action("entries", entries)
		action("look", look)
		return m.Encode()
	}}
	for _, name := range []string{"fill", "grow", "trap", "entries"} {
		want := fine
		if name == "trap" {
			want = trapped + "; unreachable"
		}
		a.calls = append(a.calls, call{name: "residue: " + name, action: name, want: want}, call{name: "look for residue after " + name, action: "look", want: fine})
	}
	return []attack{a}
}
