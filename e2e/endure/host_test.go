package endure

import (
	"bytes"
	"errors"
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
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/sandbox"
)

// TestMain lets the test binary be a compile worker.
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

// binary returns the path of the host's program. A build tag makes another one.
func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "endure"); built.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", filepath.Join(built.dir, "host"), "./cmd/host")
		build.Dir = actorstest.Root()
		if out, err := build.CombinedOutput(); err != nil {
			built.err = errors.New(string(out))
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "host")
}

// host is a host in a process of its own, which may be killed and started again on its data.
type host struct {
	t              testing.TB
	bin, data, key string
	addr, url      string
	args, env      []string // of each start
	http           *http.Client

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu   sync.Mutex // guards what follows
	out  bytes.Buffer
	part []byte                 // of a line that has not ended
	see  func(line []byte) bool // takes a line, which is not kept then
}

// newHost prepares a host that does not run yet.
func newHost(t testing.TB, args ...string) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, bin: binary(t), data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key"), args: args}
	h.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	if out, code := h.cli("key", h.key); code != 0 {
		t.Fatal(out)
	}
	t.Cleanup(func() {
		h.kill()
		h.http.CloseIdleConnections()
	})
	return h
}

// begin starts the process and does not wait until it is ready.
func (h *host) begin() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.url = "http://" + h.addr
	l.Close() // free for the child
	h.cmd = exec.Command(h.bin, append([]string{"serve", "--data", h.data, "--key-file", h.key, "--listen", h.addr, "--log-level", "warn"}, h.args...)...)
	h.cmd.Env = append(os.Environ(), h.env...)
	h.cmd.Stdout, h.cmd.Stderr = h, h
	h.cmd.SysProcAttr = childOf()
	h.done = make(chan struct{})
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func(cmd *exec.Cmd, done chan struct{}) { cmd.Wait(); close(done) }(h.cmd, h.done) // ends with the process, which kill ends
}

// start begins the process and waits until it takes work.
func (h *host) start() {
	h.t.Helper()
	h.begin()
	if err := h.awaitReady(); err != nil {
		h.t.Fatal(err)
	}
}

// startTime is how long a host may take to get ready, on a machine that does other things too.
const startTime = 2 * time.Minute

func (h *host) awaitReady() error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(startTime)
	for {
		resp, err := h.http.Get(h.url + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-h.done:
			return errors.New("the host ended: " + h.printed())
		case <-late:
			return errors.New("the host does not get ready: " + h.printed())
		}
	}
}

// kill ends the process as the machine would. It may be called again.
func (h *host) kill() {
	if h.cmd == nil {
		return
	}
	h.cmd.Process.Kill()
	<-h.done
}

// stop asks the process to end and returns its exit code.
func (h *host) stop() int {
	h.cmd.Process.Signal(syscall.SIGTERM)
	<-h.done
	return h.cmd.ProcessState.ExitCode()
}

func (h *host) ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// maxPrinted bounds what is kept of what hosts print.
const maxPrinted = 4 << 20

// Write takes up what the process prints, line by line.
func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.part = append(h.part, b...)
	end := bytes.LastIndexByte(h.part, '\n') + 1
	for line := range bytes.Lines(h.part[:end]) {
		if (h.see == nil || !h.see(line)) && h.out.Len() < maxPrinted {
			h.out.Write(line)
		}
	}
	h.part = append(h.part[:0], h.part[end:]...)
	return len(b), nil
}

// printed returns what all processes of this host have printed.
func (h *host) printed() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

// faults returns what the host logged as its own faults, and what Go prints of a crash.
func (h *host) faults() string {
	var b strings.Builder
	for line := range strings.Lines(h.printed()) {
		for _, word := range []string{"level=ERROR", "panic:", "fatal error:", "SIGSEGV", "SIGBUS", "goroutine "} {
			if strings.Contains(line, word) {
				b.WriteString(line)
				break
			}
		}
	}
	return b.String()
}

// cli runs a command of the host and returns what it printed and its exit code.
func (h *host) cli(args ...string) (out string, exit int) {
	h.t.Helper()
	cmd := exec.Command(h.bin, args...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		h.t.Fatalf("host %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(b.String()), cmd.ProcessState.ExitCode()
}

// token makes a token. A namespace may be empty for an operator.
func (h *host) token(role, namespace string) string {
	h.t.Helper()
	args := []string{"token", "--key-file", h.key, "--role", role}
	if namespace != "" {
		args = append(args, "--namespace", namespace)
	}
	token, code := h.cli(args...)
	if code != 0 {
		h.t.Fatal(token)
	}
	return token
}

// client returns a client for the process that runs now.
func (h *host) client(token string) *client.Client {
	h.t.Helper()
	c, err := client.New(h.url, client.Options{Token: token, HTTP: h.http})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// verify fails unless everything that the stopped host keeps agrees.
func (h *host) verify() {
	h.t.Helper()
	if out, code := h.cli("verify", "--data", h.data); code != 0 {
		h.t.Fatalf("host verify: exit code %d: %s", code, out)
	}
}
