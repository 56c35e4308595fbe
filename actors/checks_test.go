package actors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// saying returns a module that says manifest of itself and answers every turn with the result true.
func saying(manifest string) []byte {
	const turnAt = 16
	reply := string(abi.AppendReply(nil, &abi.Reply{Result: []byte("true")}))
	var m wt.Module
	output := m.ImportFunc(abi.ModuleVivarium, "output", wt.T(wt.I32, wt.I32), nil)
	manifestAt := int32(turnAt + len(reply))
	pages := uint32(int(manifestAt)+len(manifest))>>16 + 1
	m.Memory = wt.Limits(pages)
	m.Export("memory", 2, 0)
	m.Data(turnAt, reply)
	m.Data(manifestAt, manifest)
	say := func(at int32, n int) wt.Code {
		return wt.Code{}.I32Const(at).I32Const(int32(n)).Call(output).I32Const(0)
	}
	m.Export(abi.ExportManifest, 0, m.Func(nil, wt.T(wt.I32), nil, say(manifestAt, len(manifest))))
	m.Export(abi.ExportTurn, 0, m.Func(nil, wt.T(wt.I32), nil, say(turnAt, len(reply))))
	return m.Encode()
}

// manifestOf returns the manifest of a module with one actor, "typed".
func manifestOf(t *testing.T, a abi.ActorManifest) string {
	t.Helper()
	b, err := json.Marshal(abi.Manifest{ABI: abi.ABIVersion, Codec: abi.JSON, Actors: map[string]abi.ActorManifest{"typed": a}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const onePositive = `{"type":"array","prefixItems":[{"type":"object","properties":{"n":{"type":"integer","minimum":1}},"required":["n"]}],"minItems":1,"items":false}`

// The module says yes to everything, so only the host can have refused.
func TestArgumentsAreCheckedBeforeTheGuestRuns(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	a := abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {Args: json.RawMessage(onePositive)}, "any": {}}, Input: json.RawMessage(`{"type":"string"}`)}
	upload := func() {
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "typed", Live: true}, saying(manifestOf(t, a)))
	}
	upload()
	id := s.Actor(tenants.Default, "typed")
	if out, err := s.Call(id, "do", "wrong"); err != nil || string(out) != "true" {
		t.Fatalf("without check_args: %s, %v", out, err)
	}
	a.CheckArgs = true
	upload()
	for _, action := range []string{"do", "any"} {
		if out, err := s.Call(id, action, map[string]int{"n": 1}); err != nil || string(out) != "true" {
			t.Errorf("%s: %s, %v", action, out, err)
		}
	}
	_, err := s.Call(id, "do", map[string]int{"n": 0})
	e := abi.AsError(err)
	if e == nil || e.Code != abi.CodeUser || e.PublicName() != "invalid_arguments" {
		t.Fatalf("wrong argument: %v", err)
	}
	m, _ := json.Marshal(e.Metadata)
	if want := `{"action":"do","argument":0,"path":"/n","reason":"minimum: got 0, want 1"}`; string(m) != want {
		t.Errorf("metadata %s, want %s", m, want)
	}
}

func TestInputIsCheckedBeforeTheActorIsMade(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	a := abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {}}, Input: json.RawMessage(`{"type":"string"}`), CheckArgs: true}
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "typed", Live: true}, saying(manifestOf(t, a)))
	at := actorstest.Address(t, tenants.Default, "typed", "a")
	_, _, err := s.Host.GetOrCreate(t.Context(), at, actors.CreateOptions{Input: []byte(`5`)})
	if e := abi.AsError(err); e == nil || e.PublicName() != "invalid_input" {
		t.Errorf("wrong input: %v", err)
	}
	if _, err := s.Host.Find(t.Context(), at); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("after the refusal: %v", err)
	}
	if _, created, err := s.Host.GetOrCreate(t.Context(), at, actors.CreateOptions{Input: []byte(`"x"`)}); err != nil || !created {
		t.Errorf("right input: %v, %v", created, err)
	}
}

// An upload whose schemas reach outside, or are too much, is refused with the place that is wrong.
func TestUploadRefusesSchemas(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "typed", Live: true}, saying(manifestOf(t, abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {}}})))
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`true`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		a    abi.ActorManifest
		want string
	}{
		{"a file of the host", abi.ActorManifest{Params: json.RawMessage(`{"$ref":"file://` + filepath.ToSlash(secret) + `"}`)}, "params: $ref"},
		{"wrong arguments", abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {Args: json.RawMessage(`{"type":5}`)}}}, "arguments of do"},
		{"wrong event", abi.ActorManifest{EventSchema: map[string]json.RawMessage{"e": json.RawMessage(`[]`)}}, "event e"},
		{"wrong body", abi.ActorManifest{Queues: map[string]abi.QueueManifest{"q": {Body: json.RawMessage(`{"pattern":"("}`)}}}, "body of q"},
		{"long", abi.ActorManifest{Input: json.RawMessage(`{"const":"` + strings.Repeat("x", 64<<10) + `"}`)}, "input is longer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, err := s.Host.Upload(context.Background(), tenants.Default, bytes.NewReader(saying(manifestOf(t, tt.a))), actors.UploadOptions{Module: "wrong"})
			if e := abi.AsError(err); e == nil || e.Code != abi.CodeModuleInvalid || !strings.Contains(e.PublicMessage(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Many actors of one version and of two ask for the same checker at once.
func TestHammerCheckers(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	a := abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {Args: json.RawMessage(onePositive)}}, CheckArgs: true}
	var ids []tenants.ActorID
	for _, ns := range []tenants.ID{tenants.Default, "other"} {
		s.UploadBytes(ns, actors.UploadOptions{Module: "typed", Live: true}, saying(manifestOf(t, a)))
		for _, key := range []string{"a", "b", "c", "d"} {
			ids = append(ids, s.Actor(ns, "typed", key))
		}
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 20 {
				if _, err := s.Call(id, "do", map[string]int{"n": 1}); err != nil {
					t.Error(err)
				}
				if _, err := s.Call(id, "do", "wrong"); abi.CodeOf(err) != abi.CodeUser {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
