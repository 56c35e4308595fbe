package actors_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

const extismAS = "examples/wasm/extism-as"

// plugins are the same plug-in in three languages. They know nothing of Vivarium.
var plugins = []string{extismAS, "examples/wasm/extism-c", "examples/wasm/extism-rust"}

func eachPlugin(t *testing.T, f func(t *testing.T, plugin string)) {
	t.Helper()
	for _, plugin := range plugins {
		t.Run(path.Base(plugin), func(t *testing.T) { f(t, plugin) })
	}
}

// openPlain uploads a plug-in in both forms.
func openPlain(t *testing.T, dir, plugin string) *actorstest.Stack {
	t.Helper()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	for module, form := range map[string]tenants.InputForm{"plain": "", "value": tenants.InputValue} {
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: module, Live: true, Input: form}, actorstest.Guest(t, plugin))
	}
	return s
}

func TestPlainModuleBytes(t *testing.T) { eachPlugin(t, testPlainModuleBytes) }

func testPlainModuleBytes(t *testing.T, plugin string) {
	s := openPlain(t, "", plugin)
	id := s.Actor(tenants.Default, "plain")
	for _, n := range []int{0, 1, 7, 8, 9, 100, 64 << 10, 1 << 20} {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(rand.Uint32())
		}
		r, err := s.Host.Call(t.Context(), id, actors.Request{Action: "echo", Raw: body, IsRaw: true})
		if err != nil || r.Kind != actors.ReplyRaw || !bytes.Equal(r.Raw, body) {
			t.Errorf("%d bytes came back as %d, %v", n, len(r.Raw), err)
		}
	}
}

func TestPlainModuleValues(t *testing.T) { eachPlugin(t, testPlainModuleValues) }

func testPlainModuleValues(t *testing.T, plugin string) {
	s := openPlain(t, "", plugin)
	tests := []struct {
		module, action string
		args           string
		want           string // JSON; empty for no value
		wantBytes      string
		wantCode       abi.Code
	}{
		{module: "plain", action: "echo", args: `[1,"two"]`, want: `[1,"two"]`},
		{module: "plain", action: "echo", args: `[]`, want: `[]`},
		{module: "value", action: "echo", args: `[]`},
		{module: "value", action: "echo", args: `[""]`},
		{module: "value", action: "echo", args: `["plain text"]`, want: `"plain text"`},
		{module: "value", action: "echo", args: `[{"a":1}]`, want: `{"a":1}`},
		{module: "value", action: "echo", args: `[["$Uint8Array","/wA="]]`, wantBytes: "\xff\x00"},
		{module: "value", action: "echo", args: `[["$Uint8Array","***"]]`, wantCode: abi.CodeInvalidRequest},
		{module: "value", action: "echo", args: `[1,2]`, wantCode: abi.CodeInvalidRequest},
		{module: "value", action: "greet", args: `["wörld"]`, want: `"Hello, wörld!"`},
		{module: "value", action: "conf", args: `["none"]`},
		{module: "value", action: "_initialize", args: `[]`, wantCode: abi.CodeActionNotFound},
		{module: "value", action: "memory", args: `[]`, wantCode: abi.CodeActionNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.module+" "+tt.action+tt.args, func(t *testing.T) {
			r, err := s.Host.Call(t.Context(), s.Actor(tenants.Default, tt.module), actors.Request{Action: tt.action, Args: []byte(tt.args)})
			if abi.CodeOf(err) != tt.wantCode {
				t.Fatalf("error is %v, want %v", err, tt.wantCode)
			}
			if string(r.Output) != tt.want || string(r.Bytes) != tt.wantBytes {
				t.Errorf("got %s and bytes %q, want %s and %q", r.Output, r.Bytes, tt.want, tt.wantBytes)
			}
		})
	}
}

// Vars are durable, and a failed turn's go with it, even after a trap and a restart.
func TestPlainModuleVars(t *testing.T) { eachPlugin(t, testPlainModuleVars) }

func testPlainModuleVars(t *testing.T, plugin string) {
	dir := t.TempDir()
	s := openPlain(t, dir, plugin)
	id := s.Actor(tenants.Default, "value")
	count := func(want string) {
		t.Helper()
		out, err := s.Call(id, "count")
		if err != nil || string(out) != want {
			t.Errorf("count is %s, %v, want %s", out, err, want)
		}
	}
	count("1")
	count("2")
	_, err := s.Call(id, "fail")
	if e := abi.AsError(err); e == nil || e.Code != abi.CodeUser || e.PublicName() != "plugin_error" || e.PublicMessage() != "refused: zu spät" {
		t.Errorf("fail: %v", err)
	}
	count("3")
	if _, err := s.Call(id, "crash"); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("crash: %v", err)
	}
	count("4")
	s.Close()
	s = openPlain(t, dir, plugin)
	count("5")
}

func TestPlainModuleConfigAndLog(t *testing.T) { eachPlugin(t, testPlainModuleConfigAndLog) }

func testPlainModuleConfigAndLog(t *testing.T, plugin string) {
	s := openPlain(t, "", plugin)
	value := "größer"
	if _, err := s.Registry.SetConfig(t.Context(), tenants.Default, "value", map[string]*string{"name": &value}); err != nil {
		t.Fatal(err)
	}
	id := s.Actor(tenants.Default, "value")
	out, err := s.Call(id, "conf", "name")
	if want, _ := json.Marshal(value); err != nil || string(out) != string(want) {
		t.Errorf("config is %s, %v", out, err)
	}
	s.MustCall(id, nil, "logs", "line of the guest")
	for _, level := range []string{"debug", "info", "warn", "error"} {
		if want := level + " log: line of the guest"; !strings.Contains(s.Log(id), want) {
			t.Errorf("log is %q, want %q in it", s.Log(id), want)
		}
	}
}
