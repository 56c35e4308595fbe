package main

import (
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// fillable is a host for development and the disk that its data lies on.
type fillable struct {
	how   string
	p     *process
	fill  func(left int64) // until so many bytes are free
	clear func()
}

// injectedDisk runs a host that is told how much is free.
func injectedDisk(t *testing.T) *fillable {
	var free atomic.Int64
	free.Store(1 << 40)
	n, err := startNode(nodeConfig{
		data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", key: make([]byte, 32), dev: true, log: slog.New(slog.DiscardHandler),
		minFree: 64 << 20, free: func() (int64, error) { return free.Load(), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop() })
	return &fillable{
		how:   "free space as it is told",
		p:     reach(t, n.url()),
		fill:  free.Store,
		clear: func() { free.Store(1 << 40) },
	}
}

// A disk becomes full under a running host: from the mark on it does not write, and says so; it reads, to the last
// byte of the disk, and does not end; and it writes again by itself when there is space.
func TestDiskFull(t *testing.T) {
	d := realDisk(t, "dev", filepath.Join(actorstest.Root(), "examples", "wasm", "extism-as", "plugin.wasm"), "--log-level", "error")
	if d == nil { // this machine does not let a process mount a disk of its own
		d = injectedDisk(t)
	}
	t.Log("with", d.how)
	guest := actorstest.Guest(t, "examples/wasm/counter")
	p := d.p
	if a := p.request("PUT", "/modules/counter", "", guest); a.status != http.StatusCreated {
		t.Fatalf("upload: %s", a)
	}
	id, idle := p.actor("", "counter", "k"), p.actor("", "counter", "idle")
	p.output("", id, "increment", "[1]")
	p.output("", idle, "increment", "[7]")
	readyz := func() string { return strings.TrimSpace(string(p.request("GET", "/readyz", "", nil).body)) }
	for _, left := range []int64{32 << 20, 0} {
		d.fill(left)
		p.await("read-only", func() bool { return readyz() == `{"reason":"core/storage_full","status":"read_only"}` })
		for range 20 {
			if a := p.call("", id, "increment", "[1]"); a.status != http.StatusInsufficientStorage || a.code() != "core/storage_full" {
				t.Fatalf("with %d bytes left a turn that writes: %s", left, a)
			}
			if got := p.output("", id, "get", "[]"); got != "1" {
				t.Fatalf("with %d bytes left a turn that reads: %s", left, got)
			}
		}
		if got := p.output("", idle, "get", "[]"); got != "7" {
			t.Errorf("with %d bytes left another actor: %s", left, got)
		}
		for _, r := range []struct {
			method, path string
			body         any
		}{
			{"PUT", "/modules/other", guest},
			{"PUT", "/actors", `{"name":"counter","key":"new","runner_name_selector":"default","crash_policy":"sleep"}`},
			{"PATCH", "/modules/counter", `{"config":{"k":"v"}}`},
		} {
			if a := p.request(r.method, r.path, "", r.body); a.status != http.StatusInsufficientStorage || a.code() != "core/storage_full" {
				t.Errorf("with %d bytes left %s %s: %s", left, r.method, r.path, a)
			}
		}
	}
	d.clear()
	p.await("recovery", func() bool { return readyz() == `{"status":"ok"}` })
	if got := p.output("", id, "increment", "[1]"); got != "2" {
		t.Errorf("after it: %s, want 2", got)
	}
	p.actor("", "counter", "new")
}
