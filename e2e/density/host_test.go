package density

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/internal/hosttest"
)

func TestMain(m *testing.M) { os.Exit(hosttest.Main(m.Run)) }

// host is a host in a process of its own, with what its operator may ask.
type host struct {
	*hosttest.Host
	t          testing.TB
	operator   string // a token
	client     http.Client
	readyAfter time.Duration // of the last start
	endedAfter time.Duration // of the last stop
}

// newHost prepares a host that does not run yet, and has the guests if there is a folder that has them.
func newHost(t testing.TB, from string) *host {
	t.Helper()
	h := &host{Host: hosttest.New(t, t.TempDir()), t: t, client: http.Client{Timeout: 5 * time.Minute}}
	h.Args = []string{"--log-level", "warn", "--max-connections-per-client", "16384"}
	if from != "" {
		if err := os.CopyFS(h.Data, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	h.operator = h.Token("operator", "")
	t.Cleanup(h.Kill)
	return h
}

// start begins the process, waits until it is ready, and notes how long that took.
func (h *host) start() {
	h.t.Helper()
	begun := time.Now()
	h.Start()
	h.readyAfter = time.Since(begun)
}

// stop asks the process to end, waits, and notes how long that took.
func (h *host) stop() {
	h.t.Helper()
	begun := time.Now()
	exit := h.Stop()
	h.endedAfter = time.Since(begun)
	if exit != 0 {
		h.t.Fatalf("the host ended with %d: %s", exit, h.Printed())
	}
}

// goroutines ends the process in the way in which Go prints all goroutines, and counts them.
func (h *host) goroutines() int {
	h.t.Helper()
	h.client.CloseIdleConnections()
	h.Cmd.Process.Signal(syscall.SIGQUIT)
	<-h.Done
	n := strings.Count("\n"+h.Printed(), "\ngoroutine ")
	if n == 0 {
		h.t.Fatalf("it prints no goroutines: %.1000s", h.Printed())
	}
	return n
}

// ask sends one request as the operator and decodes the answer, which must be a success.
func (h *host) ask(method, path string, body, answer any) {
	h.t.Helper()
	if err := h.try(method, path, body, answer); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) try(method, path string, body, answer any) error {
	req, err := h.NewRequest(context.Background(), method, path, h.operator, body)
	if err != nil {
		return err
	}
	resp, b, err := hosttest.Send(&h.client, req)
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
	h.ask("PUT", "/modules/"+k.name+"?namespace="+namespace+k.input, actorstest.Guest(h.t, k.guest), nil)
}

// withGuests is the data of a host that has the guests and nothing else, made once: to compile them for each host would
// take longer than all the rest.
var withGuests sync.Once

// openHost starts a host that has the guests.
func openHost(t testing.TB) *host {
	t.Helper()
	guests := filepath.Join(hosttest.Dir(t), "guests")
	withGuests.Do(func() {
		h := newHost(t, "")
		h.Data = guests
		h.start()
		h.upload(tally, "default")
		h.upload(plugin, "default")
		h.stop()
	})
	h := newHost(t, guests)
	h.start()
	return h
}

// metric reads one number of what the host says of itself.
func (h *host) metric(name string) float64 {
	h.t.Helper()
	var text string
	h.ask("GET", "/metrics", nil, &text)
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
