package actors_test

import (
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// walker is a guest whose action "fill" puts 8,000 items, in keys of 4 bytes, and whose others walk over all
// of them, without end.
func walker() []byte {
	var m wasmtest.Module
	i32, i64 := wasmtest.T(wasmtest.I32), wasmtest.T(wasmtest.I64)
	const p, n = wasmtest.I32, wasmtest.I64
	put := m.ImportFunc(abi.ModuleVivarium, "kv_put", wasmtest.T(p, p, p, p), i64)
	list := m.ImportFunc(abi.ModuleVivarium, "kv_list", wasmtest.T(p, p, p, p, p, p, n, n), i64)
	remove := m.ImportFunc(abi.ModuleVivarium, "kv_delete_range", wasmtest.T(p, p, p, p, n, n), i64)
	m.Memory = wasmtest.Limits(1)
	action := func(name string, body wasmtest.Code) {
		m.Export(name, 0, m.Func(nil, i32, i32, body.I32Const(0)))
	}
	forever := func(body wasmtest.Code) wasmtest.Code {
		return wasmtest.Code{}.Loop(wasmtest.Empty).Then(body).Op(wasmtest.Drop).Br(0).Op(wasmtest.End)
	}
	var c wasmtest.Code
	action("fill", c.I32Const(8000).LocalSet(0).Loop(wasmtest.Empty).
		I32Const(8).LocalGet(0).I32Store(0).
		I32Const(8).I32Const(4).I32Const(8).I32Const(4).Call(put).Op(wasmtest.Drop).
		LocalGet(0).I32Const(1).Op(wasmtest.I32Sub).LocalTee(0).BrIf(0).Op(wasmtest.End))
	all := c.I32Const(0).I32Const(0).I32Const(0).I32Const(0)
	action("deleted", c.Then(all).I64Const(0).I64Const(0).Call(remove).Op(wasmtest.Drop).Then(forever(c.Then(all).I32Const(0).I32Const(0).I64Const(1).I64Const(0).Call(list))))
	action("listed", forever(c.Then(all).I32Const(0).I32Const(0).I64Const(0).I64Const(int64(abi.ListKeys)).Call(list)))
	return m.Encode()
}

// A walk over items is paid for by the item, whether the guest gets it or has deleted it: such a guest runs out of
// gas long before the host calls that a turn may make.
func TestWalksArePaidFor(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "walker", Live: true}, walker())
	id := s.Actor(tenants.Default, "walker")
	s.MustCall(id, nil, "fill")
	for _, action := range []string{"listed", "deleted"} {
		if _, err := s.Call(id, action); abi.CodeOf(err) != abi.CodeGasExhausted {
			t.Errorf("%s: %v, want the end of its gas", action, err)
		}
	}
}
