package attack

import (
	"fmt"
	"math"
	"strings"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// importAttacks ask to be linked to what is not theirs (rows 4, 14 and 15).
func importAttacks() (list []attack) {
	add := func(row int, name, want string, f func(m *wt.Module)) {
		list = append(list, attack{row: row, name: name, wasm: plain(f), upload: want})
	}
	fn := func(module, name string, params, results []byte) func(m *wt.Module) {
		return func(m *wt.Module) { m.ImportFunc(module, name, params, results) }
	}
	add(14, "import of an unknown module", unresolved+"; nowhere.f", fn("nowhere", "f", nil, nil))
	add(14, "import of an unknown function", unresolved+"; vivarium.format_disk", fn("vivarium", "format_disk", nil, nil))
	add(14, "import with another signature", unresolved+"; vivarium.now", fn("vivarium", "now", wt.T(wt.F64), nil))
	add(14, "import of nothing", unresolved, fn("", "", nil, nil))
	add(14, "import of WASI of another version", unresolved+"; wasi_unstable.fd_write", fn("wasi_unstable", "fd_write", nil, nil))
	add(14, "import of a socket", unresolved+"; sock_open", fn("wasi_snapshot_preview1", "sock_open", nil, nil))
	add(14, "import of threads", unresolved+"; wasi.thread-spawn", fn("wasi", "thread-spawn", wt.T(wt.I32), wt.T(wt.I32)))
	add(14, "import of a memory", unresolved+"; env.memory", func(m *wt.Module) { m.Import("env", "memory", 2, wt.Limits(1)) })
	add(14, "import of a table", unresolved+"; env.table", func(m *wt.Module) { m.Import("env", "table", 1, wt.Cat([]byte{wt.FuncRef}, wt.Limits(1))) })
	add(14, "import of a global", unresolved+"; env.g", func(m *wt.Module) { m.ImportGlobal("env", "g", wt.I32, true) })
	add(14, "import of the host's memory", unresolved, func(m *wt.Module) { m.Import("vivarium", "memory", 2, wt.Limits(1)) })
	add(14, "imports of a good and two bad functions", unresolved+"; b.b", func(m *wt.Module) {
		m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
		m.ImportFunc("a", "a", nil, nil)
		m.ImportFunc("b", "b", nil, nil)
	})
	add(14, "import of one function twice", taken, func(m *wt.Module) {
		m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
		m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
	})
	add(14, "import of one function twice with two signatures", unresolved, func(m *wt.Module) {
		m.ImportFunc("vivarium", "now", nil, wt.T(wt.I64))
		m.ImportFunc("vivarium", "now", nil, wt.T(wt.I32))
	})
	add(14, "import with a NUL in its name", overLimit, fn("vivarium\x00", "now", nil, nil))
	add(14, "import with an escape in its name", overLimit, fn("\x1b[2J", "now", nil, nil))
	add(14, "import of a tag", unsupported, func(m *wt.Module) { m.Import("env", "t", 4, []byte{0, 0}) })
	add(14, "import of kind 9", malformed, func(m *wt.Module) { m.Import("env", "t", 9, []byte{0, 0}) })
	add(15, "import of the meter", unsupported+"; reserved", fn("vivarium_meter", "refuel", nil, nil))
	add(15, "import of the meter's gas", unsupported+"; reserved", func(m *wt.Module) { m.ImportGlobal("vivarium_meter", "gas", wt.I64, true) })
	for _, other := range []string{"counter", "victim", "victim/counter", "m1", "main", "env"} {
		add(15, "import of a neighbour: "+other, unresolved, fn(other, "increment", nil, wt.T(wt.I32)))
	}
	for name, code := range map[string]wt.Code{
		"tail call":          wt.Code{0x12, 0},
		"indirect tail call": wt.Code{}.I32Const(0).Op(0x13, 0, 0),
		"call_ref":           {0x14, 0},
		"atomics":            {0xfe, 0x03, 0x00},
		"exceptions: throw":  {0x08, 0},
		"try_table":          {0x1f, 0x40, 0, wt.End},
		"GC: struct.new":     {0xfb, 0x00, 0x00},
	} {
		list = append(list, attack{row: 4, name: name, wasm: bytesOf(plainCode(code)), upload: unsupported})
	}
	type raw = []byte
	for name, b := range map[string]raw{
		"a component":      raw("\x00asm\x0d\x00\x01\x00"),
		"shared memory":    wt.Raw(wt.Section(wt.MemorySection, raw{1, 3, 1, 1})),
		"64-bit memory":    wt.Raw(wt.Section(wt.MemorySection, raw{1, 4, 1})),
		"two memories":     wt.Raw(wt.Section(wt.MemorySection, raw{2, 0, 1, 0, 1})),
		"64-bit table":     wt.Raw(wt.Section(wt.TableSection, raw{1, wt.FuncRef, 4, 1})),
		"tag section":      wt.Raw(wt.Section(wt.TagSection, raw{1, 0, 0})),
		"GC: struct type":  wt.Raw(wt.Section(wt.TypeSection, raw{1, 0x5f, 1, wt.I32, 0})),
		"GC: rec group":    wt.Raw(wt.Section(wt.TypeSection, raw{1, 0x4e, 0, 0})),
		"extended const":   wt.Raw(wt.Section(wt.GlobalSection, raw{1, wt.I32, 0, 0x41, 1, 0x41, 1, wt.I32Add, wt.End})),
		"typed references": wt.Raw(wt.Section(wt.TypeSection, raw{1, 0x60, 1, 0x64, 0x70, 0})),
	} {
		list = append(list, attack{row: 4, name: name, wasm: bytesOf(b), upload: unsupported})
	}
	return list
}

// exportAttacks lie in what they export (row 23).
func exportAttacks() (list []attack) {
	add := func(name, want string, calls []call, f func(m *wt.Module)) {
		list = append(list, attack{row: 23, name: name, wasm: plain(f), upload: want, calls: calls})
	}
	only := func(name, want string, f func(m *wt.Module)) {
		list = append(list, attack{row: 23, name: name, upload: want, wasm: func() []byte {
			var m wt.Module
			f(&m)
			return m.Encode()
		}})
	}
	noAction := func(names ...string) (calls []call) {
		for _, n := range names {
			calls = append(calls, call{action: n, want: "404 actor/action_not_found"})
		}
		return calls
	}
	for _, name := range []string{"__vivarium_gas", "__vivarium_stack", "__vivarium_start", "__vivarium_"} {
		add("export of the reserved name "+name, unsupported+"; reserved", nil, func(m *wt.Module) {
			m.Export(name, 3, m.Global(wt.I64, true, wt.Code{}.I64Const(math.MaxInt64)))
		})
	}
	add("things that are no actions", taken, noAction("memory", "table", "global", "params", "results", "nothing", "_hidden", "on_create", "actor_x", "memory_bytes", "missing", "%00", "..%2Fgo", "go%20"), func(m *wt.Module) {
		m.Memory = wt.Limits(1)
		m.Export("memory", 2, 0)
		m.Export("table", 1, m.Table(wt.FuncRef, wt.Limits(1)))
		m.Export("global", 3, m.Global(wt.I32, false, wt.Code{}.I32Const(0)))
		m.Export("params", 0, m.Func(wt.T(wt.I32), wt.T(wt.I32), nil, wt.Code{}.I32Const(0)))
		m.Export("results", 0, m.Func(nil, wt.T(wt.I32, wt.I32), nil, wt.Code{}.I32Const(0).I32Const(0)))
		m.Export("nothing", 0, m.Func(nil, nil, nil, nil))
		zero := m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0))
		for _, name := range []string{"_hidden", "on_create", "actor_x", "memory_bytes"} {
			m.Export(name, 0, zero)
		}
	})
	only("no export", invalid, func(m *wt.Module) { m.Func(nil, nil, nil, nil) })
	only("an empty module", invalid, func(m *wt.Module) {})
	only("only hooks", invalid, func(m *wt.Module) { m.Export("on_create", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0))) })
	only("a global as the action", invalid, func(m *wt.Module) { m.Export("go", 3, m.Global(wt.I32, false, wt.Code{}.I32Const(0))) })
	only("actor_manifest alone", invalid, func(m *wt.Module) {
		m.Export("actor_manifest", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0)))
	})
	only("actor_turn alone", invalid, func(m *wt.Module) {
		m.Export("actor_turn", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0)))
	})
	only("actor_manifest as a memory", invalid, func(m *wt.Module) {
		m.Memory = wt.Limits(1)
		m.Export("actor_manifest", 2, 0)
	})
	add("one name twice", malformed, nil, func(m *wt.Module) {
		f := m.Func(nil, nil, nil, nil)
		m.Export("a", 0, f).Export("a", 0, f)
	})
	add("export of a function that is not there", malformed, nil, func(m *wt.Module) { m.Export("a", 0, math.MaxUint32) })
	add("export of a memory that is not there", malformed, nil, func(m *wt.Module) { m.Export("a", 2, 0) })
	add("export with a newline in its name", overLimit, nil, func(m *wt.Module) { m.Export("a\nERROR forged line", 0, m.Func(nil, nil, nil, nil)) })
	return list
}

// sdkModule returns a module that exports actor_manifest, which says manifest, and actor_turn.
// turn gets the index of a function that gives the host n bytes at an address.
func sdkModule(manifest string, build func(m *wt.Module, output uint32) (manifestCode, turnCode wt.Code)) func() []byte {
	return func() []byte {
		var m wt.Module
		output := m.ImportFunc("vivarium", "output", wt.T(wt.I32, wt.I32), nil)
		m.Memory = wt.Limits(uint32(len(manifest)>>16 + 2))
		say := wt.Code{}.I32Const(manifestAt).I32Const(int32(len(manifest))).Call(output).I32Const(0)
		turn := wt.Code{}.I32Const(replyAt).I32Const(int32(len(okReply))).Call(output).I32Const(0)
		if build != nil {
			mc, tc := build(&m, output)
			if mc != nil {
				say = mc
			}
			if tc != nil {
				turn = tc
			}
		}
		m.Data(replyAt, okReply)
		m.Data(manifestAt, manifest)
		m.Export("memory", 2, 0)
		m.Export("actor_manifest", 0, m.Func(nil, wt.T(wt.I32), nil, say))
		m.Export("actor_turn", 0, m.Func(nil, wt.T(wt.I32), nil, turn))
		return m.Encode()
	}
}

// Places in the memory of such a module.
const (
	inputAt    = 0
	replyAt    = 512
	manifestAt = 1024
)

const goodManifest = `{"abi":1,"codec":"json","actors":{"%s":{"actions":{"0":{},"1":{},"2":{},"3":{},"4":{},"5":{},"6":{},"7":{},"8":{},"9":{}}}}}`

// manifestAttacks have a manifest that lies, is broken or does not come (row 23).
func manifestAttacks() (list []attack) {
	say := func(name, manifest, want string) {
		list = append(list, attack{row: 23, name: "manifest: " + name, wasm: sdkModule(manifest, nil), upload: want})
	}
	say("not JSON", "hello", invalid)
	say("empty", "", invalid)
	say("null", "null", invalid)
	say("a list", "[]", invalid)
	say("invalid UTF-8 as a name", `{"abi":1,"codec":"json","actors":{"`+"\xff"+`":{}}}`, invalid)
	say("no actors", `{"abi":1,"codec":"json","actors":{}}`, overLimit)
	say("an unknown field", `{"abi":1,"codec":"json","root":true,"actors":{"a":{}}}`, invalid+"; root")
	say("an unknown option of an actor", `{"abi":1,"codec":"json","actors":{"a":{"priority":9}}}`, invalid+"; priority")
	say("another ABI", `{"abi":2,"codec":"json","actors":{"a":{}}}`, invalid+"; ABI")
	say("ABI 2^63", `{"abi":9223372036854775808,"codec":"json","actors":{"a":{}}}`, invalid)
	say("another codec", `{"abi":1,"codec":"pickle","actors":{"a":{}}}`, invalid+"; codec")
	say("two documents", `{"abi":1,"codec":"json","actors":{"a":{}}}{}`, invalid)
	say("an empty actor name", `{"abi":1,"codec":"json","actors":{"":{}}}`, invalid)
	say("an actor name with a slash", `{"abi":1,"codec":"json","actors":{"../victim/counter":{}}}`, invalid)
	say("an actor name with a NUL", `{"abi":1,"codec":"json","actors":{"a\u0000b":{}}}`, invalid)
	say("an action name with an escape", `{"abi":1,"codec":"json","actors":{"a":{"actions":{"\u001b[2J":{}}}}}`, invalid)
	say("deep JSON", `{"abi":1,"codec":"json","actors":`+strings.Repeat("[", 100_000), invalid)
	say("deep objects", strings.Repeat(`{"actors":`, 9_000)+"1"+strings.Repeat("}", 9_000), invalid)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, `,"a%d":{}`, i)
	}
	say("100,000 actors", `{"abi":1,"codec":"json","actors":{`+b.String()[1:]+"}}", overLimit)
	b.Reset()
	for i := range 100_000 {
		fmt.Fprintf(&b, `,"a%d":{}`, i)
	}
	say("100,000 actions", `{"abi":1,"codec":"json","actors":{"a":{"actions":{`+b.String()[1:]+"}}}}", invalid+"; more than 1000")
	schema := func(name, schema, want string) {
		say("a schema "+name, `{"abi":1,"codec":"json","actors":{"a":{"actions":{"0":{"args":`+schema+`}}}}}`, want)
	}
	schema("that reads a file", `{"$ref":"file:///etc/passwd"}`, invalid+"; reference")
	schema("that asks the network", `{"$ref":"http://127.0.0.1:6420/modules"}`, invalid+"; reference")
	schema("with a number that would be written out", `{"minimum":1e999999999}`, invalid+"; range")
	schema("with 20,000 parts", `{"allOf":[`+strings.Repeat("{},", 20_000)+`{}]}`, invalid)
	schema("with a pattern of a million states", `{"pattern":"((a{100}){10}b{10}){100}"}`, invalid)
	do := func(name, want string, code func(m *wt.Module, output uint32) wt.Code) {
		list = append(list, attack{row: 23, name: "manifest: " + name, upload: want, wasm: sdkModule(fmt.Sprintf(goodManifest, "x"), func(m *wt.Module, output uint32) (wt.Code, wt.Code) {
			return code(m, output), nil
		})})
	}
	do("output never set", invalid, func(*wt.Module, uint32) wt.Code { return wt.Code{}.I32Const(0) })
	do("an error", invalid, func(*wt.Module, uint32) wt.Code { return wt.Code{}.I32Const(-1) })
	do("a trap", invalid, func(*wt.Module, uint32) wt.Code { return wt.Code{wt.Unreachable} })
	do("output outside the memory", invalid, func(_ *wt.Module, output uint32) wt.Code {
		return wt.Code{}.I32Const(-1).I32Const(16).Call(output).I32Const(0)
	})
	do("output of 2^32-1 bytes", invalid, func(_ *wt.Module, output uint32) wt.Code {
		return wt.Code{}.I32Const(0).I32Const(-1).Call(output).I32Const(0)
	})
	do("64 MiB of zeros", invalid, func(_ *wt.Module, output uint32) wt.Code {
		return wt.Code{}.I32Const(1000).MemoryGrow().Op(wt.Drop).I32Const(0).I32Const(60 << 20).Call(output).I32Const(0)
	})
	do("4 MiB of spaces", invalid, func(_ *wt.Module, output uint32) wt.Code {
		return wt.Code{}.I32Const(100).MemoryGrow().Op(wt.Drop).I32Const(0).I32Const(32).I32Const(4 << 20).MemoryFill().
			I32Const(0).I32Const(4 << 20).Call(output).I32Const(0)
	})
	do("recursion", invalid, func(m *wt.Module, _ uint32) wt.Code {
		f := m.Func(nil, nil, nil, wt.Code{}.Call(1))
		return wt.Code{}.Call(f).I32Const(0)
	})
	do("an endless loop", overLimit, func(*wt.Module, uint32) wt.Code { return forever(nil).I32Const(0) })
	list[len(list)-1].long, list[len(list)-1].burns = true, true
	do("a call tree of 2^44", overLimit, func(m *wt.Module, _ uint32) wt.Code {
		return wt.Code{}.Call((&ground{Module: m}).tree(44)).I32Const(0)
	})
	list[len(list)-1].burns = true
	return list
}
