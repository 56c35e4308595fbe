package actors_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

const (
	counter  = "examples/wasm/counter"
	chatroom = "examples/wasm/chatroom"
	hostile  = "guest-sdk/testguests/hostile"
)

func TestIncrementsSurviveAReopen(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.Upload(tenants.Default, "counter", counter)
	id := s.Actor(tenants.Default, "counter", "acme", `a,b/c\d`)
	const workers, each = 50, 20
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if _, err := s.Call(id, "increment", 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.Close()

	s = actorstest.Open(t, actorstest.Options{Dir: dir})
	if got := s.Actor(tenants.Default, "counter", "acme", `a,b/c\d`); got != id {
		t.Errorf("the address finds %s, want %s", got, id)
	}
	var n int
	if s.MustCall(id, &n, "get"); n != workers*each {
		t.Errorf("count is %d, want %d", n, workers*each)
	}
}

// A turn that fails leaves nothing, whatever it did before and however it fails.
func TestFailedTurnLeavesNothing(t *testing.T) {
	tests := []struct {
		action   string
		args     []any
		wantCode abi.Code
		wantName string // public name, when the guest chose it
		wantLog  string
	}{
		{action: "writeUser", wantCode: abi.CodeUser, wantName: "refused"},
		{action: "writeHidden", wantCode: abi.CodeGuestInternal, wantLog: "the secret is 42"},
		{action: "writeAbsent", wantCode: abi.CodeGuestInternal, wantLog: "no such friend"},
		{action: "writePanic", wantCode: abi.CodeActorTrapped, wantLog: "hostile: on purpose"},
		{action: "writeNil", wantCode: abi.CodeActorTrapped, wantLog: "nil pointer"},
		{action: "writeExit", args: []any{3}, wantCode: abi.CodeActorTrapped, wantLog: "exit(3)"},
	}
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	for _, tt := range tests {
		t.Run(tt.action, func(t *testing.T) {
			id := s.Actor(tenants.Default, "hostile", tt.action)
			s.MustCall(id, nil, "write", "kept")
			_, err := s.Call(id, tt.action, append([]any{"dropped"}, tt.args...)...)
			e := abi.AsError(err)
			if e == nil || e.Code != tt.wantCode {
				t.Fatalf("error is %v, want %v", err, tt.wantCode)
			}
			if tt.wantName != "" && e.PublicName() != tt.wantName {
				t.Errorf("public name is %q, want %q", e.PublicName(), tt.wantName)
			}
			if meta, _ := json.Marshal(e.Metadata); strings.Contains(e.PublicMessage()+string(meta), "42") != (tt.action == "writeUser") {
				t.Errorf("public face is %q %s", e.PublicMessage(), meta)
			}
			if log := s.Log(id); !strings.Contains(log, tt.wantLog) {
				t.Errorf("log is %q, want %q in it", log, tt.wantLog)
			}
			var marks struct{ State, KV string }
			s.MustCall(id, &marks, "peek")
			if marks.State != "kept" || marks.KV != "kept" {
				t.Errorf("after the failure the actor holds %+v", marks)
			}
		})
	}
}

func TestEndlessTurnIsStopped(t *testing.T) {
	for name, tt := range map[string]struct {
		time time.Duration
		want abi.Code
	}{
		"out of gas":  {time.Minute, abi.CodeGasExhausted},
		"out of time": {200 * time.Millisecond, abi.CodeActionTimedOut},
	} {
		t.Run(name, func(t *testing.T) {
			s := actorstest.Open(t, actorstest.Options{})
			s.Upload(tenants.Default, "hostile", hostile)
			id := s.Actor(tenants.Default, "hostile")
			s.MustCall(id, nil, "write", "kept")
			s.Host.SetTurnTime(tt.time)
			_, err := s.Call(id, "writeSpin", "dropped")
			if got := abi.CodeOf(err); got != tt.want {
				t.Fatalf("error is %v, want %v", err, tt.want)
			}
			s.Host.SetTurnTime(time.Minute)
			var marks struct{ State, KV string }
			if s.MustCall(id, &marks, "peek"); marks.State != "kept" || marks.KV != "kept" {
				t.Errorf("after the failure the actor holds %+v", marks)
			}
		})
	}
}

func TestCreationThatFailsLeavesNoActor(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	for how, want := range map[string]abi.Code{"user": abi.CodeUser, "hidden": abi.CodeGuestInternal, "panic": abi.CodeActorTrapped, "spin": abi.CodeGasExhausted} {
		t.Run(how, func(t *testing.T) {
			a := actorstest.Address(t, tenants.Default, "hostile", how)
			_, err := s.Host.Create(context.Background(), a, actors.CreateOptions{Input: []byte(`{"mark":"x","fail":"` + how + `"}`)})
			if abi.CodeOf(err) != want {
				t.Errorf("create: %v, want %v", err, want)
			}
			if _, err := s.Host.Find(context.Background(), a); abi.CodeOf(err) != abi.CodeActorNotFound {
				t.Errorf("find: %v", err)
			}
			if _, err := s.Host.Create(context.Background(), a, actors.CreateOptions{Input: []byte(`{"mark":"y"}`)}); err != nil {
				t.Errorf("create again: %v", err)
			}
		})
	}
}
