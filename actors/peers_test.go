package actors_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

type target = abi.Target

var step = actorstest.S

// openScript runs a host with the scripted guest.
func openScript(t *testing.T, config func(*actors.Config)) *actorstest.Stack {
	t.Helper()
	s := actorstest.Open(t, actorstest.Options{Config: config})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	return s
}

func to(id tenants.ActorID) target { return target{ID: id.String()} }

func do(steps ...actorstest.Step) [][]actorstest.Step { return [][]actorstest.Step{steps} }

// A call gives the callee's answer, its errors too, and the callee knows who called.
func TestCall(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	call := func(steps ...actorstest.Step) actorstest.Outcome {
		t.Helper()
		got, err := s.Do(a, step("call", to(b), "do", do(steps...)), step("result"))
		if err != nil {
			t.Fatal(err)
		}
		return got[1]
	}
	if got := call(step("kv_put", "k", "v"), step("kv_get", "k")); got.N != 0 || !strings.Contains(got.B, `"b":"v"`) {
		t.Errorf("a call gives %+v", got)
	}
	var turns []struct{ B string }
	if err := json.Unmarshal([]byte(call(step("turn")).B), &turns); err != nil || !strings.Contains(turns[0].B, `"sender":"`+a.String()) {
		t.Errorf("the callee saw %v, want the caller's id", turns)
	}
	if got := call(step("user", "no", "not today")); got.N != int64(abi.StatusUser) || got.Error != "nonot today" {
		t.Errorf("a refusal gives %+v", got)
	}
	if got := call(step("hidden", "secret")); got.N != -int64(abi.CodeGuestInternal) || strings.Contains(got.Error, "secret") {
		t.Errorf("a hidden error gives %+v", got)
	}
	if got := call(step("trap")); got.N != -int64(abi.CodeActorTrapped) {
		t.Errorf("a trap gives %+v", got)
	}
	got, err := s.Do(a, step("call", target{Name: "script", Key: []string{"none"}}, "do", do()), step("call", target{Name: "script", Key: []string{"new"}, Create: true}, "nop", "[]"), step("result"))
	if err != nil || got[0].N != -int64(abi.CodeActorNotFound) || got[2].N != 0 {
		t.Errorf("calls by name give %+v, %v", got, err)
	}
	got, err = s.Do(a, step("call", to(b), "none", "[]"), step("result"), step("call", "{", "do", "[]"), step("call", to(b), "do", "{}"))
	if err != nil || got[1].N != -int64(abi.CodeActionNotFound) || got[2].N != -int64(abi.CodeInvalidArgument) || got[3].N != -int64(abi.CodeInvalidArgument) {
		t.Errorf("wrong calls give %+v, %v", got, err)
	}
}

// What a call did stays, though the caller's turn fails; what the caller wrote before in earlier turns is
// durable when the callee sees it.
func TestCallIsNotUndone(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	_, err := s.Do(a, step("kv_put", "mine", "1"), step("call", to(b), "do", do(step("kv_put", "k", "v"))), step("trap"))
	if abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	if got := s.MustDo(b, step("kv_get", "k")); got[0].B != "v" {
		t.Errorf("the call left %q", got[0].B)
	}
	if got := s.MustDo(a, step("kv_get", "mine")); got[0].N != -1 {
		t.Errorf("the failed turn left %q", got[0].B)
	}
}

// A circle of calls is refused at once with its members, whether it closes in one chain or between two.
func TestCallCycle(t *testing.T) {
	s := openScript(t, nil)
	a, b, c := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b"), s.Actor(tenants.Default, "script", "c")
	began := time.Now()
	got := s.MustDo(a, step("call", to(b), "do", do(step("call", to(c), "do", do(step("call", to(a), "nop", "[]"))), step("result"))), step("result"))
	if !strings.Contains(got[1].B, fmt.Sprintf(`\"n\":-%d`, abi.CodeCallCycle)) {
		t.Errorf("a circle of three gives %s", got[1].B)
	}
	own, err := s.Do(a, step("call", to(a), "nop", "[]"))
	if err != nil || own[0].N != -int64(abi.CodeCallCycle) {
		t.Errorf("a call of oneself gives %+v, %v", own, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("refused after %v", took)
	}
	for range 20 { // two chains at once: one is refused or both are answered, nobody waits for ever
		done := make(chan error, 2)
		for _, pair := range [][2]tenants.ActorID{{a, b}, {b, a}} {
			go func() {
				_, err := s.Do(pair[0], step("call", to(pair[1]), "nop", "[]"))
				done <- err
			}()
		}
		for range 2 {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("two actors wait for each other")
			}
		}
	}
}

// A chain of 16 is as long as a chain may be.
func TestCallDepth(t *testing.T) {
	s := openScript(t, nil)
	ids := make([]tenants.ActorID, abi.MaxCallDepth+2)
	for i := len(ids) - 1; i >= 0; i-- {
		ids[i] = s.Actor(tenants.Default, "script", fmt.Sprint(i))
		next := actorstest.Script(step("kv_put", "reached", "yes"))
		if i < len(ids)-1 {
			next = actorstest.Script(step("kv_put", "reached", "yes"), step("call", to(ids[i+1]), "run", `["go"]`), step("return", "1"))
		}
		s.MustDo(ids[i], step("kv_put", "go", next))
	}
	if _, err := s.Call(ids[0], "run", "go"); err != nil {
		t.Fatal(err)
	}
	reached := 0
	for _, id := range ids[1:] {
		if got := s.MustDo(id, step("kv_get", "reached")); got[0].B == "yes" {
			reached++
		}
	}
	if reached != abi.MaxCallDepth {
		t.Errorf("%d actors were called, want %d", reached, abi.MaxCallDepth)
	}
}

// A callee pays from its caller's gas.
func TestCallGas(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	got := s.MustDo(a, step("gas_left"), step("call", to(b), "do", do(step("gas_left"))), step("result"), step("gas_left"))
	var inner []actorstest.Outcome
	if err := json.Unmarshal([]byte(got[2].B), &inner); err != nil {
		t.Fatal(err)
	}
	if before, handed, after := got[0].N, inner[0].N, got[3].N; handed >= before || handed <= 0 || after >= handed {
		t.Errorf("gas before %d, handed down %d, after %d", before, handed, after)
	}
	loop, err := s.Do(a, step("call", to(b), "do", do(step("loop"))), step("result"))
	if abi.CodeOf(err) != abi.CodeGasExhausted {
		t.Errorf("a loop in a callee gives %+v, %v", loop, err)
	}
}

// Calls stay within the namespace.
func TestCallStaysInNamespace(t *testing.T) {
	s := openScript(t, nil)
	s.Upload("other", "script", actorstest.ScriptGuest)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor("other", "script", "b")
	got, err := s.Do(a, step("call", to(b), "nop", "[]"), step("result"), step("actor_find", to(b)), step("actor_destroy", to(b)))
	if err != nil || got[1].N != -int64(abi.CodeActorNotFound) || got[2].N != -1 || got[3].N != 0 {
		t.Errorf("another namespace's actor: %+v, %v", got, err)
	}
	if _, err := s.Host.Get(t.Context(), b); err != nil {
		t.Error(err)
	}
}

// Actors make, find and destroy others.
func TestCreateFromTurn(t *testing.T) {
	s := openScript(t, nil)
	a := s.Actor(tenants.Default, "script", "a")
	spec := abi.ActorSpec{Name: "script", Key: []string{"made"}}
	got, err := s.Do(a, step("actor_create", spec), step("actor_create", spec), step("actor_find", target{Name: "script", Key: []string{"made"}}),
		step("actor_destroy", target{Name: "script", Key: []string{"made"}}), step("actor_destroy", target{Name: "script", Key: []string{"made"}}))
	if err != nil || got[0].N < 0 || got[1].N != -int64(abi.CodeActorExists) || got[2].N < 0 || got[3].N != 1 || got[4].N != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = s.Do(a, step("actor_create", abi.ActorSpec{Name: "nobody"}), step("actor_create", abi.ActorSpec{Name: "../x"}), step("actor_create", `{"limit":1}`))
	if err != nil || got[0].N != -int64(abi.CodeModuleNotFound) || got[1].N != -int64(abi.CodeInvalidArgument) || got[2].N != -int64(abi.CodeInvalidArgument) {
		t.Errorf("%+v, %v", got, err)
	}
}
