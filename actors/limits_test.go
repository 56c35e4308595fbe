package actors_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// Each limit of a turn: what is just within it works, one more is refused with its code, and the
// refused turn leaves nothing.
func TestTurnLimits(t *testing.T) {
	const item = len("delta/000000") + 1 // of writeDelta, with the table's byte
	tests := []struct {
		name     string
		action   string
		at, over []any // arguments after the mark
		want     abi.Code
	}{
		{name: "bytes of a delta", action: "writeDelta", at: []any{8, 1<<20 - 2*item}, over: []any{8, 1 << 20}, want: abi.CodeDeltaTooLarge},
		{name: "items of a delta", action: "writeDelta", at: []any{9_998, 1}, over: []any{10_000, 1}, want: abi.CodeDeltaTooLarge},
		{name: "a KV value", action: "writeDelta", at: []any{1, 1 << 20}, over: []any{1, 1<<20 + 1}, want: abi.CodeValueTooLarge},
		{name: "events", action: "writeEvents", at: []any{1_000, 1}, over: []any{1_001, 1}, want: abi.CodeTooManyEvents},
		{name: "bytes of the outbox", action: "writeEvents", at: []any{3, 1 << 20}, over: []any{4, 1 << 20}, want: abi.CodeOutboxTooLarge},
		{name: "state", action: "writeState", at: []any{4<<20 - 100}, over: []any{4 << 20}, want: abi.CodeStateTooLarge},
		{name: "result", action: "writeResult", at: []any{1<<20 - 2}, over: []any{1 << 20}, want: abi.CodeOutputTooLarge},
	}
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := s.Actor(tenants.Default, "hostile", tt.name)
			if _, err := s.Call(id, tt.action, append([]any{"kept"}, tt.at...)...); err != nil {
				t.Fatalf("at the limit: %v", err)
			}
			_, err := s.Call(id, tt.action, append([]any{"dropped"}, tt.over...)...)
			if abi.CodeOf(err) != tt.want {
				t.Errorf("past the limit: %v, want %v", err, tt.want)
			}
			var marks struct{ State, KV string }
			if s.MustCall(id, &marks, "peek"); marks.State != "kept" || marks.KV != "kept" {
				t.Errorf("after the refusal the actor holds %+v", marks)
			}
		})
	}
}

func TestKVKeyLimits(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	s.MustCall(id, nil, "put", strings.Repeat("k", 2048), "v")
	if _, err := s.Call(id, "put", strings.Repeat("k", 2049), "v"); abi.CodeOf(err) != abi.CodeKeyTooLarge {
		t.Errorf("too long: %v", err)
	}
	if _, err := s.Call(id, "put", "", "v"); abi.CodeOf(err) != abi.CodeInvalidArgument {
		t.Errorf("empty: %v", err)
	}
	if _, err := s.Call(id, "deleteRange", map[string]any{"lo": "", "hi": ""}); err != nil {
		t.Errorf("delete range: %v", err)
	}
}

// A range that holds more than a turn may delete is refused whole, and can be deleted in parts.
func TestDeleteRangeOverTheLimit(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	s.MustCall(id, nil, "fill", "a/", 6_000, 1)
	s.MustCall(id, nil, "fill", "b/", 6_000, 1)
	if _, err := s.Call(id, "deleteRange", map[string]any{"lo": "a/", "hi": "c"}); abi.CodeOf(err) != abi.CodeDeltaTooLarge {
		t.Fatalf("all at once: %v", err)
	}
	total := 0
	for range 3 {
		var n int
		s.MustCall(id, &n, "deleteRange", map[string]any{"lo": "a/", "hi": "c", "limit": 5_000})
		total += n
	}
	if total != 12_000 {
		t.Errorf("deleted %d items, want 12000", total)
	}
}

func TestHostCallsAreCounted(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	s.MustCall(id, nil, "calls", abi.MaxHostCalls-10)
	if _, err := s.Call(id, "calls", abi.MaxHostCalls); abi.CodeOf(err) != abi.CodeTooManyHostCalls {
		t.Errorf("error is %v", err)
	}
	s.MustCall(id, nil, "calls", 1)
}

func TestLogIsBounded(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	s.MustCall(id, nil, "log", 2_000, 1_000)
	s.MustCall(id, nil, "print", 2_000, 1_000)
	if n := len(s.Log(id)); n > 128<<10 {
		t.Errorf("the log keeps %d bytes", n)
	}
	if !strings.Contains(s.Log(id), "left out") {
		t.Error("the log does not say that lines were left out")
	}
}

// Memory that a guest asks for past its bound ends the turn, and gives everything back.
func TestMemoryIsBounded(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	id := s.Actor(tenants.Default, "hostile")
	s.MustCall(id, nil, "alloc", 16<<20)
	if _, err := s.Call(id, "alloc", 128<<20); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("error is %v", err)
	}
	if _, err := s.Call(id, "recurse", 10_000_000); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("recursion: %v", err)
	}
	s.MustCall(id, nil, "alloc", 1<<20)
}

func TestInputAndArgumentLimits(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "hostile", hostile)
	a := actorstest.Address(t, tenants.Default, "hostile", "input")
	big, _ := json.Marshal(map[string]string{"mark": strings.Repeat("x", abi.MaxInput)})
	if _, err := s.Host.Create(t.Context(), a, actors.CreateOptions{Input: big}); abi.CodeOf(err) != abi.CodeInputTooLarge {
		t.Errorf("input: %v", err)
	}
	if _, err := s.Host.Create(t.Context(), a, actors.CreateOptions{Input: []byte(`{"mark":`)}); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("malformed input: %v", err)
	}
	id := s.Actor(tenants.Default, "hostile")
	args := slicesConcat(`["`, strings.Repeat("x", abi.MaxArgs), `"]`)
	if _, err := s.Host.Call(t.Context(), id, actors.Request{Action: "echo", Args: args}); abi.CodeOf(err) != abi.CodeBodyTooLarge {
		t.Errorf("arguments: %v", err)
	}
}

func slicesConcat(parts ...string) []byte { return []byte(strings.Join(parts, "")) }

// A full mailbox refuses at once, and everything in it runs.
func TestMailboxIsBounded(t *testing.T) {
	const (
		running = 16 + 1 // in flight, and one that waits for room there
		waiting = 256
		extra   = 44
	)
	g := openGated(t, "")
	g.Upload(tenants.Default, "counter", counter)
	id := g.Actor(tenants.Default, "counter")
	g.gate.Hold()
	answers := make(chan outcome, running+waiting+extra)
	post := func(n int) {
		for range n {
			go func() {
				out, err := g.Call(id, "increment", 1)
				answers <- outcome{out, err}
			}()
		}
	}
	post(running)
	g.gate.AwaitHeld(t, 16)
	kvtest.Eventually(t, "the mailbox is empty", func() bool { return g.Host.Posted(id) > running && g.Host.Waiting(id) == 0 })
	post(waiting + extra)
	for range extra {
		if o := <-answers; abi.CodeOf(o.err) != abi.CodeActorOverloaded {
			t.Fatalf("answer before the commit: %s %v", o.out, o.err)
		}
	}
	if n := g.Host.Stats().MailboxesFull; n != extra {
		t.Errorf("%d refusals are told, want %d", n, extra)
	}
	g.gate.Resume()
	sum := 0
	for range running + waiting {
		o := <-answers
		n := 0
		if o.err != nil || json.Unmarshal(o.out, &n) != nil {
			t.Fatalf("answer: %s %v", o.out, o.err)
		}
		sum += n
	}
	if want := (running + waiting) * (running + waiting + 1) / 2; sum != want {
		t.Errorf("the answers add up to %d, want %d", sum, want)
	}
}

func TestUploadRefusals(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	wasm := actorstest.Guest(t, counter)
	tests := []struct {
		name   string
		module string
		body   []byte
		want   abi.Code
		text   string
	}{
		{"empty", "m", nil, abi.CodeModuleMalformed, ""},
		{"text", "m", []byte("hello, I am not a module"), abi.CodeModuleMalformed, ""},
		{"truncated", "m", wasm[:len(wasm)/2], abi.CodeModuleMalformed, ""},
		{"header only", "m", []byte("\x00asm\x01\x00\x00\x00"), abi.CodeModuleInvalid, "no action"},
		{"component", "m", []byte("\x00asm\x0d\x00\x01\x00"), abi.CodeModuleUnsupported, "component"},
		{"too large", "m", make([]byte, actors.MaxModule+1), abi.CodeBodyTooLarge, ""},
		{"unknown import", "m", importing("env", "launch_missiles"), abi.CodeModuleImport, "env.launch_missiles"},
		{"import with another signature", "m", importing("extism:host/env", "alloc"), abi.CodeModuleImport, "extism:host/env.alloc"},
		{"bad name", "../m", wasm, abi.CodeInvalidRequest, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, _, err := s.Host.Upload(t.Context(), tenants.Default, bytes.NewReader(tt.body), actors.UploadOptions{Module: tt.module, Live: true})
			if abi.CodeOf(err) != tt.want || !strings.Contains(abi.AsError(err).PublicMessage(), tt.text) {
				t.Errorf("error is %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
	if list := s.Registry.Modules(tenants.Default); len(list) != 0 {
		t.Errorf("refused uploads left %v", list)
	}
}

// importing returns a module that imports one function of type () -> ().
func importing(module, name string) []byte {
	str := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	section := func(id byte, body []byte) []byte { return append([]byte{id, byte(len(body))}, body...) }
	imp := bytes.Join([][]byte{{1}, str(module), str(name), {0, 0}}, nil)
	return bytes.Join([][]byte{[]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte{1, 0x60, 0, 0}), section(2, imp)}, nil)
}
