//go:build !wasip1

package wasm_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// visitor is a connected client, and what it was sent.
type visitor struct {
	*actors.Conn
	mu   sync.Mutex // guards sent
	sent []string
}

func (*visitor) Open(*actors.Conn)    {}
func (*visitor) Message([]byte, bool) {}
func (*visitor) Busy() bool           { return false }

func (v *visitor) Event(f *actors.EventFrame) { v.add(f.Name + string(f.Args)) }
func (v *visitor) Close(code int, reason string) {
	v.add(fmt.Sprint("close ", code))
}

func (v *visitor) add(s string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sent = append(v.sent, s)
}

func (v *visitor) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return strings.Join(v.sent, " ")
}

// enter connects a client that follows what happens.
func (h *host) enter(id tenants.ActorID, nick string) (*visitor, error) {
	h.t.Helper()
	params, err := json.Marshal(map[string]string{"nick": nick})
	if err != nil {
		h.t.Fatal(err)
	}
	v := &visitor{}
	r := actors.ConnectRequest{Kind: abi.ConnEvents, Params: params, Head: abi.RequestHead{Method: "GET", URL: "/connect"}}
	if v.Conn, err = h.Host.Connect(h.t.Context(), id, r, v); err != nil {
		return nil, err
	}
	for _, event := range []string{"joined", "left", "typing"} {
		done := make(chan error, 1)
		v.Subscribe(event, true, func(err error) { done <- err })
		if err := <-done; err != nil {
			h.t.Fatal(err)
		}
	}
	return v, nil
}

// Who is there is who is connected: nobody more after a crash, and nobody less while the actor sleeps.
func TestPresence(t *testing.T) {
	h := open(t, "presence")
	page := h.actor("presence", "page")
	if _, err := h.enter(page, ""); !userError(err, "bad_nick") {
		t.Errorf("without a nick: %v", err)
	}
	enter := func(nick string) *visitor {
		t.Helper()
		v, err := h.enter(page, nick)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	here := func() string { return fmt.Sprint(get[[]string](h, page, "here")) }
	bob, ann := enter("bob"), enter("ann")
	again := enter("bob")
	if got := here(); got != "[ann bob]" {
		t.Errorf("here are %s", got)
	}
	done := make(chan error, 1)
	ann.Call(actors.Request{Action: "typing", Args: []byte(`[true]`)}, func(_ actors.Reply, err error) { done <- err })
	if err := <-done; err != nil {
		t.Error(err)
	}

	kvtest.Eventually(t, "the actor sleeps, and nobody has gone", func() bool { awake, _ := h.Host.Awake(); return awake == 0 })
	again.Closed(1001, "", true)
	kvtest.Eventually(t, "ann is told nothing of one window less", func() bool { return here() == "[ann bob]" })
	bob.Closed(1006, "", false)
	const want = `here[["ann","bob"]] typing["ann",true] left["bob"]`
	kvtest.Eventually(t, "ann is told that bob has gone", func() bool { return ann.String() == want || len(ann.String()) > len(want) })
	if got := ann.String(); got != want {
		t.Errorf("ann was sent %s, want %s", got, want)
	}
	if got := bob.String(); !strings.HasPrefix(got, `here[["bob"]] joined["ann"] typing["ann",true]`) {
		t.Errorf("bob was sent %s", got)
	}
	h.restart(time.Second)
	if got := here(); got != "[]" {
		t.Errorf("after a restart here are %s", got)
	}
}
