package endure

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/internal/hosttest"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m.Run)) }

// host is a host in a process of its own, and how its test speaks with it.
type host struct {
	*hosttest.Host
	t    testing.TB
	http *http.Client
}

// newHost prepares a host that does not run yet.
func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{Host: hosttest.New(t, t.TempDir()), t: t}
	h.Args = []string{"--log-level", "warn"}
	h.http = &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	t.Cleanup(h.http.CloseIdleConnections)
	t.Cleanup(h.Kill)
	return h
}

// faults returns what the host logged as its own faults, and what Go prints of a crash.
func (h *host) faults() string {
	var b strings.Builder
	for line := range strings.Lines(h.Printed()) {
		for _, word := range []string{"level=ERROR", "panic:", "fatal error:", "SIGSEGV", "SIGBUS", "goroutine "} {
			if strings.Contains(line, word) {
				b.WriteString(line)
				break
			}
		}
	}
	return b.String()
}

// client returns a client for the process that runs now.
func (h *host) client(token string) *client.Client {
	h.t.Helper()
	c, err := client.New(h.URL, client.Options{Token: token, HTTP: h.http})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// verify fails unless everything that the stopped host keeps agrees.
func (h *host) verify() {
	h.t.Helper()
	h.Run("verify", "--data", h.Data)
}
