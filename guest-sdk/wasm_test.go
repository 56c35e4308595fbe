package guest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
	for _, op := range usedByHostile {
		if !g.called[op] && op != "config" {
			t.Errorf("nothing calls %s", op)
		}
	}
}

// TestCompiledEverything calls the other operations through the real imports, and gives a compiled
// guest each kind of turn.
func TestCompiledEverything(t *testing.T) {
	g := start(t, "testguests/full")
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "full"})
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "guarded", Reload: true})
	g.world()
	conn := `{"id":"c","kind":"events","params":{"name":"ann"},"subject":"ann"}`
	tests := []struct {
		turn abi.Turn
		want string // the result, or a part of the error, or of the journal
		open bool
	}{
		{turn: call("note", `["a"]`), want: `null`},
		{turn: abi.Turn{Name: "note", Args: []byte(`["b"]`), Head: []byte(`{"id":"s","kind":"cron","run":2}`)}, want: `{"id":"s","kind":"cron","due":0,"run":2}`},
		{turn: call("putBatch", `[["k/1","k/2"]]`)},
		{turn: call("deleteBatch", `[["k/2"]]`)},
		{turn: call("getBatch", `[["k/1","k/2"]]`), want: `1`},
		{turn: call("putBatch", `[["k/3",""]]`), want: "empty KV key"},
		{turn: abi.Turn{Name: "me", Args: []byte(`[]`), Conn: []byte(conn)}, want: `"c"`},
		{turn: call("setConnState", `["c",{"n":1}]`)},
		{turn: call("sendTo", `["c","hey"]`)},
		{turn: call("conn", `["c"]`), want: `{"ID":"c","Kind":"events","Subject":"ann","Params":null,"State":{"n":1},"Events":["note"]}`},
		{turn: call("conn", `["none"]`), want: `null`},
		{turn: call("sendText", `["s","raw"]`)},
		{turn: call("sendText", `["c","raw"]`), want: "connection c is of kind events"},
		{turn: call("closeSocket", `["s",4000]`)},
		{turn: call("disconnect", `["c","out"]`)},
		{turn: call("conns", `[]`), want: `[{"ID":"c",`},

		{turn: call("after", `[1000,"note",["later"]]`), want: `"schedule-`},
		{turn: call("at", `[1,"note",["past"]]`), want: `"schedule-`},
		{turn: call("every", `["e",5000,"note",["tick"]]`)},
		{turn: call("cron", `["c","TZ=Europe/Berlin 0 9 * * *","note",["morning"]]`)},
		{turn: call("cron", `["c","0 9 * *","note",[]]`), want: "five fields"},
		{turn: call("schedule", `["c"]`), want: `"timezone":"Europe/Berlin"`},
		{turn: call("schedules", `[]`), want: `"every":5000`},
		{turn: call("cancel", `["e"]`), want: `true`},
		{turn: call("runs", `["c"]`), want: `[]`},

		{turn: call("call", `[{"name":"other"},"add",[1,2]]`), want: `{"action":"add","args":[1,2]}`},
		{turn: call("send", `[{"id":"other"},"add",[1]]`)},
		{turn: call("enqueue", `["each","x"]`)},
		{turn: call("enqueueTo", `[{"name":"other"},"jobs","y"]`)},
		{turn: call("create", `[{"name":"room","key":["a"]},{"n":1}]`), want: `"created":true`},
		{turn: call("ensure", `[{"name":"room","key":["a"]},null]`), want: `"key":["a"]`},
		{turn: call("create", `[{"name":"room","key":["a"]},null]`), want: "exists"},
		{turn: call("child", `[{"name":"worker"},null,{"Gas":5}]`), want: `"created":true`},
		{turn: call("find", `[{"name":"nobody"}]`), want: `null`},
		{turn: call("usage", `["nobody"]`), want: `null`},
		{turn: call("destroyer", `[{"name":"room","key":["a"]}]`), want: `true`},
		{turn: call("upload", `["plugin","AGFzbQ=="]`), want: `"version":1`},
		{turn: call("fetch", `["https://api.example.com/"]`), want: `"fetched https://api.example.com/"`},
		{turn: call("startFetch", `["https://api.example.com/",false,"v"]`), want: `"task-`},
		{turn: call("startTimer", `[1000,"v"]`), want: `"task-`},
		{turn: call("cancelTask", `["none"]`), want: `false`},
		{turn: request(call("startCall", `[{"name":"other"},"add",[]]`), g), open: true},

		{turn: request(call("keepOpen", `[]`), g), open: true},
		{turn: request(call("keepOpen", `[]`), g), open: true},
		{turn: call("isOpen", `[]`), want: `true`},
		{turn: call("reply", `["late"]`)},
		{turn: call("head", `[202]`)},
		{turn: call("part", `["one"]`)},
		{turn: call("end", `[]`)},

		{turn: call("gas", `[]`), want: `5000000000`},
		{turn: call("dead", `[""]`), want: `[]`},
		{turn: call("redrive", `["none"]`), want: `false`},
		{turn: call("sleep", `[]`)},
		{turn: call("destroy", `[]`)},
		{turn: abi.Turn{Kind: abi.KindQueue, Name: "batch", Args: []byte(`["x","y"]`), Head: []byte(`[{"id":"1","sent":1,"attempt":1},{"id":"2","sent":2,"attempt":1}]`)}},
		{turn: abi.Turn{Kind: abi.KindQueue, Name: "each", Args: []byte(`["fail"]`), Head: []byte(`[{"id":"1","attempt":3}]`)}, want: "attempt 3"},
		{turn: abi.Turn{Kind: abi.KindRequest, Args: []byte("body"), Head: []byte(`{"method":"POST","url":"/x","header":{"user-agent":["go"]}}`)}, want: `{"agent":"go","body":"body","method":"POST","url":"/x"}`},
		{turn: abi.Turn{Kind: abi.KindGone, Request: 1}},
		{turn: call("journal", `[]`), want: `["a","b","batch of 2","gone"]`},
	}
	for _, tt := range tests {
		g.expect("full", tt.turn, tt.want, tt.open)
	}
	used := append(slices.Collect(maps.Keys(g.called)), usedByHostile...)
	for _, op := range g.operations() {
		if !slices.Contains(used, op.name) {
			t.Errorf("nothing calls %s", op.name)
		}
	}
}

// usedByHostile are the operations that TestCompiledOperations calls. A Go guest reads its config
// through the PDK.
var usedByHostile = []string{"kv_get", "kv_put", "kv_delete", "kv_list", "kv_delete_range", "self", "log", "now", "random", "config", "broadcast"}

// TestCompiledHooks gives a compiled guest each kind of hook.
func TestCompiledHooks(t *testing.T) {
	g := start(t, "testguests/full")
	g.turn(&abi.Turn{Kind: abi.KindCreate, Actor: "guarded"})
	g.host.List = []abi.Conn{{ID: "c", Kind: abi.ConnEvents}, {ID: "s", Kind: abi.ConnSocket}}
	conn := []byte(`{"id":"c","kind":"events","params":{"name":"ann"},"subject":"ann"}`)
	socket := []byte(`{"id":"s","kind":"socket"}`)
	head := []byte(`{"method":"GET","url":"/ws?x=1"}`)
	tests := []struct {
		turn abi.Turn
		want string
	}{
		{turn: abi.Turn{Kind: abi.KindWake, Head: []byte(`{"cause":"create","generation":1}`)}},
		{turn: abi.Turn{Kind: abi.KindConnect, Conn: conn, Head: head}},
		{turn: abi.Turn{Kind: abi.KindConnect, Conn: []byte(`{"id":"c","params":{"refuse":true}}`), Head: head}, want: "not you"},
		{turn: abi.Turn{Kind: abi.KindSubscribe, Name: "secret", Conn: conn}},
		{turn: abi.Turn{Kind: abi.KindSubscribe, Name: "secret", Conn: socket}, want: "does not allow"},
		{turn: abi.Turn{Kind: abi.KindSubscribe, Name: "changed", Conn: socket}},
		{turn: abi.Turn{Kind: abi.KindPublish, Name: "jobs", Caller: "ann"}},
		{turn: abi.Turn{Kind: abi.KindPublish, Name: "jobs"}, want: "does not allow"},
		{turn: abi.Turn{Kind: abi.KindOpen, Conn: socket, Head: head}},
		{turn: abi.Turn{Kind: abi.KindMessage, Conn: socket, Head: []byte(`{"text":true}`), Args: []byte("hi")}},
		{turn: abi.Turn{Kind: abi.KindMessage, Conn: socket, Args: []byte{7}}},
		{turn: abi.Turn{Kind: abi.KindClose, Conn: socket, Head: []byte(`{"code":1005}`)}},
		{turn: abi.Turn{Kind: abi.KindDisconnect, Conn: conn, Head: []byte(`{"code":1001,"reason":"left"}`)}},
		{turn: abi.Turn{Kind: abi.KindAction, Name: "note", Args: []byte(`["x"]`), Conn: conn, Hooks: true}, want: `"noted"`},
		{turn: abi.Turn{Kind: abi.KindUpgrade, Head: []byte(`{"from":2,"to":1}`)}},
		{turn: abi.Turn{Kind: abi.KindSleep}},
		{turn: abi.Turn{Kind: abi.KindRequest, Head: head}, want: "no handler"},
		{turn: abi.Turn{Kind: abi.KindDestroy}},
	}
	for _, tt := range tests {
		g.expect("guarded", tt.turn, tt.want, false)
	}
	want := "vars wake create before GET connect events before GET connect socket open /ws?x=1 close 1005 disconnect  " +
		"disconnect left before  connect events x disconnect  upgrade 2 to 1 sleep"
	var s struct{ Journal []string }
	if err := json.Unmarshal(g.host.State, &s); err != nil || strings.Join(s.Journal, " ") != want {
		t.Errorf("journal\n%s, want\n%s", strings.Join(s.Journal, " "), want)
	}
	if sent := g.host.Sent; len(sent) != 2 || string(sent[0].Payload) != "echo hi" || !sent[0].Text || sent[1].Text {
		t.Errorf("sent %+v", sent)
	}
}

func call(action, args string) abi.Turn {
	return abi.Turn{Kind: abi.KindAction, Name: action, Args: []byte(args)}
}

// request gives a turn somebody who waits for its answer.
func request(t abi.Turn, g *instance) abi.Turn {
	t.Request = g.host.Expect()
	return t
}

// world fills the host with what the actions of the guest full ask for.
func (g *instance) world() {
	g.host.List = []abi.Conn{{ID: "c", Kind: abi.ConnEvents, Subject: "ann", Events: []string{"note"}}, {ID: "s", Kind: abi.ConnSocket}}
	g.host.OnCall = func(_ abi.Target, action string, args []byte) abi.Reply {
		return abi.Reply{Result: []byte(`{"action":"` + action + `","args":` + string(args) + `}`)}
	}
	g.host.OnFetch = func(r abi.FetchRequest, _ []byte) abi.Reply { return abi.Reply{Result: []byte("fetched " + r.URL)} }
}

// expect runs a turn and looks for want in its result or error.
func (g *instance) expect(actor string, turn abi.Turn, want string, open bool) {
	g.t.Helper()
	if turn.Actor = actor; turn.Kind == 0 {
		turn.Kind = abi.KindAction
	}
	r := g.turn(&turn)
	got := string(r.Result)
	if r.Status != abi.StatusOK && r.Status != abi.StatusOpen {
		got = r.Message
	}
	if !strings.Contains(got, want) || want == "" && got != "" || open != (r.Status == abi.StatusOpen) {
		g.t.Errorf("kind %d %s%s: status %d, %.300s, want %s", turn.Kind, turn.Name, turn.Args, r.Status, got, want)
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
