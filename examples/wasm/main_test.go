//go:build !wasip1

// Package wasm_test runs the guests to learn from on a whole host: a store on disk, guests built from source,
// and a clock that the test moves. Each guest has tests of its own, without a host, beside it.
package wasm_test

import (
	"encoding/json"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// TestMain lets the test binary be a compile worker.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	os.Exit(m.Run())
}

// host is a host with some of the guests.
type host struct {
	*actorstest.Stack
	*actorstest.Clock
	t *testing.T
}

// open starts a host and uploads guests of this folder.
func open(t *testing.T, guests ...string) *host {
	t.Helper()
	h := &host{t: t, Clock: actorstest.NewClock()}
	h.start("")
	for _, g := range guests {
		h.Upload(tenants.Default, g, "examples/wasm/"+g)
	}
	return h
}

func (h *host) start(dir string) {
	h.Stack = actorstest.Open(h.t, actorstest.Options{Dir: dir, Config: func(c *actors.Config) {
		c.Now = h.Clock.Now
		c.IdleTime = 50 * time.Millisecond // so that actors sleep, and wake, now and then
	}})
}

// restart ends the host, and starts it again on its data after a while.
func (h *host) restart(after time.Duration) {
	h.t.Helper()
	h.Close()
	h.Clock.Advance(after)
	h.start(h.Dir)
}

// pass lets time go by.
func (h *host) pass(d time.Duration) {
	h.Clock.Advance(d)
	h.Host.Look()
}

// actor returns an actor, made if there is none.
func (h *host) actor(name string, key ...string) tenants.ActorID {
	h.t.Helper()
	return h.Actor(tenants.Default, name, key...)
}

// as calls an action as somebody whom the host has verified.
func (h *host) as(subject string, id tenants.ActorID, action string, args ...any) error {
	h.t.Helper()
	list, err := json.Marshal(args)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = h.Host.Call(h.t.Context(), id, actors.Request{Action: action, Args: list, Caller: subject})
	return err
}

// get calls an action that must succeed and returns its result.
func get[T any](h *host, id tenants.ActorID, action string, args ...any) (v T) {
	h.t.Helper()
	h.MustCall(id, &v, action, args...)
	return v
}

// together runs f for 0 to n-1 at once, and waits.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}
