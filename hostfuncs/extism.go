package hostfuncs

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// kernelFuncs are the functions of extism:host/env, with the semantics of Extism's own kernel:
// loads outside the arena give 0, stores outside are ignored. Moving bytes in and out of the arena
// is not counted as a host call; what reaches the actor is.
func kernelFuncs() []Func {
	fn := func(name string, params, results []api.ValueType, f func(c *Call, s []uint64)) Func {
		return Func{name, params, results, func(ctx context.Context, _ api.Module, s []uint64) {
			c := callOf(ctx)
			c.charge(priceKernel, 0)
			f(c, s)
		}}
	}
	var (
		none   []api.ValueType
		r32    = []api.ValueType{i32}
		r64    = []api.ValueType{i64}
		p64    = []api.ValueType{i64}
		p64x2  = []api.ValueType{i64, i64}
		p64p32 = []api.ValueType{i64, i32}
	)
	length := func(c *Call, s []uint64) { s[0] = c.kernel.length(s[0]) }
	fns := []Func{
		fn("alloc", p64, r64, func(c *Call, s []uint64) {
			c.charge(priceAlloc, int(min(s[0], abi.MaxHandleBytes)))
			s[0] = c.kernel.alloc(s[0])
		}),
		fn("free", p64, none, func(c *Call, s []uint64) { c.kernel.free(s[0]) }),
		fn("length", p64, r64, length),
		fn("length_unsafe", p64, r64, length),
		fn("load_u8", p64, r32, func(c *Call, s []uint64) { s[0] = c.kernel.load8(s[0]) }),
		fn("load_u64", p64, r64, func(c *Call, s []uint64) { s[0] = c.kernel.load64(s[0]) }),
		fn("store_u8", p64p32, none, func(c *Call, s []uint64) { c.kernel.store8(s[0], byte(s[1])) }),
		fn("store_u64", p64x2, none, func(c *Call, s []uint64) { c.kernel.store64(s[0], s[1]) }),
		fn("memory_bytes", none, r64, func(c *Call, s []uint64) { s[0] = uint64(len(c.kernel.mem)) }),

		fn("input_length", none, r64, func(c *Call, s []uint64) { s[0] = uint64(len(c.input)) }),
		fn("input_load_u8", p64, r32, func(c *Call, s []uint64) { s[0] = tail(c.input, s[0]) & 0xff }),
		fn("input_load_u64", p64, r64, func(c *Call, s []uint64) { s[0] = tail(c.input, s[0]) }),
		fn("input_offset", none, r64, func(c *Call, s []uint64) { s[0] = c.inputOffset() }),
		fn("output_set", p64x2, none, func(c *Call, s []uint64) { c.kernel.outOff, c.kernel.outLen = s[0], s[1] }),
		fn("output_offset", none, r64, func(c *Call, s []uint64) { s[0] = c.kernel.outOff }),
		fn("output_length", none, r64, func(c *Call, s []uint64) { s[0] = c.kernel.outLen }),
		fn("error_set", p64, none, func(c *Call, s []uint64) {
			c.charge(priceMove, int(min(c.kernel.length(s[0]), abi.MaxErrorText)))
			c.kernel.setError(s[0])
		}),
		fn("error_get", none, r64, func(c *Call, s []uint64) { s[0] = c.kernel.errOff }),

		fn("config_get", p64, r64, func(c *Call, s []uint64) {
			c.count(priceMove, int(c.kernel.length(s[0])))
			v, ok := c.actor.Config(string(c.kernel.bytes(s[0])))
			s[0] = c.handleOf([]byte(v), ok, nil)
		}),
		fn("var_get", p64, r64, func(c *Call, s []uint64) {
			c.count(priceVar, int(c.kernel.length(s[0])))
			s[0] = c.handleOf(c.actor.Var(c.kernel.bytes(s[0])))
		}),
		fn("var_set", p64x2, none, func(c *Call, s []uint64) {
			c.count(priceVar, int(c.kernel.length(s[0])+c.kernel.length(s[1])))
			if err := c.setVar(s[0], s[1]); err != nil {
				abort(err)
			}
		}),

		fn("http_request", p64x2, r64, func(c *Call, s []uint64) { s[0] = c.httpRequest(s[0], s[1]) }),
		fn("http_status_code", none, r32, func(c *Call, s []uint64) { s[0] = c.http.status }),
		fn("http_headers", none, r64, func(c *Call, s []uint64) { s[0] = c.httpHeaders() }),

		fn("get_log_level", none, r32, func(c *Call, s []uint64) { s[0] = uint64(LevelTrace) }),
	}
	for l := LevelTrace; l <= LevelError; l++ {
		fns = append(fns, fn("log_"+l.String(), p64, none, func(c *Call, s []uint64) {
			c.count(priceMove, int(c.kernel.length(s[0])))
			c.actor.Log(l, c.kernel.bytes(s[0]))
		}))
	}
	return fns
}

// inputOffset puts the input into the arena at the first call; the C PDK reads it from there.
func (c *Call) inputOffset() uint64 {
	if c.kernel.inOff == 0 && len(c.input) > 0 {
		c.charge(priceAlloc, len(c.input))
		c.kernel.inOff = c.kernel.put(c.input)
	}
	return c.kernel.inOff
}

// setVar sets or, with the value handle 0, deletes a var. Extism's var_set has no way to report a
// failure, so a refusal ends the turn.
func (c *Call) setVar(name, value uint64) error {
	if value == 0 {
		return c.actor.SetVar(c.kernel.bytes(name), nil)
	}
	v := c.kernel.bytes(value)
	if v == nil {
		v = []byte{}
	}
	return c.actor.SetVar(c.kernel.bytes(name), v)
}

// handleOf returns the handle of an optional value: 0 for none.
func (c *Call) handleOf(b []byte, ok bool, err error) uint64 {
	switch {
	case err != nil:
		abort(err)
	case !ok:
		return 0
	}
	c.charge(priceAlloc, len(b))
	return c.kernel.put(b)
}
