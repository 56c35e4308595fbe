package main

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// An unknown outcome: the caller gets a 503 that no client retries by itself, the host says that it
// is not ready, and the process ends with an error. After a restart the log has decided.
func TestUnknownOutcomeEndsTheProcess(t *testing.T) {
	var gate *kvtest.Gate
	c := nodeConfig{
		data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", key: make([]byte, 32), dev: true, log: slog.New(slog.DiscardHandler),
		wrapStore: func(s kv.Store) kv.Store { gate = kvtest.NewGate(s); return gate },
	}
	n, err := startNode(c)
	if err != nil {
		t.Fatal(err)
	}
	p := reach(t, n.url())
	if a := p.request("PUT", "/modules/counter", "", actorstest.Guest(t, "examples/wasm/counter")); a.status != http.StatusCreated {
		t.Fatalf("upload: %s", a)
	}
	id := p.actor("", "counter", "k")
	p.output("", id, "increment", "[1]")
	gate.Unknown(1, true)
	ended := make(chan error, 1)
	answered := make(chan answer, 1)
	go func() { // ends with the answer
		a, _ := p.try("POST", "/gateway/"+id+"/action/increment", "", `{"args":[1]}`)
		answered <- a
	}()
	go func() { ended <- n.wait(context.Background()) }()
	if a := <-answered; a.status != http.StatusServiceUnavailable || a.code() != "actor/outcome_unknown" || a.header.Get("Retry-After") != "" {
		t.Errorf("the call was answered %s", a)
	}
	if err := <-ended; err == nil {
		t.Error("the process ends as if all were well")
	}
	c.wrapStore = nil
	if n, err = startNode(c); err != nil {
		t.Fatal(err)
	}
	p.URL = n.url()
	if got := p.output("", id, "get", "[]"); got != "2" {
		t.Errorf("after the restart the count is %s, want 2", got)
	}
	if err := n.stop(); err != nil {
		t.Error(err)
	}
}

// Who sees that a host is ready may tell it to stop: it stops in order, also if that comes before anybody waits for it.
func TestSignalRightBehindTheStart(t *testing.T) {
	n, err := startNode(nodeConfig{
		data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", key: make([]byte, 32), dev: true, log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	p := reach(t, n.url())
	if a := p.request("GET", "/readyz", "", nil); a.status != http.StatusOK {
		t.Errorf("ready: %s", a)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if n.store.Writable() == nil {
		t.Error("the store is open")
	}
}
