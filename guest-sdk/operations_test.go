package guest_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// operands are the arguments of one call, in the order of each kind.
type operands struct {
	b [][]byte
	n []int64
}

func (o *operands) s(i int) string { return string(o.b[i]) }

// operation is one import of the module vivarium: its parameters, b for bytes and n for a number, and
// what it does. The signatures here are those that ABI.md documents.
type operation struct {
	name, params string
	do           func(o *operands) int64
}

// operations are all of them, on the host in memory.
func (g *instance) operations() []operation {
	h := g.host
	bytes := func(b []byte, err error) int64 { return g.give(b, true, err) }
	none := func(err error) int64 { return g.scalar(0, err) }
	return []operation{
		{"state_get", "", func(*operands) int64 { return g.give(h.StateGet()) }},
		{"state_set", "b", func(o *operands) int64 { return none(h.StateSet(o.b[0])) }},
		{"kv_get", "b", func(o *operands) int64 { return g.give(h.KVGet(o.s(0))) }},
		{"kv_put", "bb", func(o *operands) int64 { return none(h.KVPut(o.s(0), o.b[1])) }},
		{"kv_delete", "b", func(o *operands) int64 { return none(h.KVDelete(o.s(0))) }},
		{"kv_list", "bbbnn", func(o *operands) int64 { return bytes(h.KVList(o.s(0), o.s(1), o.s(2), o.n[0], o.n[1])) }},
		{"kv_delete_range", "bbnn", func(o *operands) int64 { return g.scalar(h.KVDeleteRange(o.s(0), o.s(1), o.n[0], o.n[1])) }},
		{"kv_get_batch", "b", func(o *operands) int64 { return bytes(h.KVGetBatch(o.b[0])) }},
		{"kv_put_batch", "b", func(o *operands) int64 { return none(h.KVPutBatch(o.b[0])) }},
		{"kv_delete_batch", "b", func(o *operands) int64 { return none(h.KVDeleteBatch(o.b[0])) }},
		{"broadcast", "bb", func(o *operands) int64 { return none(h.Broadcast(o.s(0), o.b[1])) }},
		{"self", "", func(*operands) int64 { return bytes(h.Self()) }},
		{"log", "nb", func(o *operands) int64 { return none(h.Log(o.n[0], o.s(0))) }},
		{"now", "", func(*operands) int64 { return g.scalar(h.Now()) }},
		{"random", "n", func(o *operands) int64 { return bytes(h.Random(o.n[0])) }},
		{"config", "b", func(o *operands) int64 { v, ok := h.Config(o.s(0)); return g.give([]byte(v), ok, nil) }},

		{"conn_list", "", func(*operands) int64 { return bytes(h.ConnList()) }},
		{"conn_get", "b", func(o *operands) int64 { return g.give(h.ConnGet(o.s(0))) }},
		{"conn_state_set", "bb", func(o *operands) int64 { return none(h.ConnStateSet(o.s(0), o.b[1])) }},
		{"conn_send", "bbb", func(o *operands) int64 { return none(h.ConnSend(o.s(0), o.s(1), o.b[2])) }},
		{"conn_disconnect", "bb", func(o *operands) int64 { return none(h.ConnDisconnect(o.s(0), o.s(1))) }},
		{"socket_send", "bbn", func(o *operands) int64 { return none(h.SocketSend(o.s(0), o.b[1], o.n[0])) }},
		{"socket_close", "bnb", func(o *operands) int64 { return none(h.SocketClose(o.s(0), o.n[0], o.s(1))) }},

		{"schedule_set", "bb", func(o *operands) int64 { return bytes(h.ScheduleSet(o.b[0], o.b[1])) }},
		{"schedule_cancel", "b", func(o *operands) int64 { return g.scalar(h.ScheduleCancel(o.s(0))) }},
		{"schedule_get", "b", func(o *operands) int64 { return g.give(h.ScheduleGet(o.s(0))) }},
		{"schedule_list", "", func(*operands) int64 { return bytes(h.ScheduleList()) }},
		{"schedule_runs", "b", func(o *operands) int64 { return bytes(h.ScheduleRuns(o.s(0))) }},
		{"task_fetch", "bbb", func(o *operands) int64 { return bytes(h.TaskFetch(o.b[0], o.b[1], o.b[2])) }},
		{"task_call", "bbbb", func(o *operands) int64 { return bytes(h.TaskCall(o.b[0], o.s(1), o.b[2], o.b[3])) }},
		{"task_timer", "nb", func(o *operands) int64 { return bytes(h.TaskTimer(o.n[0], o.b[0])) }},
		{"task_cancel", "b", func(o *operands) int64 { return g.scalar(h.TaskCancel(o.s(0))) }},
		{"fetch", "bb", func(o *operands) int64 { return bytes(h.Fetch(o.b[0], o.b[1])) }},

		{"call", "bbb", func(o *operands) int64 { return bytes(h.Call(o.b[0], o.s(1), o.b[2])) }},
		{"send", "bbb", func(o *operands) int64 { return none(h.Send(o.b[0], o.s(1), o.b[2])) }},
		{"queue_send", "bbb", func(o *operands) int64 { return none(h.QueueSend(o.b[0], o.s(1), o.b[2])) }},
		{"actor_create", "bb", func(o *operands) int64 { return bytes(h.ActorCreate(o.b[0], o.b[1])) }},
		{"actor_find", "b", func(o *operands) int64 { return g.give(h.ActorFind(o.b[0])) }},
		{"actor_destroy", "b", func(o *operands) int64 { return g.scalar(h.ActorDestroy(o.b[0])) }},
		{"child_usage", "b", func(o *operands) int64 { return g.give(h.ChildUsage(o.s(0))) }},
		{"module_upload", "bbb", func(o *operands) int64 { return bytes(h.ModuleUpload(o.s(0), o.b[1], o.b[2])) }},

		{"reply", "nb", func(o *operands) int64 { return none(h.Reply(o.n[0], o.b[0])) }},
		{"reply_head", "nb", func(o *operands) int64 { return none(h.ReplyHead(o.n[0], o.b[0])) }},
		{"reply_part", "nb", func(o *operands) int64 { return none(h.ReplyPart(o.n[0], o.b[0])) }},
		{"request_open", "n", func(o *operands) int64 { return g.scalar(h.RequestOpen(o.n[0])) }},
		{"sleep", "", func(*operands) int64 { return none(h.Sleep()) }},
		{"destroy", "", func(*operands) int64 { return none(h.Destroy()) }},
		{"gas_left", "", func(*operands) int64 { return g.scalar(h.GasLeft()) }},
		{"dead_list", "b", func(o *operands) int64 { return bytes(h.DeadList(o.s(0))) }},
		{"dead_retry", "b", func(o *operands) int64 { return g.scalar(h.DeadRetry(o.s(0))) }},
	}
}

// vivarium provides the module vivarium.
func (g *instance) vivarium(b wazero.HostModuleBuilder) {
	h := g.host
	type ctx = context.Context
	for name, f := range map[string]any{
		"input_len":   func(ctx) uint32 { return uint32(len(h.Input())) },
		"input_read":  func(_ ctx, p, n uint32) uint32 { return g.write(p, n, h.Input()) },
		"output":      func(_ ctx, p, n uint32) { h.Output(g.bytes(p, n)) },
		"result_len":  func(ctx) uint32 { return uint32(len(g.result)) },
		"result_read": func(_ ctx, p, n uint32) uint32 { return g.write(p, n, g.result) },
	} {
		b.NewFunctionBuilder().WithFunc(f).Export(name)
	}
	for _, op := range g.operations() {
		b.NewFunctionBuilder().WithGoFunction(g.function(&op), op.types(), []api.ValueType{api.ValueTypeI64}).Export(op.name)
	}
	if _, err := b.Instantiate(context.Background()); err != nil {
		g.t.Fatal(err)
	}
}

// types returns the parameters as WebAssembly has them: bytes are a pointer and a length.
func (op *operation) types() []api.ValueType {
	var types []api.ValueType
	for _, p := range op.params {
		if p == 'b' {
			types = append(types, api.ValueTypeI32, api.ValueTypeI32)
		} else {
			types = append(types, api.ValueTypeI64)
		}
	}
	return types
}

func (g *instance) function(op *operation) api.GoFunc {
	return func(_ context.Context, stack []uint64) {
		var o operands
		at := 0
		for _, p := range op.params {
			if p == 'b' {
				o.b = append(o.b, g.bytes(uint32(stack[at]), uint32(stack[at+1])))
				at += 2
			} else {
				o.n = append(o.n, int64(stack[at]))
				at++
			}
		}
		g.called[op.name] = true
		stack[0] = uint64(op.do(&o))
	}
}

// bytes reads guest memory.
func (g *instance) bytes(p, n uint32) []byte {
	b, ok := g.module.Memory().Read(p, n)
	if !ok {
		g.t.Fatalf("the guest passed [%d, +%d), outside its memory", p, n)
	}
	return append([]byte{}, b...)
}

func (g *instance) write(p, n uint32, b []byte) uint32 {
	b = b[:min(len(b), int(n))]
	if !g.module.Memory().Write(p, b) {
		g.t.Fatalf("the guest wants bytes at %d, outside its memory", p)
	}
	return uint32(len(b))
}

// give turns what an operation returned into the result convention.
func (g *instance) give(b []byte, ok bool, err error) int64 {
	if err != nil {
		return g.scalar(0, err)
	}
	if g.result = b; !ok {
		return abi.Absent
	}
	return int64(len(b))
}

func (g *instance) scalar(n int64, err error) int64 {
	if err == nil {
		return n
	}
	e := abi.AsError(err)
	g.result = []byte(e.PublicMessage())
	return -int64(e.Code)
}

// TestOperationsAreTheHosts holds the signatures of this package's tests, which guests link to, and
// the table in ABI.md to those of the host.
func TestOperationsAreTheHosts(t *testing.T) {
	doc, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	mine := map[string]string{}
	for _, op := range (&instance{}).operations() {
		mine[op.name] = op.params
	}
	for _, op := range hostfuncs.Operations() {
		params, row := "", "| `"+op.Name+"` |"
		for i, p := range op.Params {
			kind := "bytes"
			if params += "bn"[p.Kind : p.Kind+1]; p.Kind == hostfuncs.Number {
				kind = "i64"
			}
			if i > 0 {
				row += ","
			}
			row += " " + p.Name + " " + kind
		}
		if mine[op.Name] != params {
			t.Errorf("%s takes %q, here %q", op.Name, params, mine[op.Name])
		}
		if !strings.Contains(string(doc), row+" |") {
			t.Errorf("ABI.md lacks %q", row+" |")
		}
		delete(mine, op.Name)
	}
	if len(mine) > 0 {
		t.Errorf("the host lacks %v", mine)
	}
}
