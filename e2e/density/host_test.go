package density

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/sandbox"
)

// TestMain lets the test binary be a compile worker, which checks the guests that are built.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	code := m.Run()
	os.RemoveAll(built.dir)
	os.Exit(code)
}

// built is the host's program, made once.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "density"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "host"), "./cmd/host")
		build.Dir = actorstest.Root()
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build the host: %w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "host")
}

// host is a host in a process of its own, on data that outlives the process.
type host struct {
	t          testing.TB
	data, key  string
	operator   string // a token
	client     http.Client
	addr, url  string
	cmd        *exec.Cmd
	done       chan struct{} // closed when the process has ended
	readyAfter time.Duration // of the last start
	endedAfter time.Duration // of the last stop

	mu  sync.Mutex // guards out
	out bytes.Buffer
}

// newHost prepares a host that does not run yet, and has the guests if there is a folder that has them.
func newHost(t testing.TB, from string) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key"), client: http.Client{Timeout: time.Minute}}
	if from != "" {
		if err := os.CopyFS(h.data, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	h.cli("key", h.key)
	h.operator = h.cli("token", "--key-file", h.key, "--role", "operator")
	t.Cleanup(h.kill)
	return h
}

// cli runs a command of the host and returns what it printed.
func (h *host) cli(args ...string) string {
	h.t.Helper()
	out, err := exec.Command(binary(h.t), args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("host %s: %v: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

// start begins the process, waits until it is ready, and notes how long that took.
func (h *host) start() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.url = "http://" + h.addr
	l.Close() // free for the child
	h.cmd = exec.Command(binary(h.t), "serve", "--data", h.data, "--key-file", h.key, "--listen", h.addr, "--log-level", "warn", "--max-connections-per-client", "16384")
	h.cmd.Stdout, h.cmd.Stderr = h, h
	h.cmd.SysProcAttr = childOf()
	h.done = make(chan struct{})
	begun := time.Now()
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) { cmd.Wait(); close(done) }(h.cmd, h.done) // ends with the process
	if !h.await(2*time.Minute, 2*time.Millisecond, h.ready) {
		h.t.Fatalf("the host does not get ready: %s", h.printed())
	}
	h.readyAfter = time.Since(begun)
}

func (h *host) ready() bool {
	resp, err := h.client.Get(h.url + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// await asks again and again whether something is so, until it is, the process ends or the time is over.
func (h *host) await(patience, every time.Duration, is func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		if is() {
			return true
		}
		select {
		case <-tick.C:
		case <-h.done:
			return false
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// stop asks the process to end, and waits.
func (h *host) stop() {
	h.t.Helper()
	begun := time.Now()
	h.cmd.Process.Signal(syscall.SIGTERM)
	<-h.done
	h.endedAfter = time.Since(begun)
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		h.t.Fatalf("the host ended with %d: %s", code, h.printed())
	}
}

func (h *host) kill() {
	if h.cmd != nil {
		h.cmd.Process.Kill()
		<-h.done
	}
}

// goroutines ends the process in the way in which Go prints all goroutines, and counts them.
func (h *host) goroutines() int {
	h.t.Helper()
	h.client.CloseIdleConnections()
	h.cmd.Process.Signal(syscall.SIGQUIT)
	<-h.done
	n := strings.Count("\n"+h.printed(), "\ngoroutine ")
	if n == 0 {
		h.t.Fatalf("it prints no goroutines: %.1000s", h.printed())
	}
	return n
}

// Write takes up what the process prints.
func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.Write(b)
}

func (h *host) printed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

// ask sends one request as the operator and decodes the answer, which must be a success.
func (h *host) ask(method, path, contentType string, body []byte, answer any) {
	h.t.Helper()
	if err := h.try(method, path, contentType, body, answer); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) try(method, path, contentType string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+h.operator)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %d %.500s", method, path, resp.StatusCode, b)
	case answer == nil:
		return nil
	}
	if text, ok := answer.(*string); ok {
		*text = string(b)
		return nil
	}
	return json.Unmarshal(b, answer)
}

// upload makes a guest the live module of a namespace.
func (h *host) upload(k kind, namespace string) {
	h.t.Helper()
	h.ask("PUT", "/modules/"+k.name+"?namespace="+namespace+k.input, "application/wasm", actorstest.Guest(h.t, k.guest), nil)
}

// withGuests is the data of a host that has the guests and nothing else, made once: to compile them for each host would
// take longer than all the rest.
var withGuests sync.Once

func guests() string { return filepath.Join(built.dir, "guests") }

// openHost starts a host that has the guests.
func openHost(t testing.TB) *host {
	t.Helper()
	withGuests.Do(func() {
		h := newHost(t, "")
		h.data = guests()
		h.start()
		h.upload(tally, "default")
		h.upload(plugin, "default")
		h.stop()
	})
	h := newHost(t, guests())
	h.start()
	return h
}

// metric reads one number of what the host says of itself.
func (h *host) metric(name string) float64 {
	h.t.Helper()
	var text string
	h.ask("GET", "/metrics", "", nil, &text)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v
			}
		}
	}
	h.t.Fatalf("no metric %s", name)
	return 0
}
