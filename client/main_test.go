package client_test

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/internal/hosttest"
)

// endpoint and token are those of the host that the tests speak with: the real command, in a process of its own, in
// production mode, with the guests kitchen and script.
var (
	endpoint, token string
	host            *hosttest.Host
)

func TestMain(m *testing.M) {
	os.Exit(hosttest.Main(func() int {
		openHost(setup{log.Default()})
		defer host.Kill()
		return m.Run()
	}))
}

// setup is where that host begins: before the tests.
type setup struct{ *log.Logger }

func (setup) Helper() {}

func openHost(t hosttest.T) {
	host = hosttest.New(t, hosttest.Dir(t))
	if err := actorstest.ShareCompiled(host.Data); err != nil {
		t.Fatalf("%v", err)
	}
	host.Listen = hosttest.FreeAddr(t) // the same after a kill
	host.Args = []string{"--log-level", "warn"}
	host.Start()
	deployer := host.Token("deploy", "default")
	for _, guest := range []string{"kitchen", "script"} {
		host.Run("deploy", filepath.Join(actorstest.Root(), "guest-sdk", "testguests", guest), "--url", host.URL, "--token", deployer)
	}
	endpoint, token = host.URL, host.Token("invoke", "default", "--subject", "ann")
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
