package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// What one says, all hear that have subscribed; answers come in the order of the requests, and a socket that says
// something else is closed.
func TestRoom(t *testing.T) {
	w, err := createLog(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	s := httptest.NewServer(newCounters(w))
	defer s.Close()
	dial := func() *websocket.Conn {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/gateway/room/connect?rvt-key=k", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second)) // it is open
		return c
	}
	say := func(c *websocket.Conn, message string) {
		if err := c.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(c *websocket.Conn, want string) {
		t.Helper()
		if _, got, err := c.ReadMessage(); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	request := func(name, args string) string {
		return `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","7"],"name":"` + name + `","args":` + args + `}}}`
	}
	a, b := dial(), dial()
	hears(a, `"tag":"Init"`)
	hears(b, `"tag":"Init"`)
	say(b, `{"body":{"tag":"SubscriptionRequest","val":{"eventName":"said","subscribe":true}}}`)
	say(b, request("nop", "[]"))
	hears(b, `{"id":["$BigInt","7"],"output":["$Undefined",0]}`)
	say(a, request("increment", "[2]"))
	say(a, request("increment", "[3]"))
	say(a, request("say", `[1,"hello"]`))
	hears(a, `"output":2}`)
	hears(a, `"output":5}`)
	hears(a, `"output":["$Undefined",0]}`)
	hears(b, `{"name":"said","args":[1,"hello"]}`)
	say(a, request("fly", "[]"))
	if _, m, err := a.ReadMessage(); err == nil {
		t.Errorf("after nonsense it said %s", m)
	}
}
