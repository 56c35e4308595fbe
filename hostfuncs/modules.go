package hostfuncs

import (
	"context"
	"reflect"

	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Module is an import module for guests.
type Module struct {
	Name  string
	Funcs []Func
}

// Func is one function of an import module.
type Func struct {
	Name            string
	Params, Results []api.ValueType
	Call            api.GoModuleFunc
}

// Prices of what moves bytes and is no operation of its own.
var (
	priceMove   = Price{500, 1} // between guest and host, at once
	priceKernel = Price{300, 0} // one look or word in Extism's memory
	priceAlloc  = Price{500, 1} // of Extism memory
	priceVar    = Price{10_000, 1}
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// Modules returns all import modules. They hold no state: it is in the Call.
func Modules() []Module {
	return []Module{
		{abi.ModuleExtism, kernelFuncs()},
		{abi.ModuleUser, handleFuncs()},
		{abi.ModuleVivarium, pointerFuncs()},
	}
}

// pointerFuncs are the operations by (pointer, length) in the guest's memory, and what moves the
// turn's input, output and results.
func pointerFuncs() []Func {
	fns := []Func{
		{"input_len", nil, []api.ValueType{i32}, func(ctx context.Context, _ api.Module, s []uint64) {
			c := callOf(ctx)
			c.charge(priceKernel, 0)
			s[0] = uint64(uint32(len(c.input)))
		}},
		{"input_read", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(ctx context.Context, m api.Module, s []uint64) {
			s[0] = write(m, s, callOf(ctx), callOf(ctx).input)
		}},
		{"output", []api.ValueType{i32, i32}, nil, func(ctx context.Context, m api.Module, s []uint64) {
			c := callOf(ctx)
			c.count(priceMove, int(uint32(s[1])))
			if uint32(s[1]) > abi.MaxOutbox {
				abort(abi.Errorf(abi.CodeOutputTooLarge, "the turn's answer is larger than %d bytes", abi.MaxOutbox))
			}
			c.output = append(c.output[:0], view(m, "output", uint32(s[0]), uint32(s[1]))...)
		}},
		{"result_len", nil, []api.ValueType{i32}, func(ctx context.Context, _ api.Module, s []uint64) {
			c := callOf(ctx)
			c.charge(priceKernel, 0)
			s[0] = uint64(uint32(len(c.result)))
		}},
		{"result_read", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(ctx context.Context, m api.Module, s []uint64) {
			s[0] = write(m, s, callOf(ctx), callOf(ctx).result)
		}},
	}
	for i := range operations {
		fns = append(fns, pointerFunc(&operations[i]))
	}
	return fns
}

func pointerFunc(op *Operation) Func {
	var params []api.ValueType
	for _, p := range op.Params {
		if p.Kind == Bytes {
			params = append(params, i32, i32)
		} else {
			params = append(params, i64)
		}
	}
	return Func{op.Name, params, []api.ValueType{i64}, func(ctx context.Context, m api.Module, s []uint64) {
		c := callOf(ctx)
		var a args
		b, n, at := 0, 0, 0
		for _, p := range op.Params {
			if p.Kind == Bytes {
				a.b[b] = view(m, op.Name, uint32(s[at]), uint32(s[at+1]))
				b, at = b+1, at+2
			} else {
				a.n[n] = int64(s[at])
				n, at = n+1, at+1
			}
		}
		s[0] = uint64(c.pointerAnswer(op, &a))
	}}
}

// pointerAnswer runs op and returns its number in the pointer form.
func (c *Call) pointerAnswer(op *Operation, a *args) int64 {
	ans, code := c.run(op, a)
	switch {
	case code != 0:
		return code
	case op.Result == NumberResult:
		return ans.number
	case op.Result == NoResult:
		return 0
	case ans.none:
		return abi.Absent
	}
	c.result = ans.bytes
	return int64(len(ans.bytes))
}

// handleFuncs are the operations by Extism handles.
func handleFuncs() []Func {
	fns := []Func{{"error_message", nil, []api.ValueType{i64}, func(ctx context.Context, _ api.Module, s []uint64) {
		c := callOf(ctx)
		c.charge(priceAlloc, len(c.result))
		s[0] = c.kernel.put(c.result)
	}}}
	for i := range operations {
		fns = append(fns, handleFunc(&operations[i]))
	}
	return fns
}

func handleFunc(op *Operation) Func {
	params := make([]api.ValueType, len(op.Params))
	for i := range params {
		params[i] = i64
	}
	return Func{op.Name, params, []api.ValueType{i64}, func(ctx context.Context, _ api.Module, s []uint64) {
		c := callOf(ctx)
		var a args
		b, n := 0, 0
		for i, p := range op.Params {
			if p.Kind == Bytes {
				a.b[b] = c.kernel.bytes(s[i])
				b++
			} else {
				a.n[n] = int64(s[i])
				n++
			}
		}
		ans, code := c.run(op, &a)
		switch {
		case code != 0:
			s[0] = uint64(code)
		case op.Result == NumberResult:
			s[0] = uint64(ans.number)
		case op.Result == NoResult || ans.none:
			s[0] = 0
		default:
			s[0] = c.kernel.put(ans.bytes)
		}
	}}
}

// view returns n bytes of the guest's memory at ptr, valid until the guest runs again.
func view(m api.Module, what string, ptr, n uint32) []byte {
	mem := m.Memory()
	if mem == nil || reflect.ValueOf(mem).IsNil() { // what the engine gives for a guest without a memory
		badPointer(what, uint64(ptr), uint64(n))
	}
	b, ok := mem.Read(ptr, n)
	if !ok {
		badPointer(what, uint64(ptr), uint64(n))
	}
	return b
}

// write copies as much of b as fits to the guest's (pointer, capacity) in s and returns how much.
func write(m api.Module, s []uint64, c *Call, b []byte) uint64 {
	n := min(uint32(s[1]), uint32(len(b)))
	c.charge(priceMove, int(n))
	copy(view(m, "read", uint32(s[0]), n), b)
	return uint64(n)
}
