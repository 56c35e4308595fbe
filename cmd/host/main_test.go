package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/internal/hosttest"
	"github.com/vivarium-run/vivarium/sandbox"
)

// TestMain lets the test binary be the host: a test that needs a process starts this one again.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	if os.Getenv("VIVARIUM_TEST_HOST") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a host in a process of its own, or at least at a URL of its own: see reach.
type process struct {
	*hosttest.Process
	t *testing.T
}

// reach returns a host that runs in this process.
func reach(t *testing.T, url string) *process {
	return &process{&hosttest.Process{URL: url, Output: &hosttest.Output{}}, t}
}

// start runs the host with arguments and waits until it is ready. The arguments hold no --listen.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startAs(t, func(*exec.Cmd) {}, args...)
}

// startAs is start with a change of the process.
func startAs(t *testing.T, change func(*exec.Cmd), args ...string) *process {
	t.Helper()
	addr := hosttest.FreeAddr(t)
	cmd := exec.Command(os.Args[0], append(args, "--listen", addr)...)
	change(cmd)
	p := launch(t, "http://"+addr, cmd)
	p.awaitReady()
	return p
}

// launch runs a host that is to answer at url.
func launch(t *testing.T, url string, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Env = append(cmd.Environ(), "VIVARIUM_TEST_HOST=1")
	p := &process{hosttest.Start(t, url, cmd, &hosttest.Output{}), t}
	t.Cleanup(p.Kill)
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	if err := p.AwaitReady(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) await(what string, ok func() bool) {
	p.t.Helper()
	if err := p.Await(time.Minute, 10*time.Millisecond, ok); err != nil {
		p.t.Fatalf("waiting for %s: %v; it printed: %s", what, err, p.Printed())
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() string {
	var e struct{ Group, Code string }
	json.Unmarshal(a.body, &e)
	return e.Group + "/" + e.Code
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// request sends a request; a body that is a string is JSON.
func (p *process) request(method, path, token string, body any) answer {
	p.t.Helper()
	a, err := p.try(method, path, token, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *process) try(method, path, token string, body any) (answer, error) {
	req, err := p.NewRequest(context.Background(), method, path, token, body)
	if err != nil {
		return answer{}, err
	}
	return send(req)
}

func send(req *http.Request) (answer, error) {
	resp, b, err := hosttest.Send(http.DefaultClient, req)
	if resp == nil {
		return answer{}, err
	}
	return answer{resp.StatusCode, resp.Header, b}, err
}

// open sends a request and leaves the body of the answer to its reader, until the test ends.
func (p *process) open(method, path, token string, body any) *http.Response {
	p.t.Helper()
	req, err := p.NewRequest(p.t.Context(), method, path, token, body)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// actor returns the id of an actor, made if there is none. key is in its canonical form.
func (p *process) actor(token, name, key string) string {
	p.t.Helper()
	body, _ := json.Marshal(map[string]string{"name": name, "key": key, "runner_name_selector": "default", "crash_policy": "sleep"})
	a := p.request("PUT", "/actors", token, string(body))
	var r struct {
		Actor struct {
			ID string `json:"actor_id"`
		}
	}
	if json.Unmarshal(a.body, &r) != nil || r.Actor.ID == "" {
		p.t.Fatalf("PUT /actors: %s", a)
	}
	return r.Actor.ID
}

func (p *process) call(token, id, action, args string) answer {
	p.t.Helper()
	return p.request("POST", "/gateway/"+id+"/action/"+action, token, `{"args":`+args+`}`)
}

func (p *process) output(token, id, action, args string) string {
	p.t.Helper()
	a := p.call(token, id, action, args)
	var r struct{ Output json.RawMessage }
	if a.status != 200 || json.Unmarshal(a.body, &r) != nil {
		p.t.Fatalf("%s%s: %s", action, args, a)
	}
	return string(r.Output)
}

// host runs a command of the CLI in this process and returns what it printed.
func host(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != 0 {
		t.Fatalf("host %s: exit code %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// served is a `host serve` with its data, which can be killed and started again.
type served struct {
	*process
	t         *testing.T
	data, key string
}

// serve starts one, which keeps compiled code where all tests do.
func serve(t *testing.T) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key")}
	if err := actorstest.ShareCompiled(s.data); err != nil {
		t.Fatal(err)
	}
	host(t, "key", s.key)
	s.restart()
	return s
}

func (s *served) restart() {
	s.t.Helper()
	s.process = start(s.t, "serve", "--data", s.data, "--key-file", s.key)
}

func (s *served) token(role, namespace string) string {
	s.t.Helper()
	return host(s.t, "token", "--key-file", s.key, "--role", role, "--namespace", namespace)
}

func (s *served) upload(token, module, guest string) answer {
	s.t.Helper()
	a := s.request("PUT", "/modules/"+module, token, actorstest.Guest(s.t, guest))
	if a.status != 201 && a.status != 200 {
		s.t.Fatalf("upload %s: %s", module, a)
	}
	return a
}

// The main job: upload, call from many clients, kill -9, restart, find the state again.
func TestStateSurvivesKill(t *testing.T) {
	s := serve(t)
	admin := s.token("admin", "default")
	if a := s.upload(admin, "counter", "examples/wasm/counter"); a.status != 201 {
		t.Fatalf("first upload: %s", a)
	}
	if a := s.upload(admin, "counter", "examples/wasm/counter"); a.status != 200 {
		t.Errorf("upload of the same bytes: %s", a)
	}
	invoke := s.token("invoke", "default")
	const workers, each = 50, 20
	keys := []string{`acme/a,b\/c\\d`, "x", "/"}
	ids := map[string]string{}
	for _, key := range keys {
		id := s.actor(invoke, "counter", key)
		ids[key] = id
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range each {
					if a, err := s.try("POST", "/gateway/"+id+"/action/increment", invoke, `{"args":[1]}`); err != nil || a.status != 200 {
						t.Errorf("increment: %v %v", a, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	s.Kill()
	s.restart()
	for _, key := range keys {
		if id := s.actor(invoke, "counter", key); id != ids[key] {
			t.Errorf("key %q finds %s, before the kill it was %s", key, id, ids[key])
		}
		if n := s.output(invoke, ids[key], "get", "[]"); n != fmt.Sprint(workers*each) {
			t.Errorf("key %q: count is %s, want %d", key, n, workers*each)
		}
	}
}

// A plain Extism module, unchanged, over the network: bytes in and out, vars that survive a kill.
func TestPlainModuleOverTheNetwork(t *testing.T) {
	for _, plugin := range []string{"extism-as", "extism-c", "extism-rust"} {
		t.Run(plugin, func(t *testing.T) { testPlainModule(t, "examples/wasm/"+plugin) })
	}
}

func testPlainModule(t *testing.T, plugin string) {
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "plain?input=value", plugin)
	id := s.actor(admin, "plain", "k")
	raw := func(body []byte) answer {
		t.Helper()
		return s.request("POST", "/gateway/"+id+"/action/echo", admin, body) // not JSON: a raw call
	}
	for _, n := range []int{0, 100, 64 << 10} {
		body := bytes.Repeat([]byte{0xff, 0, 'x'}, n/3+1)[:n]
		if a := raw(body); a.status != 200 || !bytes.Equal(a.body, body) {
			t.Errorf("%d bytes came back as %d with status %d", n, len(a.body), a.status)
		}
	}
	for want := 1; want <= 3; want++ {
		if got := s.output(admin, id, "count", "[]"); got != fmt.Sprint(want) {
			t.Errorf("count is %s, want %d", got, want)
		}
	}
	if a := s.call(admin, id, "fail", "[]"); a.status != 400 || a.code() != "user/plugin_error" || !strings.Contains(string(a.body), "refused: zu spät") {
		t.Errorf("error text: %s", a)
	}
	if a := s.call(admin, id, "crash", "[]"); a.status != 502 || a.code() != "actor/trapped" {
		t.Errorf("trap: %s", a)
	}
	s.Kill()
	s.restart()
	if got := s.output(admin, id, "count", "[]"); got != "4" {
		t.Errorf("count after the kill is %s, want 4", got)
	}
	if a := s.request("PATCH", "/modules/plain", admin, `{"config":{"greeting":"hello"}}`); a.status != 200 {
		t.Errorf("config: %s", a)
	}
	if got := s.output(admin, id, "conf", `["greeting"]`); got != `"hello"` {
		t.Errorf("config is %s", got)
	}
}

// The query form splits keys at commas, PUT /actors does not: one string, two actors.
func TestCommaInKey(t *testing.T) {
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "counter", "examples/wasm/counter")
	one := s.actor(admin, "counter", "a,b")
	two := s.actor(admin, "counter", "a/b")
	s.output(admin, one, "increment", "[1]")
	a := s.request("POST", "/gateway/counter/action/increment?rvt-method=getOrCreate&rvt-key=a%2Cb", admin, `{"args":[2]}`)
	if a.status != 200 || a.header.Get("X-Rivet-Actor") != two {
		t.Errorf("the query form of a,b reached %q (%s), want %s", a.header.Get("X-Rivet-Actor"), a, two)
	}
	if got := s.output(admin, one, "get", "[]") + " " + s.output(admin, two, "get", "[]"); got != "1 2" {
		t.Errorf("the counts are %s, want 1 2", got)
	}
}

// Two namespaces with the same module names and keys never meet, and an id is worth nothing in
// another namespace.
func TestNamespacesOverTheNetwork(t *testing.T) {
	s := serve(t)
	operator := s.token("operator", "")
	for _, ns := range []string{"alpha", "beta"} {
		if a := s.request("POST", "/namespaces", operator, `{"name":"`+ns+`"}`); a.status/100 != 2 {
			t.Fatalf("create namespace: %s", a)
		}
	}
	if a := s.request("POST", "/namespaces", operator, `{"name":"alpha"}`); a.status != 409 && a.status != 400 {
		t.Errorf("create the same namespace: %s", a)
	}
	alpha, beta := s.token("admin", "alpha"), s.token("admin", "beta")
	s.upload(alpha, "counter", "examples/wasm/counter")
	s.upload(beta, "counter", "examples/wasm/counter")
	a, b := s.actor(alpha, "counter", "same"), s.actor(beta, "counter", "same")
	s.output(alpha, a, "increment", "[1]")
	s.output(beta, b, "increment", "[10]")
	if got := s.output(alpha, a, "get", "[]") + " " + s.output(beta, b, "get", "[]"); got != "1 10" {
		t.Errorf("the counts are %s, want 1 10", got)
	}
	if got := host(t, "call", "--url", s.URL, "--token", operator, "--namespace", "alpha", "counter", "get", "--key", "same"); got != "1" {
		t.Errorf("an operator calls into alpha: %s", got)
	}
	for _, path := range []string{"/actors/" + a, "/actors/" + a + "/state", "/actors/" + a + "/kv", "/actors/" + a + "/logs"} {
		if got := s.request("GET", path, beta, nil); got.status != 404 || got.code() != "actor/not_found" {
			t.Errorf("GET %s with another namespace's token: %s", path, got)
		}
	}
	for what, got := range map[string]answer{
		"call":   s.call(beta, a, "get", "[]"),
		"delete": s.request("DELETE", "/actors/"+a, beta, nil),
	} {
		if got.status != 404 || got.code() != "actor/not_found" {
			t.Errorf("%s with another namespace's token: %s", what, got)
		}
	}
	if got := s.request("GET", "/modules?namespace=alpha", beta, nil); got.status != 404 {
		t.Errorf("another namespace by name: %s", got)
	}
	if got := s.request("GET", "/namespaces", alpha, nil); got.status != 200 || strings.Contains(string(got.body), "beta") {
		t.Errorf("an admin lists namespaces: %s", got)
	}
	if got := s.request("POST", "/namespaces", alpha, `{"name":"gamma"}`); got.status != 403 {
		t.Errorf("an admin creates a namespace: %s", got)
	}
}

// Bad input over the network: a clear status and code each, and the host goes on.
func TestBadInput(t *testing.T) {
	s := serve(t)
	admin, invoke, read := s.token("admin", "default"), s.token("invoke", "default"), s.token("read", "default")
	s.upload(admin, "hostile", "guest-sdk/testguests/hostile")
	id := s.actor(invoke, "hostile", "k")
	expired := host(t, "token", "--key-file", s.key, "--role", "admin", "--namespace", "default", "--ttl", "1s")
	tampered := admin[:len(admin)-4] + "AAAA"
	otherKey := filepath.Join(t.TempDir(), "key")
	host(t, "key", otherKey)
	foreign := host(t, "token", "--key-file", otherKey, "--role", "admin", "--namespace", "default")
	gone := s.token("admin", "no-such-namespace")
	wasm := actorstest.Guest(t, "examples/wasm/counter")
	long := strings.Repeat("k", 129)
	s.await("the token expires", func() bool { return s.request("GET", "/modules", expired, nil).status == 401 })
	tests := []struct {
		name, method, path, token string
		body                      any
		status                    int
		code                      string
	}{
		{"not Wasm", "PUT", "/modules/m", admin, []byte("hello world"), 400, "module/malformed"},
		{"truncated", "PUT", "/modules/m", admin, wasm[:1000], 400, "module/malformed"},
		{"module too large", "PUT", "/modules/m", admin, make([]byte, 17<<20), 413, "message/incoming_too_long"},
		{"module with a bad name", "PUT", "/modules/m%2F..", admin, wasm, 400, "guard/invalid_request"},
		{"unknown actor", "POST", "/gateway/" + strings.Repeat("0", 26) + "/action/get", invoke, `{"args":[]}`, 404, "actor/not_found"},
		{"malformed id", "POST", "/gateway/nonsense/action/get", invoke, `{"args":[]}`, 404, "actor/not_found"},
		{"unknown action", "POST", "/gateway/" + id + "/action/nonsense", invoke, `{"args":[]}`, 404, "actor/action_not_found"},
		{"unknown actor name", "PUT", "/actors", invoke, `{"name":"nonsense","key":"k"}`, 404, "module/not_found"},
		{"unknown module", "GET", "/modules/nonsense", admin, nil, 404, "module/not_found"},
		{"unknown namespace", "GET", "/modules", gone, nil, 404, "namespace/not_found"},
		{"unknown route", "GET", "/nonsense", admin, nil, 404, "api/not_found"},
		{"wrong method", "DELETE", "/metadata", admin, nil, 405, "api/method_not_allowed"},
		{"malformed JSON", "POST", "/gateway/" + id + "/action/get", invoke, `{"args":[`, 400, "guard/invalid_request"},
		{"args not a list", "POST", "/gateway/" + id + "/action/get", invoke, `{"args":1}`, 400, "guard/invalid_request"},
		{"wrong argument", "POST", "/gateway/" + id + "/action/alloc", invoke, `{"args":["x"]}`, 400, "user/invalid_arguments"},
		{"arguments too large", "POST", "/gateway/" + id + "/action/echo", invoke, `{"args":["` + strings.Repeat("x", 2<<20) + `"]}`, 413, "message/incoming_too_long"},
		{"key component too long", "PUT", "/actors", invoke, `{"name":"hostile","key":"` + long + `"}`, 400, "actor/invalid_key"},
		{"key too long", "PUT", "/actors", invoke, `{"name":"hostile","key":"` + strings.Repeat(long[1:]+"/", 9) + `"}`, 400, "actor/invalid_key"},
		{"no token", "GET", "/actors?name=hostile", "", nil, 401, "auth/unauthenticated"},
		{"expired token", "GET", "/actors?name=hostile", expired, nil, 401, "auth/unauthenticated"},
		{"tampered token", "GET", "/actors?name=hostile", tampered, nil, 401, "auth/unauthenticated"},
		{"token of another key", "GET", "/actors?name=hostile", foreign, nil, 401, "auth/unauthenticated"},
		{"garbage token", "GET", "/actors?name=hostile", "a.b.c", nil, 401, "auth/unauthenticated"},
		{"right missing", "PUT", "/modules/m", invoke, wasm, 403, "auth/forbidden"},
		{"reader calls", "POST", "/gateway/" + id + "/action/peek", read, `{"args":[]}`, 403, "auth/forbidden"},
		{"delta too large", "POST", "/gateway/" + id + "/action/writeDelta", invoke, `{"args":["dropped",9,1048576]}`, 413, "actor/delta_too_large"},
		{"outbox too large", "POST", "/gateway/" + id + "/action/writeEvents", invoke, `{"args":["dropped",5,1048576]}`, 413, "actor/outbox_too_large"},
		{"duplicate key", "POST", "/actors", invoke, `{"name":"hostile","key":"k"}`, 409, "actor/duplicate_key"},
		{"trap", "POST", "/gateway/" + id + "/action/writePanic", invoke, `{"args":["dropped"]}`, 502, "actor/trapped"},
		{"hidden error", "POST", "/gateway/" + id + "/action/writeHidden", invoke, `{"args":["dropped"]}`, 502, "rivetkit/internal_error"},
		{"user error", "POST", "/gateway/" + id + "/action/writeUser", invoke, `{"args":["dropped"]}`, 400, "user/refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := s.request(tt.method, tt.path, tt.token, tt.body)
			if got.status != tt.status || got.code() != tt.code {
				t.Errorf("%s, want %d %s", clipText(got.String()), tt.status, tt.code)
			}
			if strings.Contains(string(got.body), "secret is 42") {
				t.Error("the answer holds the hidden error's text")
			}
			if got.header.Get("X-Rivet-Ray-Id") == "" || !strings.Contains(string(got.body), got.header.Get("X-Rivet-Ray-Id")) {
				t.Error("the answer has no request id")
			}
		})
	}
	s.output(invoke, id, "write", `["kept"]`)
	if got := s.output(invoke, id, "peek", "[]"); got != `{"state":"kept","kv":"kept"}` {
		t.Errorf("after all that the actor holds %s", got)
	}
	if log := s.request("GET", "/actors/"+id+"/logs", read, nil); !strings.Contains(string(log.body), "the secret is 42") {
		t.Error("the hidden error's text is not in the actor's log")
	}
	if strings.Contains(s.Printed(), "the secret is 42") {
		t.Error("the hidden error's text is in the host's log")
	}
}

func clipText(s string) string { return s[:min(len(s), 400)] }

// Events can be followed over the network; each comes after the commit of its turn.
func TestFollowEvents(t *testing.T) {
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "chatroom", "examples/wasm/chatroom")
	id := s.actor(admin, "chatroom", "lobby")
	lines := bufio.NewScanner(s.open("GET", "/actors/"+id+"/events", admin, nil).Body)
	lines.Scan() // the stream's first comment: it follows from here on
	s.output(admin, id, "post", `["ann","hello"]`)
	var event struct {
		Name string
		Args []struct{ User, Text string }
	}
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if event.Name != "message" || len(event.Args) != 1 || event.Args[0].User != "ann" || event.Args[0].Text != "hello" {
		t.Errorf("the event is %+v", event)
	}
	if got := s.output(admin, id, "history", "[10]"); !strings.Contains(got, `"text":"hello"`) {
		t.Errorf("history is %s", got)
	}
}

// SIGTERM: the turn that runs finishes, new requests are refused, the process ends well.
func TestGracefulStop(t *testing.T) {
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "hostile", "guest-sdk/testguests/hostile")
	id := s.actor(admin, "hostile", "k")
	s.output(admin, id, "write", `["before"]`)
	slow := make(chan answer, 1)
	tail := s.open("GET", "/actors/"+id+"/logs?follow=true", admin, nil)
	go func() {
		a, _ := s.try("POST", "/gateway/"+id+"/action/sleep", admin, `{"args":[1500]}`)
		slow <- a
	}()
	s.await("the slow turn runs", func() bool {
		return strings.Contains(string(s.request("GET", "/actors/"+id+"/logs", admin, nil).body), "sleeping")
	})
	s.Cmd.Process.Signal(syscall.SIGTERM)
	s.await("refusal", func() bool { return s.request("GET", "/readyz", "", nil).status == 503 })
	if a := s.call(admin, id, "peek", "[]"); a.status != 503 || a.code() != "guard/service_unavailable" {
		t.Errorf("a call during the stop: %s", a)
	}
	if a := <-slow; a.status != 200 {
		t.Errorf("the turn that ran: %s", a)
	}
	select {
	case <-s.Done:
	case <-time.After(20 * time.Second):
		t.Fatal("the process does not end")
	}
	if code := s.Cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d: %s", code, s.Printed())
	}
	if _, err := io.Copy(io.Discard, bufio.NewReader(tail.Body)); err != nil {
		t.Errorf("the log tail was cut off: %v", err)
	}
}

// A guest author's project is their own folder: `host dev` builds it there, shows its logs and
// traps, and deploys it again when it changes.
func TestDevOutsideTheRepository(t *testing.T) {
	dir := t.TempDir()
	project := filepath.Join(dir, "counter")
	source, err := os.ReadFile(filepath.Join(actorstest.Root(), "examples", "wasm", "counter", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(project, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(project, 0o700); err != nil {
		t.Fatal(err)
	}
	write("go.mod", []byte("module example.com/counter\n\ngo 1.26\n"))
	write("main.go", source)
	data := filepath.Join(dir, "data")
	p := start(t, "dev", "--data", data, project)
	p.await("the counter is live", func() bool { return strings.Contains(p.Printed(), "counter version 1 is live") })

	// The printed commands work as they are.
	commands := regexp.MustCompile(`(?m)^  (curl .*)$`).FindAllStringSubmatch(p.Printed(), -1)
	if len(commands) < 3 {
		t.Fatalf("it printed: %s", p.Printed())
	}
	if _, err := exec.LookPath("curl"); err == nil {
		for _, c := range commands {
			out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(c[1], "curl", "curl -sS --fail-with-body", 1)).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v %s", c[1], err, out)
			}
		}
	}
	id := p.actor("", "counter", "one")
	before := p.output("", id, "get", "[]")

	// A change that does not compile leaves the version that runs, and shows the compiler's words.
	write("main.go", bytes.Replace(source, []byte("c.State.Count += by"), []byte("c.State.Count += bye"), 1))
	p.await("the compiler's error", func() bool { return strings.Contains(p.Printed(), "undefined: bye") })
	if got := p.output("", id, "get", "[]"); got != before {
		t.Errorf("count is %s, want %s", got, before)
	}

	// A change that compiles is live, with the state kept; a trap shows the guest's function names.
	write("main.go", bytes.Replace(source, []byte("c.State.Count += by"), []byte("c.State.Count += by * 100\n\tif by == 13 {\n\t\tpanic(\"unlucky\")\n\t}\n\tprintln(\"counted\", by)"), 1))
	p.await("version 2", func() bool { return strings.Contains(p.Printed(), "counter version 2 is live") })
	p.output("", id, "increment", "[1]")
	if got := p.output("", id, "get", "[]"); got != fmt.Sprint(100+atoi(before)) {
		t.Errorf("count is %s after %s and one step of 100", got, before)
	}
	if a := p.call("", id, "increment", "[13]"); a.code() != "actor/trapped" {
		t.Errorf("panic: %s", a)
	}
	p.await("log and trap", func() bool {
		return strings.Contains(p.Printed(), "counted 1") && strings.Contains(p.Printed(), "unlucky") && strings.Contains(p.Printed(), "main.increment")
	})

	// Killed and started again, it finds everything.
	after := p.output("", id, "get", "[]")
	p.Kill()
	p = start(t, "dev", "--data", data, project)
	p.await("the counter is live", func() bool { return strings.Contains(p.Printed(), "is live") })
	if got := p.output("", id, "get", "[]"); got != after {
		t.Errorf("count is %s after the restart, want %s", got, after)
	}
	// The CLI works against it, with the dev key.
	token := host(t, "token", "--data", data, "--namespace", "default", "--role", "admin")
	if strings.Count(token, ".") != 2 || strings.ContainsAny(token, " \n") {
		t.Errorf("host token printed %q", token)
	}
	if got := host(t, "call", "--url", p.URL, "counter", "increment", "2", "--key", "cli", "--token", token); got != "200" {
		t.Errorf("host call printed %q", got)
	}
	if got := host(t, "deploy", project, "--url", p.URL, "--token", token, "--json"); !strings.Contains(got, `"module":"counter"`) {
		t.Errorf("host deploy printed %q", got)
	}
}

func atoi(s string) int {
	var n int
	fmt.Sscan(s, &n)
	return n
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	inData := filepath.Join(dir, "data", "key")
	if err := os.MkdirAll(filepath.Dir(inData), 0o700); err != nil {
		t.Fatal(err)
	}
	host(t, "key", inData)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--data", dir}, 2, "needs a signing key"},
		{[]string{"serve", "--data", filepath.Join(dir, "data"), "--key-file", inData}, 2, "must not lie in the data folder"},
		{[]string{"dev", "--listen", "0.0.0.0:1"}, 2, "loopback only"},
		{[]string{"dev", filepath.Join(dir, "nothing")}, 2, "no such file"},
		{[]string{"token", "--data", dir, "--namespace", "default"}, 2, "there is no key"},
		{[]string{"token", "--key-file", inData}, 2, "--namespace is missing"},
		{[]string{"logs"}, 2, "which actor?"},
		{[]string{"token", "--key-file", inData, "--role", "king", "--namespace", "default"}, 2, "role"},
		{[]string{"nonsense"}, 1, "unknown command"},
		{[]string{"call", "counter"}, 2, "requires at least 2"},
		{[]string{"call", "counter", "get", "--url", "http://127.0.0.1:1"}, 1, "is a host running there?"},
	} {
		var out, errs bytes.Buffer
		if code := run(tt.args, &out, &errs); code != tt.code || !strings.Contains(errs.String(), tt.want) || out.Len() > 0 {
			t.Errorf("host %v: code %d, printed %q and %q, want %d and %q", tt.args, code, out.String(), errs.String(), tt.code, tt.want)
		}
	}
	t.Setenv("VIVARIUM_KEY_FILE", inData)
	t.Setenv("VIVARIUM_NAMESPACE", "default")
	if token := host(t, "token", "--role", "read"); strings.Count(token, ".") != 2 {
		t.Errorf("token by environment: %q", token)
	}
	var v struct{ Version, Go string }
	if json.Unmarshal([]byte(host(t, "version", "--json")), &v) != nil || v.Go == "" {
		t.Error("host version --json")
	}
	if _, err := os.Stat(filepath.Join(host(t, "sdk"), "guest-sdk", "actor.go")); err != nil {
		t.Error(err)
	}
}

// What becomes due while the host is dead runs once when it is back; a queue message that was acknowledged
// is handled.
func TestDueWorkSurvivesKill(t *testing.T) {
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "script", actorstest.ScriptGuest)
	id := s.actor(admin, "script", "k")
	step := func(op string, b ...string) string {
		doc, _ := json.Marshal(actorstest.Step{Op: op, B: b})
		return string(doc)
	}
	// The handler fails until the host is back, so that the message is there when it dies.
	handler := "[" + step("user", "no", "not now") + "]"
	count := "[[" + step("queue_send", "", "batch", "1") + "]]"
	s.output(admin, id, "do", "[["+step("kv_put", "on/13/jobs", handler)+","+step("schedule_set", `{"after":1500,"action":"do"}`, count)+"]]")
	if a := s.request("POST", "/gateway/"+id+"/queue/jobs", admin, `{"body":{"n":1}}`); a.String() != `200 {"status":"completed"}` {
		t.Fatalf("send: %s", a)
	}
	due := time.Now().Add(1500 * time.Millisecond)
	s.Kill()
	timer := time.NewTimer(time.Until(due))
	<-timer.C
	s.restart()
	seen := func() string {
		a := s.request("GET", "/actors/"+id+"/kv?prefix=seen/", admin, nil)
		return string(a.body)
	}
	s.await("the schedule's run", func() bool { return strings.Contains(seen(), `\"name\":\"batch\"`) })
	if a := s.request("GET", "/actors/"+id+"/schedules", admin, nil); string(a.body) != `{"pagination":{"cursor":null},"schedules":[]}` {
		t.Errorf("schedules: %s", a)
	}
	s.output(admin, id, "do", "[["+step("kv_delete", "on/13/jobs")+"]]")
	s.await("the message's handler", func() bool { return strings.Contains(seen(), `\"name\":\"jobs\"`) })
	if n := strings.Count(seen(), `\"name\":\"batch\"`); n != 1 {
		t.Errorf("the schedule ran %d times", n)
	}
	if a := s.request("GET", "/actors/"+id+"/queue", admin, nil); string(a.body) != `{"messages":[],"pagination":{"cursor":null}}` {
		t.Errorf("queue: %s", a)
	}
}
