package actors_test

import (
	"encoding/json"
	"path"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// notes are one plain module in three languages, each made with the generated bindings of its language.
var notes = []string{"examples/wasm/bindings-as", "examples/wasm/bindings-c", "examples/wasm/bindings-rust"}

// openNotes uploads one of them and makes an actor of it. dir is that of the data.
func openNotes(t *testing.T, dir, guest string) (*actorstest.Stack, tenants.ActorID) {
	t.Helper()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "notes", Live: true, Input: tenants.InputValue}, actorstest.Guest(t, guest))
	return s, s.Actor(tenants.Default, "notes")
}

// wantCall calls an action and compares its result, JSON.
func wantCall(t *testing.T, s *actorstest.Stack, id tenants.ActorID, want, action string, args ...any) {
	t.Helper()
	if out, err := s.Call(id, action, args...); err != nil || string(out) != want {
		t.Errorf("%s%q is %s, %v, want %s", action, args, out, err, want)
	}
}

// The operations of every language's bindings reach the host, and what they did is durable.
func TestPlainBindings(t *testing.T) {
	for _, guest := range notes {
		t.Run(path.Base(guest), func(t *testing.T) {
			dir := t.TempDir()
			s, id := openNotes(t, dir, guest)
			events, err := s.Host.FollowEvents(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			wantCall(t, s, id, `0`, "count")
			wantCall(t, s, id, `1`, "add", "milk")
			wantCall(t, s, id, `2`, "add", "größer, and longer than one word of eight bytes")
			for _, want := range []string{`[1]`, `[2]`} {
				if ev := <-events; ev.Name != "added" || string(ev.Args) != want {
					t.Errorf("event %s%s, want added%s", ev.Name, ev.Args, want)
				}
			}
			s.Close()
			s, id = openNotes(t, dir, guest)
			wantCall(t, s, id, `2`, "count")
			wantCall(t, s, id, `"milk\ngrößer, and longer than one word of eight bytes"`, "list")
			wantCall(t, s, id, `2`, "forget")
			wantCall(t, s, id, `0`, "count")
			wantCall(t, s, id, ``, "list")
		})
	}
}

// A refusal reaches the client with its text and leaves nothing, and an operation's failure reaches the guest
// with its code and message.
func TestPlainBindingsFailures(t *testing.T) {
	for _, guest := range notes {
		t.Run(path.Base(guest), func(t *testing.T) {
			s, id := openNotes(t, "", guest)
			_, err := s.Call(id, "refuse", "zu spät")
			if e := abi.AsError(err); e == nil || e.Code != abi.CodeUser || e.PublicName() != "plugin_error" || e.PublicMessage() != "refused: zu spät" {
				t.Errorf("refuse: %v", err)
			}
			wantCall(t, s, id, `0`, "count")
			wantCall(t, s, id, ``, "list")
			want, err := json.Marshal("35 a key is longer than 2048 bytes")
			if err != nil {
				t.Fatal(err)
			}
			wantCall(t, s, id, string(want), "toolong", "x")
		})
	}
}
