package hostfuncs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// TestMain lets the test binary be a compile worker.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	os.Exit(m.Run())
}

// errNoGas is what a meter without gas says.
var errNoGas = errors.New("no gas")

// ledger is an actor and a meter that write down, in order, what is charged and what is done.
type ledger struct {
	on            bool
	budget        int64
	before, after int64 // charged before and after the first call of the actor
	done          int   // calls of the actor
	result        []byte
	none          bool  // there is no result
	items         []int // that list operations come to, by their bytes
	looked        int   // items that were paid for
}

func (l *ledger) Charge(gas int64) error {
	if !l.on {
		return nil
	}
	if gas < 0 || l.before+l.after+gas > l.budget {
		return errNoGas
	}
	if l.done == 0 {
		l.before += gas
	} else {
		l.after += gas
	}
	return nil
}

func (l *ledger) do() { l.done++ }

// walk comes to the ledger's items.
func (l *ledger) walk(r hostfuncs.ListRequest) error {
	for _, n := range l.items {
		if err := r.Look(n); err != nil {
			return err
		}
		l.looked++
	}
	l.do()
	return nil
}

func (l *ledger) get() ([]byte, bool, error) { l.do(); return l.result, !l.none, nil }

func (l *ledger) State() ([]byte, bool, error)                         { return l.get() }
func (l *ledger) SetState([]byte) error                                { l.do(); return nil }
func (l *ledger) KVGet([]byte) ([]byte, bool, error)                   { return l.get() }
func (l *ledger) KVPut(_, _ []byte) error                              { l.do(); return nil }
func (l *ledger) KVDelete([]byte) error                                { l.do(); return nil }
func (l *ledger) KVList(r hostfuncs.ListRequest) ([]byte, error)       { return l.result, l.walk(r) }
func (l *ledger) KVDeleteRange(r hostfuncs.ListRequest) (int64, error) { return 7, l.walk(r) }
func (l *ledger) Var([]byte) ([]byte, bool, error)                     { return l.get() }
func (l *ledger) SetVar(_, _ []byte) error                             { l.do(); return nil }
func (l *ledger) Broadcast(string, []byte) error                       { l.do(); return nil }
func (l *ledger) Self() []byte                                         { l.do(); return l.result }
func (l *ledger) Config(string) (string, bool)                         { l.do(); return string(l.result), !l.none }
func (l *ledger) Log(hostfuncs.Level, []byte)                          { l.do() }
func (l *ledger) Now() time.Time                                       { l.do(); return time.Unix(1, 0) }
func (l *ledger) Random(p []byte)                                      { l.do(); clear(p) }

// priced is a call of a host function and what it must cost.
type priced struct {
	module, name, what string
	input              []byte   // of the turn
	result             []byte   // of the actor
	none               bool     // the actor has no result
	numbers            []number // arguments among the blocks
	blocks             []int    // sizes of the Extism blocks whose handles are arguments
	args               []uint64 // arguments after them
	before             int64    // gas before the actor is asked, or in all if it never is
	after              int64    // gas for the result
	actor              bool     // it asks the actor
	aborts             bool     // it ends the guest in any case
}

// number is an argument in front of the block with an index.
type number struct {
	at int
	n  uint64
}

func (p priced) String() string { return fmt.Sprint(p.module, ".", p.name, " ", p.what) }

// operationPrices are the prices that docs/sandbox.md promises: base, and for each byte.
var operationPrices = map[string][2]int64{
	"state_get": {2000, 1}, "state_set": {2000, 1},
	"kv_get": {10000, 1}, "kv_put": {3000, 1}, "kv_delete": {3000, 1}, "kv_list": {20000, 1}, "kv_delete_range": {20000, 1},
	"broadcast": {3000, 1}, "self": {1000, 1}, "log": {2000, 1}, "now": {200, 0}, "random": {1000, 4}, "config": {1000, 1},
	"kv_get_batch": {10000, 1}, "kv_put_batch": {3000, 1}, "kv_delete_batch": {3000, 1},
	"conn_list": {5000, 1}, "conn_get": {2000, 1}, "conn_state_set": {2000, 1}, "conn_send": {3000, 1}, "conn_disconnect": {2000, 1},
	"socket_send": {3000, 1}, "socket_close": {2000, 1},
	"schedule_set": {10000, 1}, "schedule_cancel": {5000, 1}, "schedule_get": {10000, 1}, "schedule_list": {20000, 1}, "schedule_runs": {20000, 1},
	"task_fetch": {20000, 1}, "task_call": {20000, 1}, "task_timer": {10000, 1}, "task_cancel": {5000, 1}, "fetch": {50000, 1},
	"call": {20000, 1}, "send": {10000, 1}, "queue_send": {10000, 1},
	"actor_create": {50000, 1}, "actor_find": {10000, 1}, "actor_destroy": {20000, 1}, "child_usage": {10000, 1}, "module_upload": {100000, 8},
	"reply": {3000, 1}, "reply_head": {3000, 1}, "reply_part": {3000, 1}, "request_open": {500, 0},
	"sleep": {1000, 0}, "destroy": {1000, 0}, "gas_left": {200, 0}, "dead_list": {20000, 1}, "dead_retry": {10000, 1},
}

// largest are the largest arguments by name.
var largest = map[string]int{
	"state": abi.MaxState, "key": abi.MaxKVKey, "value": abi.MaxKVValue, "lo": abi.MaxKVKey, "hi": abi.MaxKVKey, "cursor": abi.MaxKVKey,
	"event": abi.MaxEventName, "payload": abi.MaxOutbox, "text": abi.MaxLog, "name": abi.MaxKVKey,
	"conn": 64, "id": 64, "after": 64, "reason": abi.MaxReason, "action": abi.MaxEventName, "queue": abi.MaxEventName, "module": abi.MaxActorName,
	"data": abi.MaxSocketMessage, "schedule": abi.MaxArgs, "args": abi.MaxArgs, "request": 4096, "body": abi.MaxFetchBody, "context": abi.MaxTaskContext,
	"keys": 4096, "items": abi.MaxOutbox,
	"target": 4096, "spec": 4096, "input": abi.MaxInput, "wasm": 4 << 20, "options": 4096,
	"envelope": abi.MaxOutbox, "head": 4096, "part": abi.MaxResponsePart,
}

// refused are calls that are refused before the actor is asked: a name is missing, or a batch is none.
func refused(op hostfuncs.Operation, class string) bool {
	for _, p := range op.Params {
		if strings.HasSuffix(op.Name, "_batch") {
			return true
		}
		switch p.Name {
		case "event", "action", "queue", "module":
			if class == "empty" {
				return true
			}
		}
	}
	return false
}

// operationCalls are calls of an operation in both forms, with arguments and results that are empty, one
// byte and as large as can be.
func operationCalls(t *testing.T, op hostfuncs.Operation) (list []priced) {
	price, ok := operationPrices[op.Name]
	if !ok || price != [2]int64{op.Price.Base, op.Price.PerByte} {
		t.Errorf("%s has the price %v, want %v", op.Name, op.Price, price)
	}
	for _, class := range []string{"empty", "one", "most"} {
		pointer := priced{module: abi.ModuleVivarium, name: op.Name, what: class, before: price[0], actor: true}
		handle := pointer
		handle.module = abi.ModuleUser
		for _, p := range op.Params {
			if p.Kind == hostfuncs.Number {
				n := map[string]uint64{"n": 0, "level": 2, "code": 1000}[p.Name]
				if p.Name == "n" {
					n = map[string]uint64{"empty": 0, "one": 1, "most": hostfuncs.MaxRandom}[class]
					pointer.after, handle.after = price[1]*int64(n), price[1]*int64(n)
				}
				pointer.args = append(pointer.args, n)
				handle.numbers = append(handle.numbers, number{len(handle.blocks), n})
				continue
			}
			n, ok := map[string]int{"empty": 0, "one": 1, "most": largest[p.Name]}[class]
			if !ok || n == 0 && class == "most" {
				t.Fatalf("the test does not know how large %s of %s can be", p.Name, op.Name)
			}
			pointer.args = append(pointer.args, 8, uint64(n))
			handle.blocks = append(handle.blocks, n)
			pointer.before += price[1] * int64(n)
			handle.before += price[1] * int64(n)
		}
		if refused(op, class) {
			pointer.actor, handle.actor = false, false
		}
		list = append(list, pointer, handle)
		if op.Result != hostfuncs.BytesResult || op.Name == "random" || !pointer.actor {
			continue
		}
		for _, n := range []int{0, 1, abi.MaxState} {
			for _, p := range []priced{pointer, handle} {
				p.what += fmt.Sprint(", result of ", n)
				p.result = bytes.Repeat([]byte{1}, n)
				p.after = price[1] * int64(n)
				list = append(list, p)
			}
		}
		none := pointer
		none.what, none.none = none.what+", no result", true
		list = append(list, none)
	}
	return list
}

// otherCalls are calls of all functions that are no operation.
func otherCalls() (list []priced) {
	add := func(module, name, what string, before int64, change func(*priced)) {
		p := priced{module: module, name: name, what: what, before: before}
		if change != nil {
			change(&p)
		}
		list = append(list, p)
	}
	const (
		look, move, vars = 300, 500, 10_000
		env, viv         = abi.ModuleExtism, abi.ModuleVivarium
	)
	args := func(a ...uint64) func(*priced) { return func(p *priced) { p.args = a } }
	for _, name := range []string{"memory_bytes", "input_length", "output_offset", "output_length", "error_get", "http_status_code", "http_headers", "get_log_level"} {
		add(env, name, "", look, args(0))
	}
	for _, name := range []string{"free", "length", "length_unsafe", "load_u8", "load_u64", "input_load_u8", "input_load_u64"} {
		for _, off := range []uint64{0, 8, 1 << 40, ^uint64(0)} {
			add(env, name, fmt.Sprint(off), look, args(off))
		}
	}
	for _, name := range []string{"store_u8", "store_u64", "output_set"} {
		for _, off := range []uint64{0, 8, ^uint64(0)} {
			add(env, name, fmt.Sprint(off), look, args(off, 1<<30))
		}
	}
	add(env, "http_request", "", look+50_000, func(p *priced) { p.args, p.aborts = []uint64{0, 0}, true })
	for _, n := range []int{0, 1, abi.MaxHandleBytes - 8} {
		add(env, "alloc", fmt.Sprint(n), look+move+int64(n), args(uint64(n)))
	}
	for _, n := range []uint64{abi.MaxHandleBytes + 1, 1 << 40, ^uint64(0)} {
		add(env, "alloc", fmt.Sprint(n), look+move+abi.MaxHandleBytes, func(p *priced) { p.args, p.aborts = []uint64{n}, true })
	}
	for _, n := range []int{0, 1, abi.MaxInput} {
		in := bytes.Repeat([]byte{1}, n)
		cost := int64(0)
		if n > 0 {
			cost = move + int64(n)
		}
		add(env, "input_offset", fmt.Sprint(n), look+cost, func(p *priced) { p.input, p.args = in, []uint64{0} })
		add(viv, "input_len", fmt.Sprint(n), look, func(p *priced) { p.input, p.args = in, []uint64{0} })
		add(viv, "input_read", fmt.Sprint(n), move+int64(n), func(p *priced) { p.input, p.args = in, []uint64{8, abi.MaxInput} })
		add(viv, "input_read", fmt.Sprint(n, " by ones"), move+int64(min(n, 1)), func(p *priced) { p.input, p.args = in, []uint64{8, 1} })
		add(viv, "output", fmt.Sprint(n), move+int64(n), args(8, uint64(n)))
	}
	add(viv, "output", "too large", move+1<<32-1, func(p *priced) { p.args, p.aborts = []uint64{8, 1<<32 - 1}, true })
	add(viv, "result_len", "", look, args(0))
	add(viv, "result_read", "nothing", move, args(8, 100))
	add(abi.ModuleUser, "error_message", "nothing", move, args(0))
	for _, n := range []int{0, 1, abi.MaxErrorText, 1 << 20} {
		add(env, "error_set", fmt.Sprint(n), look+move+int64(min(n, abi.MaxErrorText)), func(p *priced) { p.blocks = []int{n} })
	}
	for _, n := range []int{0, 1, abi.MaxLog} {
		for l := hostfuncs.LevelTrace; l <= hostfuncs.LevelError; l++ {
			add(env, "log_"+l.String(), fmt.Sprint(n), look+move+int64(n), func(p *priced) { p.blocks, p.actor = []int{n}, true })
		}
	}
	for _, n := range []int{0, 1, abi.MaxKVKey} {
		for _, m := range []int{-1, 0, 1, abi.MaxVars} {
			result := func(p *priced) {
				p.blocks, p.actor, p.none = []int{n}, true, m < 0
				if m >= 0 {
					p.result, p.after = bytes.Repeat([]byte{1}, m), move+int64(m)
				}
			}
			add(env, "config_get", fmt.Sprint(n, " for ", m), look+move+int64(n), result)
			add(env, "var_get", fmt.Sprint(n, " for ", m), look+vars+int64(n), result)
			add(env, "var_set", fmt.Sprint(n, " to ", m), look+vars+int64(n+max(m, 0)), func(p *priced) { p.blocks, p.actor = []int{n, max(m, 0)}, true })
		}
	}
	return list
}

// Each host function, by arguments that are empty, one byte and as large as can be, charges exactly its
// price; it charges for its arguments before it asks the actor, and for the result before it hands it
// over. Without the gas it does nothing.
func TestPrices(t *testing.T) {
	calls := otherCalls()
	for _, op := range hostfuncs.Operations() {
		calls = append(calls, operationCalls(t, op)...)
	}
	inGuest(t, func(m api.Module) {
		funcs, seen := map[string]hostfuncs.Func{}, map[string]bool{}
		for _, mod := range hostfuncs.Modules() {
			for _, f := range mod.Funcs {
				funcs[mod.Name+"."+f.Name] = f
			}
		}
		for _, p := range calls {
			name := p.module + "." + p.name
			f, ok := funcs[name]
			if !ok {
				t.Errorf("there is no %s", name)
				continue
			}
			seen[name] = true
			p.run(t, m, funcs, f)
		}
		for name := range funcs {
			if !seen[name] {
				t.Errorf("%s has no test of its price", name)
			}
		}
	})
}

// run makes the call with all the gas that it takes, and with one less for each of its payments.
func (p priced) run(t *testing.T, m api.Module, funcs map[string]hostfuncs.Func, f hostfuncs.Func) {
	t.Helper()
	l, _, err := p.call(m, funcs, f, p.before+p.after)
	if (err != nil) != p.aborts || errors.Is(err, errNoGas) {
		t.Errorf("%v: %v", p, err)
	}
	before, after := l.before, l.after
	if !p.actor { // nothing to be before or after
		before, after = l.before+l.after, 0
	}
	if before != p.before || after != p.after || (l.done > 0) != p.actor {
		t.Errorf("%v: charges %d and then %d, asks the actor %d times, want %d and %d", p, before, after, l.done, p.before, p.after)
	}
	l, _, err = p.call(m, funcs, f, p.before-1)
	if !errors.Is(err, errNoGas) || l.done > 0 {
		t.Errorf("%v, with too little gas: %v, asks the actor %d times", p, err, l.done)
	}
	if b, _ := m.Memory().ReadByte(8); b != 0 {
		t.Errorf("%v, with too little gas, has written to the guest", p)
	}
	if p.after == 0 {
		return
	}
	if _, changed, err := p.call(m, funcs, f, p.before+p.after-1); !errors.Is(err, errNoGas) || changed {
		t.Errorf("%v, with too little gas for the result: %v, handed over: %v", p, err, changed)
	}
}

// call makes the call with some gas, and a guest's memory of zeros at 8. changed says whether the guest got
// a result.
func (p priced) call(m api.Module, funcs map[string]hostfuncs.Func, f hostfuncs.Func, gas int64) (l *ledger, changed bool, err error) {
	m.Memory().WriteByte(8, 0)
	l = &ledger{budget: gas, result: p.result, none: p.none}
	c := hostfuncs.NewCall(context.Background(), l, &hostfuncs.Kernel{}, l, p.input)
	var stack []uint64
	numbers := p.numbers
	for i, n := range append(slices.Clone(p.blocks), -1) {
		for len(numbers) > 0 && numbers[0].at == i {
			stack, numbers = append(stack, numbers[0].n), numbers[1:]
		}
		if n < 0 {
			break
		}
		h := []uint64{uint64(n)}
		funcs[abi.ModuleExtism+".alloc"].Call(c, m, h)
		stack = append(stack, h[0])
	}
	stack = append(stack, p.args...)
	if len(stack) == 0 {
		stack = make([]uint64, 1)
	}
	l.on = true
	asked := slices.Clone(stack)
	defer func() {
		changed = !slices.Equal(stack, asked)
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	f.Call(c, m, stack)
	return l, false, nil
}

// Operations that walk over items pay for each before it is used, whatever they answer; the first that cannot
// be paid for ends the guest, which gets no answer.
func TestPriceOfItems(t *testing.T) {
	items := []int{0, 7, 8, 1 << 20, 100}
	const cost = 5*2000 + 0 + 0 + 1 + 1<<17 + 12
	inGuest(t, func(m api.Module) {
		funcs := map[string]hostfuncs.Func{}
		for _, mod := range hostfuncs.Modules() {
			for _, f := range mod.Funcs {
				funcs[mod.Name+"."+f.Name] = f
			}
		}
		for name, stack := range map[string][]uint64{
			"vivarium.kv_list": {8, 0, 8, 0, 8, 0, 0, 0}, "extism:host/user.kv_list": {0, 0, 0, 0, 0},
			"vivarium.kv_delete_range": {8, 0, 8, 0, 0, 0}, "extism:host/user.kv_delete_range": {0, 0, 0, 0},
		} {
			for paid, gas := range map[int]int64{5: 20_000 + cost, 4: 20_000 + cost - 1, 1: 20_000 + 2*2000 - 1, 0: 20_000} {
				l := &ledger{on: true, budget: gas, items: items}
				c := hostfuncs.NewCall(context.Background(), l, &hostfuncs.Kernel{}, l, nil)
				err := caught(func() { funcs[name].Call(c, m, slices.Clone(stack)) })
				if l.looked != paid || errors.Is(err, errNoGas) != (paid < 5) {
					t.Errorf("%s with %d gas looks at %d items, want %d; %v", name, gas, l.looked, paid, err)
				}
				if paid == 5 && l.before != gas {
					t.Errorf("%s takes %d gas, want %d", name, l.before, gas)
				}
			}
		}
	})
}

// caught returns what f panics with.
func caught(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	f()
	return nil
}

// The last result, and the message of the last failure, cost their bytes each time they are read.
func TestPriceOfResults(t *testing.T) {
	inGuest(t, func(m api.Module) {
		funcs := map[string]hostfuncs.Func{}
		for _, mod := range hostfuncs.Modules() {
			for _, f := range mod.Funcs {
				funcs[mod.Name+"."+f.Name] = f
			}
		}
		for _, n := range []int{0, 1, abi.MaxState} {
			l := &ledger{budget: 1 << 40, result: bytes.Repeat([]byte{1}, n)}
			c := hostfuncs.NewCall(context.Background(), l, &hostfuncs.Kernel{}, l, nil)
			cost := func(name string, args ...uint64) int64 {
				l.before, l.after, l.on = 0, 0, true
				funcs[name].Call(c, m, append(args, 0))
				l.on = false
				return l.before + l.after
			}
			cost(abi.ModuleVivarium + ".state_get")
			for range 2 {
				if got := cost(abi.ModuleVivarium+".result_read", 8, 1<<32-1); got != 500+int64(n) {
					t.Errorf("reading a result of %d bytes costs %d", n, got)
				}
			}
			cost(abi.ModuleVivarium+".log", 9, 8, 0) // no such level
			if got := cost(abi.ModuleUser + ".error_message"); got != 500+int64(len("a log level is 0 to 4")) {
				t.Errorf("a message costs %d", got)
			}
		}
	})
}

// inGuest runs f while a guest with 32 MiB of memory runs, with its module.
func inGuest(t *testing.T, f func(api.Module)) {
	t.Helper()
	var mod wasmtest.Module
	probe := mod.ImportFunc("probe", "run", nil, nil)
	mod.Memory = wasmtest.Limits(512)
	mod.Export("go", 0, mod.Func(nil, wasmtest.T(wasmtest.I32), nil, wasmtest.Code{}.Call(probe).I32Const(0)))
	wasm := mod.Encode()
	ctx := context.Background()
	s, err := sandbox.Open(ctx, sandbox.Config{
		Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler),
		Modules: []sandbox.HostModule{{Name: "probe", Funcs: []sandbox.HostFunc{{Name: "run", Call: func(_ context.Context, m api.Module, _ []uint64) { f(m) }}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := s.Acquire(ctx, sandbox.Source{
		Class: "test", Digest: sha256.Sum256(wasm),
		Load:  func() ([]byte, error) { return wasm, nil },
		Start: func(ctx context.Context) (context.Context, sandbox.Env) { return ctx, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	i, err := v.NewInstance(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if _, err := i.Call(ctx, "go"); err != nil {
		t.Error(err)
	}
}
