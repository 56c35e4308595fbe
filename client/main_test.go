package client_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
)

// endpoint and token are those of the host that the tests speak with: the real command, in a process of its own, in
// production mode, with the guests kitchen and script.
var (
	endpoint, token string
	host            *process
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "vivarium-client-")
	if err == nil {
		host, err = newProcess(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the host does not start:", err)
		os.Exit(1)
	}
	endpoint, token = host.url, host.token
	code := m.Run()
	host.kill()
	os.RemoveAll(dir)
	os.Exit(code)
}

// process is a host that can be killed and started again.
type process struct {
	binary, dir, url, token string
	cmd                     *exec.Cmd
	ended                   chan struct{} // closed when it has ended
}

func newProcess(dir string) (*process, error) {
	p := &process{binary: filepath.Join(dir, "host"), dir: dir}
	if err := actorstest.ShareCompiled(filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-o", p.binary, "./cmd/host")
	build.Dir = actorstest.Root()
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + l.Addr().String()
	l.Close() // free for the host
	if _, err := p.run("key", p.key()); err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	for _, guest := range []string{"kitchen", "script"} {
		deployer, err := p.tokenOf("deploy")
		if err == nil {
			_, err = p.run("deploy", filepath.Join(actorstest.Root(), "guest-sdk", "testguests", guest), "--url", p.url, "--token", deployer)
		}
		if err != nil {
			return nil, err
		}
	}
	p.token, err = p.tokenOf("invoke", "--subject", "ann")
	return p, err
}

func (p *process) key() string { return filepath.Join(p.dir, "key") }

func (p *process) tokenOf(role string, more ...string) (string, error) {
	return p.run(append([]string{"token", "--key-file", p.key(), "--role", role, "--namespace", "default"}, more...)...)
}

func (p *process) run(args ...string) (string, error) {
	out, err := exec.Command(p.binary, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("host %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// start starts the host and waits until it is ready.
func (p *process) start() error {
	var log bytes.Buffer
	p.cmd = exec.Command(p.binary, "serve", "--data", filepath.Join(p.dir, "data"), "--key-file", p.key(), "--listen", strings.TrimPrefix(p.url, "http://"), "--log-level", "warn")
	p.cmd.Stdout, p.cmd.Stderr = &log, &log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.ended = make(chan struct{})
	go func() { p.cmd.Wait(); close(p.ended) }() // ends with the process
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if resp, err := http.Get(p.url + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-p.ended:
			return fmt.Errorf("it ended: %s", log.String())
		case <-deadline.C:
			return fmt.Errorf("it is not ready")
		}
	}
}

// kill ends the host as the machine would.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// encodings are those of clients.
var encodings = []string{"bare", "cbor", "json"}

// inEach runs a test with a client in each encoding.
func inEach(t *testing.T, f func(t *testing.T, c *client.Client)) {
	for _, name := range encodings {
		t.Run(name, func(t *testing.T) { f(t, newClient(t, client.Options{Encoding: name})) })
	}
}

// encodingOf is that of a test of inEach.
func encodingOf(t testing.TB) string { return t.Name()[strings.LastIndexByte(t.Name(), '/')+1:] }

// newClient returns a client of the host with the token of ann.
func newClient(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	if o.Token == "" {
		o.Token = token
	}
	c, err := client.New(endpoint, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// stranger returns a client with an address of its own: the host lets an address that it has refused wait, each time
// for longer.
func stranger(t testing.TB, o client.Options) *client.Client {
	t.Helper()
	d := net.Dialer{}
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is this machine
		n := addresses.Add(1)
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}
	}
	transport := &http.Transport{DialContext: d.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	o.HTTP = &http.Client{Transport: transport}
	return newClient(t, o)
}

var addresses, keys atomic.Int64

// newKey returns the key of an actor that no other test has.
func newKey() string { return "k" + strconv.FormatInt(keys.Add(1), 10) }

// within returns a context that ends long after anything should have happened.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// must returns v, of a call that must not fail.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
