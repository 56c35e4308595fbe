//go:build !wasip1

package wasm_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// program is a module with the action run.
func program(m *wasmtest.Module, code wasmtest.Code) []byte {
	m.Export("run", 0, m.Func(nil, wasmtest.T(wasmtest.I32), nil, code))
	return m.Encode()
}

// looper computes without end.
func looper() []byte {
	return program(&wasmtest.Module{}, wasmtest.Code{}.Loop(wasmtest.Empty).Br(0).Op(wasmtest.End).I32Const(0))
}

// eater takes memory until it gets none, and then cannot go on.
func eater() []byte {
	m := &wasmtest.Module{Memory: wasmtest.Limits(1)}
	return program(m, wasmtest.Code{}.Loop(wasmtest.Empty).
		I32Const(16).MemoryGrow().I32Const(0).Op(wasmtest.I32LtS, wasmtest.I32Eqz).BrIf(0).Op(wasmtest.End, wasmtest.Unreachable))
}

// fetcher makes the HTTP request that its input describes and gives the body of the answer.
func fetcher() []byte {
	m := &wasmtest.Module{}
	const env = "extism:host/env"
	i64 := wasmtest.T(wasmtest.I64)
	input := m.ImportFunc(env, "input_offset", nil, i64)
	request := m.ImportFunc(env, "http_request", wasmtest.T(wasmtest.I64, wasmtest.I64), i64)
	length := m.ImportFunc(env, "length", i64, i64)
	output := m.ImportFunc(env, "output_set", wasmtest.T(wasmtest.I64, wasmtest.I64), nil)
	m.Export("run", 0, m.Func(nil, wasmtest.T(wasmtest.I32), wasmtest.T(wasmtest.I64), wasmtest.Code{}.
		Call(input).I64Const(0).Call(request).LocalTee(0).LocalGet(0).Call(length).Call(output).I32Const(0)))
	return m.Encode()
}

type verdict struct {
	Verdict, Detail, Child string
	Result                 json.RawMessage
	Usage                  *abi.ChildUsage
}

// Each job ends at its limit and harms nobody: the orchestrator has the verdicts and what was done in time.
func TestOrchestrator(t *testing.T) {
	free := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-free:
			case <-r.Context().Done():
			}
		}
		w.Write([]byte(`"from the network"`))
	}))
	defer srv.Close()
	defer close(free)
	clock := actorstest.NewClock()
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) {
		c.Now, c.AllowLoopback = clock.Now, []string{strings.TrimPrefix(srv.URL, "http://")}
	}})
	s.Upload(tenants.Default, "orchestrator", "examples/wasm/orchestrator")
	if _, err := s.Registry.SetGrants(t.Context(), tenants.Default, "orchestrator", tenants.Grants{Egress: []string{srv.URL}, Uploads: true}); err != nil {
		t.Fatal(err)
	}
	id := s.Actor(tenants.Default, "orchestrator", "run 1")
	for name, wasm := range map[string][]byte{"looper": looper(), "eater": eater(), "fetcher": fetcher(), "plugin": actorstest.Guest(t, "examples/wasm/extism-as")} {
		r, err := s.Host.Request(t.Context(), id, actors.RawRequest{Head: abi.RequestHead{Method: "PUT", URL: "/modules/" + name}, Body: wasm})
		if err != nil || r.Head.Status != 200 {
			t.Fatalf("upload of %s: %+v, %v", name, r, err)
		}
	}
	if _, err := s.Host.Request(t.Context(), id, actors.RawRequest{Head: abi.RequestHead{Method: "PUT", URL: "/modules/junk"}, Body: []byte("junk")}); abi.CodeOf(err) != abi.CodeModuleMalformed {
		t.Errorf("upload of junk: %v", err)
	}

	type limits = map[string]any
	type job = map[string]any
	get := func(path string) []any { return []any{map[string]string{"method": "GET", "url": srv.URL + path}} }
	reach := []string{srv.URL}
	jobs := map[string]job{
		"loops":    {"module": "looper", "action": "run", "limits": limits{"turnGas": 20_000_000, "gas": 70_000_000}},
		"eats":     {"module": "eater", "action": "run", "limits": limits{"memory": 4 << 20}},
		"traps":    {"module": "plugin", "action": "crash"},
		"spies":    {"module": "fetcher", "action": "run", "args": get("/")}, // granted to the parent, not to it
		"fetches":  {"module": "fetcher", "action": "run", "args": get("/"), "limits": limits{"egress": reach}},
		"waits":    {"module": "fetcher", "action": "run", "args": get("/slow"), "limits": limits{"egress": reach}},
		"lives on": {"module": "looper", "action": "run", "limits": limits{"turnGas": 5_000_000, "gas": 1_000_000_000_000, "seconds": 30}},
		"works":    {"module": "plugin", "action": "greet", "args": []any{"parent"}},
		"is not":   {"module": "nobody", "action": "run"},
	}
	want := map[string]string{
		"loops": "gas", "eats": "trapped", "traps": "trapped", "spies": "egress", "fetches": "done", "works": "done", "is not": "failed",
		"waits": "running", "lives on": "running",
	}
	events, err := s.Host.FollowEvents(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s.MustCall(id, nil, "run", jobs, 60)
	var got map[string]verdict
	await := func() {
		t.Helper()
		kvtest.Eventually(t, "the verdicts", func() bool {
			got = nil
			s.MustCall(id, &got, "report") // it answers while its children do what they do
			for name, v := range got {
				if v.Verdict == "running" && want[name] != "running" {
					return false
				}
			}
			return len(got) == len(jobs)
		})
		for name, v := range got {
			if v.Verdict != want[name] {
				t.Errorf("%s: %s (%s), want %s", name, v.Verdict, v.Detail, want[name])
			}
		}
	}
	await()
	if u := got["loops"].Usage; u.Gas < 70_000_000 || u.Gas > 75_000_000 || u.Turns < 4 {
		t.Errorf("the looper used %+v", u)
	}
	if string(got["works"].Result) != `"Hello, parent!"` || string(got["fetches"].Result) != `"from the network"` {
		t.Errorf("the results are %s and %s", got["works"].Result, got["fetches"].Result)
	}

	clock.Advance(31 * time.Second)
	s.Host.Look()
	want["lives on"] = "lifetime"
	await()

	clock.Advance(30 * time.Second)
	s.Host.Look()
	want["waits"] = "late"
	await()
	if string(got["works"].Result) != `"Hello, parent!"` {
		t.Errorf("at the deadline the result is %s", got["works"].Result)
	}
	for e := range events {
		if e.Name == "finished" {
			break
		}
	}
	for name, v := range got {
		if v.Child == "" {
			continue // it never began
		}
		child, ok := tenants.ParseActorID(tenants.Default, v.Child)
		if _, err := s.Host.Get(t.Context(), child); !ok || abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}
