package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// live is a server over a whole real host: store, sandbox, guests.
type live struct {
	*actorstest.Stack
	t    testing.TB
	keys *tenants.Keyring
	srv  *Server
	url  string // ws://…
}

// openLive starts one with the scripted guest uploaded.
func openLive(t testing.TB, o actorstest.Options, change ...func(*Config)) *live {
	t.Helper()
	l := &live{Stack: actorstest.Open(t, o), t: t, keys: newKeyring(t)}
	l.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	cfg := Config{Actors: l.Host, Registry: l.Registry, Keyring: l.keys, RejectDelay: time.Millisecond, GoAwayJitter: time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if l.srv, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go l.srv.Serve(ln) // ends with Shutdown
	l.url = "ws://" + ln.Addr().String()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		l.srv.Shutdown(ctx)
	})
	return l
}

func (l *live) token(ttl time.Duration) string {
	l.t.Helper()
	s, err := l.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, Subject: "ann", TTL: ttl})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// ws is a client's end of a socket.
type ws struct {
	*websocket.Conn
	t testing.TB
}

// rivet are the sub-protocols of a client that speaks JSON.
var rivet = []string{"rivet", "rivet_encoding.json"}

// dial opens a socket that the server must answer with 101.
func dial(t testing.TB, url string, protocols []string, header ...string) *ws {
	t.Helper()
	h := http.Header{}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	d := websocket.Dialer{Subprotocols: protocols, ReadBufferSize: 4096}
	c, resp, err := d.Dial(url, h)
	if err != nil {
		t.Fatalf("dial: %v %v", err, resp)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	return &ws{c, t}
}

// next returns the next message, or how the socket was closed: "close 1000 reason".
func (c *ws) next() string {
	kind, data, err := c.ReadMessage()
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("close %d %s", closed.Code, closed.Text)
	case err != nil:
		return "error " + err.Error()
	case kind == websocket.BinaryMessage:
		return fmt.Sprintf("binary %q", data)
	}
	return string(data)
}

// want reads messages and compares each; one that ends in … is a beginning.
func (c *ws) want(want ...string) {
	c.t.Helper()
	for _, w := range want {
		got := c.next()
		if begin, cut := strings.CutSuffix(w, "…"); got != w && !(cut && strings.HasPrefix(got, begin)) {
			c.t.Fatalf("got %s\nwant %s", got, w)
		}
	}
}

func (c *ws) send(text string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// Messages of Rivet's JSON.
func msgAction(n int, name, args string) string {
	return fmt.Sprintf(`{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","%d"],"name":%q,"args":%s}}}`, n, name, args)
}

func msgDo(n int, steps ...actorstest.Step) string {
	return msgAction(n, "do", "["+actorstest.Script(steps...)+"]")
}

func msgSubscribe(event string, on bool) string {
	return fmt.Sprintf(`{"body":{"tag":"SubscriptionRequest","val":{"eventName":%q,"subscribe":%v}}}`, event, on)
}

func msgEvent(name, args string) string {
	return fmt.Sprintf(`{"body":{"tag":"Event","val":{"name":%q,"args":%s}}}`, name, args)
}

func msgResponse(n int, output string) string {
	return fmt.Sprintf(`{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","%d"],"output":%s}}}`, n, output)
}

func msgError(group, code string) string {
	return fmt.Sprintf(`{"body":{"tag":"Error","val":{"group":%q,"code":%q,…`, group, code)
}

const msgInit = `{"body":{"tag":"Init","val":{"actorId":…`

// connect opens a connection to an actor and reads its Init.
func (l *live) connect(name, key string) *ws {
	l.t.Helper()
	c := dial(l.t, l.path(name, key, "connect"), rivet)
	c.t = l.t
	c.want(msgInit)
	return c
}

// path returns the URL of a gateway path of an actor.
func (l *live) path(name, key, rest string) string {
	return fmt.Sprintf("%s/gateway/%s/%s?rvt-method=getOrCreate&rvt-key=%s&rvt-token=%s", l.url, name, rest, key, l.token(time.Hour))
}

// refuseStrangersOnSocket is the isolation matrix of a route that upgrades: always 101, and then a refusal.
func refuseStrangersOnSocket(t *testing.T, f *fixture, path string, with, without tenants.Role) {
	t.Helper()
	for _, tt := range []struct{ header, protocol, want string }{
		{"X-Nothing: x", "rivet", "auth.unauthenticated"},
		{"Authorization: Bearer x.y.z", "rivet", "auth.unauthenticated"},
		{"X-Rivet-Token: ", "rivet", "auth.unauthenticated"},
		{"X-Nothing: x", "rivet_token.x.y.z", "auth.unauthenticated"},
		{f.as(without), "rivet", "auth.forbidden"},
		{f.as(with, "other"), "rivet", "actor.not_found"},
	} {
		c := dial(t, "ws"+strings.TrimPrefix(f.url, "http")+path, []string{"rivet", tt.protocol}, tt.header)
		if strings.HasSuffix(path, "/connect") {
			group, code, _ := strings.Cut(tt.want, ".")
			c.want(msgError(group, code))
		}
		c.want("close 1011 " + tt.want)
	}
}

// rawSocket upgrades by hand, for bytes that no client library would send.
func rawSocket(t testing.TB, url, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "ws://"), "/")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, host, request)
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", resp, err)
	}
	return c, r
}
