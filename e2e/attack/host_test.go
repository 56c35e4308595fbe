package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/sandbox"
)

var long = flag.Bool("attack.long", false, "run the whole corpus and the measurements, and write docs/attack.md; see make attack")

// TestMain lets the compile workers of the hosts in this process begin.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	os.Exit(m.Run())
}

// host is a real host in a process of its own, with two namespaces.
type host struct {
	t                      *testing.T
	cmd                    *exec.Cmd
	url, data, key, binary string
	attacker, victim       string // tokens of admins
	operator               string // a token
	client                 *http.Client
	done                   chan struct{} // closed when the process has ended
	mu                     sync.Mutex    // guards out
	out                    bytes.Buffer
}

// hostOptions are how the host is started.
type hostOptions struct {
	env   []string // beside ours
	under []string // a command before the host's own
	flags []string
}

// startHost builds the host and runs it until the test ends.
func startHost(t *testing.T) *host {
	t.Helper()
	return startHostWith(t, hostOptions{})
}

func startHostWith(t *testing.T, o hostOptions) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{
		t: t, binary: filepath.Join(dir, "host"), data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key"),
		client: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		done:   make(chan struct{}),
	}
	build := exec.Command("go", "build", "-o", h.binary, "./cmd/host")
	build.Dir = actorstest.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the host: %v: %s", err, out)
	}
	h.cli("key", h.key)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // free for the child
	h.url = "http://" + addr
	args := slices.Concat(o.under, []string{h.binary, "serve", "--data", h.data, "--key-file", h.key, "--listen", addr}, o.flags)
	h.cmd = exec.Command(args[0], args[1:]...)
	h.cmd.Env = append(os.Environ(), o.env...)
	h.cmd.Stdout, h.cmd.Stderr = h, h
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.cmd.Wait(); close(h.done) }() // ends with the process, which the cleanup ends
	t.Cleanup(func() { h.cmd.Process.Kill(); <-h.done })
	h.await()
	operator := h.cli("token", "--key-file", h.key, "--role", "operator")
	h.operator = operator
	for _, ns := range []string{"attacker", "victim"} {
		if a := h.must("POST", "/namespaces", operator, `{"name":"`+ns+`"}`); a.status/100 != 2 {
			t.Fatalf("make namespace %s: %s", ns, a)
		}
	}
	h.attacker = h.cli("token", "--key-file", h.key, "--role", "admin", "--namespace", "attacker")
	h.victim = h.cli("token", "--key-file", h.key, "--role", "admin", "--namespace", "victim")
	return h
}

// cli runs a command of the host and returns what it printed.
func (h *host) cli(args ...string) string {
	h.t.Helper()
	out, err := exec.Command(h.binary, args...).Output()
	if err != nil {
		h.t.Fatalf("host %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func (h *host) await() {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if a, err := h.try(context.Background(), "GET", "/readyz", "", nil); err == nil && a.status == 200 {
			return
		}
		if h.ended() || time.Now().After(deadline) {
			h.t.Fatalf("the host does not get ready: %s", h.printed())
		}
	}
}

// Write collects what the host prints.
func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.out.Len() > 1<<20 {
		return len(b), nil
	}
	return h.out.Write(b)
}

func (h *host) printed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

// faults returns what the host logged as its own faults.
func (h *host) faults() string {
	var b strings.Builder
	for line := range strings.Lines(h.printed()) {
		if strings.Contains(line, "level=ERROR") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (h *host) ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// busy reports whether the host says that it has no time for this now, and when to come again. A busy
// machine is no verdict on a module.
func (a answer) busy() bool {
	return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "" && a.verdict() == "503 guard/service_busy"
}

// verdict is the status, with group and code of an error.
func (a answer) verdict() string {
	var e struct{ Group, Code string }
	if a.status < 400 || json.Unmarshal(a.body, &e) != nil {
		return fmt.Sprint(a.status)
	}
	return fmt.Sprintf("%d %s/%s", a.status, e.Group, e.Code)
}

func (a answer) String() string {
	return fmt.Sprintf("%d %.600s (%v)", a.status, a.body, a.took.Round(time.Millisecond))
}

// try sends a request; a body that is a string is JSON, bytes are a module.
func (h *host) try(ctx context.Context, method, path, token string, body any) (answer, error) {
	var r io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case string:
		r = strings.NewReader(b)
	case []byte:
		r, contentType = bytes.NewReader(b), "application/wasm"
	}
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, r)
	if err != nil {
		return answer{}, err
	}
	if r != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	began := time.Now()
	resp, err := h.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b, time.Since(began)}, err
}

// patience bounds how long a request is repeated because the host is busy.
const patience = 3 * time.Minute

// must is try for a request that has to be answered, by a host that may be busy for a while. It may be
// called on any goroutine.
func (h *host) must(method, path, token string, body any) answer {
	h.t.Helper()
	return h.within(patience, method, path, token, body)
}

// within is must with another patience.
func (h *host) within(d time.Duration, method, path, token string, body any) answer {
	h.t.Helper()
	for end := time.Now().Add(d); ; {
		a, err := h.try(context.Background(), method, path, token, body)
		if err != nil {
			h.t.Errorf("%s %s: %v", method, path, err)
		}
		if !a.busy() || time.Now().After(end) {
			return a
		}
		select {
		case <-time.After(time.Second):
		case <-h.done:
			return a
		}
	}
}

func (h *host) upload(token, module string, wasm []byte) answer {
	h.t.Helper()
	return h.must("PUT", "/modules/"+module, token, wasm)
}

// actor returns the id of an actor, made if there is none, and the answer.
func (h *host) actor(token, name, key, input string) (string, answer) {
	h.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"key":%q,"runner_name_selector":"default","crash_policy":"sleep"`, name, key)
	if input != "" {
		body += `,"input_json":` + input
	}
	body += "}"
	a := h.must("PUT", "/actors", token, body)
	var r struct {
		Actor struct {
			ID string `json:"actor_id"`
		}
	}
	json.Unmarshal(a.body, &r) // an error has no id
	return r.Actor.ID, a
}

func (h *host) call(token, id, action string) answer {
	h.t.Helper()
	return h.must("POST", "/gateway/"+id+"/action/"+action, token, `{"args":[]}`)
}
