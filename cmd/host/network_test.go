package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/internal/hosttest"
	"github.com/vivarium-run/vivarium/tenants"
)

// script is a body that has the scripted guest do steps.
func script(t *testing.T, steps ...actorstest.Step) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"args": []any{steps}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An actor passes on what a server streams: each part goes from the server through a turn of a task to the client
// of a raw request, while both are still open. The server is on loopback, which the operator and an admin allow.
func TestStreamThroughAnActor(t *testing.T) {
	next, left := make(chan string), make(chan struct{})
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case text := <-next:
				io.WriteString(w, text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				close(left)
				return
			}
		}
	}))
	defer model.Close()
	s := &served{t: t, data: t.TempDir(), key: t.TempDir() + "/key"}
	host(t, "key", s.key)
	s.process = start(t, "serve", "--data", s.data, "--key-file", s.key, "--egress-allow-loopback", strings.TrimPrefix(model.URL, "http://"))
	admin := s.token("admin", "default")
	s.upload(admin, "script", actorstest.ScriptGuest)
	id := s.actor(admin, "raw", "a")
	do := func(steps ...actorstest.Step) answer {
		t.Helper()
		return s.request("POST", "/gateway/"+id+"/action/do", admin, script(t, steps...))
	}
	fetch := actorstest.S("task_fetch", map[string]any{"url": model.URL + "/v1", "stream": true}, "", "")
	if a := do(fetch); !strings.Contains(string(a.body), `"n":-61`) {
		t.Errorf("without a grant: %s", a)
	}
	if a := s.request("PATCH", "/modules/script", admin, fmt.Sprintf(`{"grants":{"egress":[%q]}}`, model.URL)); a.status != 200 {
		t.Fatalf("grants: %s", a)
	}
	do(
		actorstest.S("kv_put", "on/8", actorstest.Script(fetch, actorstest.S("kv_put", "task", "$LAST"), actorstest.S("head", `{"status":201,"header":{"content-type":["text/event-stream"]}}`), actorstest.S("open"))),
		actorstest.S("kv_put", "on/14", actorstest.Script(actorstest.S("kv_put", "part", "$ARGS"), actorstest.S("kv_get", "part"), actorstest.S("result"), actorstest.S("reply_part", -1, "$LAST"))),
		actorstest.S("kv_put", "on/9", actorstest.Script(actorstest.S("kv_get", "task"), actorstest.S("task_cancel", "$LAST"))),
	)
	resp := s.open("POST", "/gateway/"+id+"/request/chat?q=1", admin, strings.NewReader("hello"))
	if resp.StatusCode != 201 || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("the head is %d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		want := fmt.Sprintf("data: %d\n", i)
		next <- want
		if got, err := lines.ReadString('\n'); got != want || err != nil {
			t.Fatalf("part %d is %q, %v", i, got, err)
		}
	}
	resp.Body.Close()
	<-left // the guest is told, and cancels
	if a := do(actorstest.S("kv_get", "task")); a.status != 200 {
		t.Errorf("afterwards: %s", a)
	}
}

// A guest cannot reach the host itself, whatever is allowed.
func TestGuestCannotReachItsHost(t *testing.T) {
	addr := hosttest.FreeAddr(t)
	n, err := startNode(nodeConfig{
		data: t.TempDir(), listen: addr, key: make([]byte, 32), log: slog.New(slog.DiscardHandler), allowLoopback: []string{addr},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	if _, _, _, err := n.actors.Upload(t.Context(), tenants.Default, strings.NewReader(string(actorstest.Guest(t, actorstest.ScriptGuest))), actors.UploadOptions{Module: "script", Live: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.registry.SetGrants(t.Context(), tenants.Default, "script", tenants.Grants{Egress: []string{n.url()}}); err != nil {
		t.Fatal(err)
	}
	info, _, err := n.actors.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "script", "a"), actors.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	args, _ := json.Marshal([]any{[]actorstest.Step{actorstest.S("fetch", map[string]any{"url": n.url() + "/healthz"}, ""), actorstest.S("result")}})
	out, err := n.actors.Call(t.Context(), info.ID, actors.Request{Action: "do", Args: args})
	if err != nil || !strings.Contains(string(out.Output), "the host's own") {
		t.Errorf("the guest was told %s, %v", out.Output, err)
	}
}

// What a developer writes into .env is granted, and its secrets go where they belong.
func TestDevEnvSecretsAndLoopback(t *testing.T) {
	e, err := readEnv(strings.NewReader("VIVARIUM_EGRESS=api.example.com,http://127.0.0.1:81,http://localhost:82,http://[::1]:83\nVIVARIUM_SECRET_A=one@api.example.com\nVIVARIUM_SECRET_B=two\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.loopback(), " "); got != "127.0.0.1:81 localhost:82 [::1]:83" {
		t.Errorf("loopback is %s", got)
	}
	for _, tt := range []struct{ name, host, want string }{
		{"A", "api.example.com", "one"}, {"A", "other.example.com", ""}, {"B", "other.example.com", "two"}, {"C", "api.example.com", ""},
	} {
		if got, err := e.secret(tt.name, tt.host); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("secret %s for %s: %q, %v", tt.name, tt.host, got, err)
		}
	}
}
