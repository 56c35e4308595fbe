package guest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/guest-sdk/internal/memhost"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// instance is a compiled guest on a host in memory: the smallest host that the contract allows.
type instance struct {
	t      testing.TB
	host   *memhost.Host
	module api.Module
	calls  map[string]api.Function // the exports, by name
	stderr strings.Builder

	result []byte          // of the last operation
	called map[string]bool // the operations that were called
	kernel kernel
}

// start builds the guest in dir and instantiates it.
func start(t testing.TB, dir string) *instance {
	t.Helper()
	wasm, err := guestbuild.Build(t.Context(), guestbuild.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	g := instantiate(t, wasm, "_initialize")
	for _, name := range []string{abi.ExportManifest, abi.ExportTurn} {
		if g.module.ExportedFunction(name) == nil {
			t.Fatalf("the guest does not export %s", name)
		}
	}
	return g
}

// compiled spares tests that use the same guest its compilation.
var compiled = wazero.NewCompilationCache()

func instantiate(t testing.TB, wasm []byte, startFunctions ...string) *instance {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled))
	t.Cleanup(func() { _ = r.Close(ctx) })
	g := &instance{t: t, calls: map[string]api.Function{}, called: map[string]bool{}, host: memhost.New(abi.Self{ID: "id", Key: []string{"k"}})}
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	g.vivarium(r.NewHostModuleBuilder(abi.ModuleVivarium))
	g.kernel.host = g.host
	if _, err := g.kernel.functions(r.NewHostModuleBuilder(abi.ModuleExtism)).Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	c := wazero.NewModuleConfig().WithStartFunctions(startFunctions...).WithStdout(&g.stderr).WithStderr(&g.stderr)
	var err error
	if g.module, err = r.InstantiateWithConfig(ctx, wasm, c); err != nil {
		t.Fatal(err)
	}
	return g
}

// export calls an export of type () -> i32 and returns an error if it traps.
func (g *instance) export(name string) error {
	f := g.calls[name]
	if f == nil {
		f = g.module.ExportedFunction(name)
		g.calls[name] = f
	}
	out, err := f.Call(context.Background())
	if err == nil && out[0] != 0 {
		err = fmt.Errorf("%s returned %d", name, out[0])
	}
	return err
}

// turn runs one turn, which must not trap.
func (g *instance) turn(t *abi.Turn) abi.Reply {
	g.t.Helper()
	r, err := g.host.Run(t, func() error { return g.export(abi.ExportTurn) })
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", t.Name, err, g.stderr.String())
	}
	return r
}

func (g *instance) action(actor, name, args string) abi.Reply {
	g.t.Helper()
	return g.turn(&abi.Turn{Kind: abi.KindAction, Actor: actor, Name: name, Args: []byte(args), Caller: "ann"})
}

func TestCompiledCounter(t *testing.T) {
	g := start(t, "../examples/wasm/counter")
	if err := g.export(abi.ExportManifest); err != nil {
		t.Fatal(err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(g.host.LastOutput(), &m); err != nil || len(m.Actors["counter"].Actions) != 4 {
		t.Errorf("manifest %s, error %v", g.host.LastOutput(), err)
	}
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "counter", Args: []byte(`{"start":40}`)})
	if r := g.action("counter", "increment", "[2]"); string(r.Result) != "42" {
		t.Errorf("increment: status %d %s, result %s", r.Status, r.Message, r.Result)
	}
	if len(g.host.Events) != 1 || string(g.host.Events[0].Payload) != "[42]" || string(g.host.State) != `{"count":42}` {
		t.Errorf("events %v, state %s", g.host.Events, g.host.State)
	}
	if r := g.action("counter", "fail", ""); r.Status != abi.StatusUser || r.Name != "refused" || string(r.Metadata) != `{"count":-1}` {
		t.Errorf("fail: %+v", r)
	}
	if r := g.action("counter", "get", "[]"); string(r.Result) != "42" || len(g.host.KV) != 0 {
		t.Errorf("after fail: %s, KV %q", r.Result, g.host.KV)
	}
	if r := g.action("counter", "nop", "[]"); r.Status != abi.StatusOK || len(r.Result) != 0 {
		t.Errorf("nop: %+v", r)
	}
}

// TestCompiledOperations calls each operation once through the real imports.
func TestCompiledOperations(t *testing.T) {
	g := start(t, "testguests/hostile")
	g.host.Settings = map[string]string{"region": "ümlaut"}
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "hostile", Args: []byte(`{"mark":"new"}`)})
	ms := g.host.Time.UnixMilli()
	tests := []struct {
		action, args string
		want         string // the result, or part of the message
		status       abi.Status
		code         abi.Code
	}{
		{action: "peek", want: `{"state":"new","kv":"new"}`},
		{action: "writeUser", args: `["x"]`, status: abi.StatusUser, want: "hostile refuses"},
		{action: "writeHidden", args: `["x"]`, status: abi.StatusHidden, want: "the secret is 42"},
		{action: "writeDelta", args: `["x",9,1000000]`, status: abi.StatusHost, code: abi.CodeDeltaTooLarge},
		{action: "writeEvents", args: `["x",1001,1]`, status: abi.StatusHost, code: abi.CodeTooManyEvents},
		{action: "writeState", args: `["x",5000000]`, status: abi.StatusHost, code: abi.CodeStateTooLarge},
		{action: "peek", want: `{"state":"new","kv":"new"}`},
		{action: "write", args: `["second"]`},
		{action: "peek", want: `{"state":"second","kv":"second"}`},
		{action: "fill", args: `["k/",1200,3]`},
		{action: "list", args: `[{"Prefix":"k/","Reverse":true,"Limit":2}]`, want: `[{"key":"k/001199","value":"xxx"},{"key":"k/001198","value":"xxx"}]`},
		{action: "list", args: `[{"Lo":"k/001199"}]`, want: `[{"key":"k/001199","value":"xxx"},{"key":"mark","value":"second"}]`},
		{action: "deleteRange", args: `[{"Prefix":"k/"}]`, want: `1200`},
		{action: "deleteRange", args: `[{"Prefix":"k/","Limit":-1}]`, status: abi.StatusHost, code: abi.CodeInvalidArgument, want: "negative limit"},
		{action: "put", args: `["e",""]`},
		{action: "get", args: `["e"]`, want: `""`},
		{action: "delete", args: `["e"]`},
		{action: "get", args: `["e"]`, want: `null`},
		{action: "get", args: `[""]`, status: abi.StatusHost, code: abi.CodeInvalidArgument, want: "empty KV key"},
		{action: "broadcast", args: `["note",[1,"zwei"]]`},
		{action: "config", args: `["region"]`, want: `"ümlaut"`},
		{action: "config", args: `["none"]`, want: `null`},
		{action: "caller", want: `"ann"`},
		{action: "self", want: `{"id":"id","namespace":"","name":"","key":["k"],"module":"","version":0,"region":""}`},
		{action: "setVar", args: `["v","one"]`},
		{action: "getVar", args: `["v"]`, want: `"one"`},
		{action: "random", args: `[0]`, want: `""`},
		{action: "echo", args: `[{"b":[1,null,"ß"]}]`, want: `{"b":[1,null,"ß"]}`},
		{action: "log", args: `[2,3]`},
		{action: "recurse", args: `[10000]`, want: `10000`},
		{action: "alloc", args: `[8000000]`},
	}
	for _, tt := range tests {
		r := g.action("hostile", tt.action, tt.args)
		got := string(r.Result)
		if tt.status != abi.StatusOK {
			got = r.Message
		}
		if r.Status != tt.status || r.Code != tt.code || (tt.want != got && (tt.status == abi.StatusOK || !strings.Contains(got, tt.want))) {
			t.Errorf("%s%s: status %d, code %d, %.200s, want %d, %d, %.200s", tt.action, tt.args, r.Status, r.Code, got, tt.status, tt.code, tt.want)
		}
	}
	if r := g.action("hostile", "now", ""); !strings.HasPrefix(string(r.Result), fmt.Sprintf("[%d,", ms)) {
		t.Errorf("now = %s, want %d first", r.Result, ms)
	}
	if n := len(g.host.Lines); n != 2 || g.host.Lines[1].Text != "1 xxx" {
		t.Errorf("log %v", g.host.Lines)
	}
	if e := g.host.Events; len(e) != 1 || e[0].Name != "note" || string(e[0].Payload) != `[1,"zwei"]` {
		t.Errorf("events %v", e)
	}
	if r := g.action("bystander", "key", ""); string(r.Result) != `["k"]` {
		t.Errorf("the other actor: %+v", r)
	}
}

// TestPanicTraps sees that a panic ends the instance and leaves its story on standard error.
func TestPanicTraps(t *testing.T) {
	for action, want := range map[string]string{
		"writePanic": "hostile: on purpose",
		"writeNil":   "nil pointer dereference",
		"deadlock":   "deadlock",
	} {
		t.Run(action, func(t *testing.T) {
			g := start(t, "testguests/hostile")
			args := `["x"]`
			if action == "deadlock" {
				args = `[]`
			}
			turn := &abi.Turn{Kind: abi.KindAction, Actor: "hostile", Name: action, Args: []byte(args)}
			if _, err := g.host.Run(turn, func() error { return g.export(abi.ExportTurn) }); err == nil {
				t.Fatal("the guest survived")
			}
			for _, want := range []string{want, "testguests/hostile/main.go"} {
				if !strings.Contains(g.stderr.String(), want) {
					t.Errorf("standard error lacks %q:\n%s", want, g.stderr.String())
				}
			}
		})
	}
}

// BenchmarkTurn is one turn without a real host's costs.
func BenchmarkTurn(b *testing.B) {
	g := start(b, "../examples/wasm/counter")
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "counter"})
	for _, t := range []abi.Turn{
		{Kind: abi.KindAction, Actor: "counter", Name: "nop"},
		{Kind: abi.KindAction, Actor: "counter", Name: "get"},
		{Kind: abi.KindAction, Actor: "counter", Name: "increment", Args: []byte("[1]")},
	} {
		b.Run(t.Name, func(b *testing.B) {
			for b.Loop() {
				g.host.Events = nil
				g.turn(&t)
			}
		})
	}
}
