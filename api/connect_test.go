package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func step(op string, args ...any) actorstest.Step { return actorstest.S(op, args...) }

// on makes a kind of turn run a script from now on.
func (l *live) on(id tenants.ActorID, kind abi.Kind, steps ...actorstest.Step) {
	l.MustDo(id, step("kv_put", fmt.Sprintf("on/%d", kind), actorstest.Script(steps...)))
}

func (l *live) conns(id tenants.ActorID) int {
	l.t.Helper()
	list, err := l.Host.Connections(context.Background(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return len(list)
}

// Init first, then subscriptions, and an event before the answer of its action.
func TestConnection(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "events", "a")
	l.on(id, abi.KindConnect, step("conn_state_set", "$CONN", `{"seat":7}`), step("conn_send", "$CONN", "welcome", `["you",{"n":1}]`))
	c := dial(t, l.path("events", "a", "connect")+"&x=1", []string{"rivet", "rivet_encoding.json", "rivet_conn_params.%7B%22p%22%3A%22%C3%BC%2C%22%7D"}, "X-Mine: 1", "Authorization: Bearer mine")
	if c.Subprotocol() != "rivet" {
		t.Errorf("sub-protocol %q", c.Subprotocol())
	}
	var init struct {
		Body struct {
			Tag string
			Val struct{ ActorID, ConnectionID string }
		}
	}
	if err := json.Unmarshal([]byte(c.next()), &init); err != nil || init.Body.Tag != "Init" || init.Body.Val.ActorID != id.String() || len(init.Body.Val.ConnectionID) != 36 {
		t.Errorf("init %+v %v", init, err)
	}
	c.want(msgEvent("welcome", `["you",{"n":1}]`))
	c.send(msgSubscribe("count", true))
	c.send(msgDo(0, step("broadcast", "count", `[1]`), step("broadcast", "other", `[]`)))
	c.send(msgDo(1, step("broadcast", "count", `[2]`)))
	c.want(msgEvent("count", "[1]"), msgResponse(0, `[{"n":0},{"n":0}]`), msgEvent("count", "[2]"), msgResponse(1, `[{"n":0}]`))
	c.send(msgSubscribe("count", false))
	c.send(msgDo(2, step("broadcast", "count", `[3]`)))
	c.want(msgResponse(2, `[{"n":0}]`))
	c.send(msgAction(3, "nop", "[]"))
	c.send(msgAction(1<<40, "echo", `[["$BigInt","5"],["$$x",1]]`))
	c.send(msgAction(5, "echo", `["$y"]`))
	c.want(msgResponse(3, `["$Undefined",0]`), msgResponse(1<<40, `[["$BigInt","5"],["$$x",1]]`), msgResponse(5, `["$y"]`))
	c.send(msgDo(6, step("user", "no", "not today")))
	c.want(`{"body":{"tag":"Error","val":{"group":"user","code":"no","message":"not today","actionId":["$BigInt","6"]}}}`)
	c.send(msgAction(7, "nothing", `[]`))
	c.want(msgError("actor", "action_not_found"))
	c.send(msgDo(8, step("trap")))
	c.want(msgError("actor", "trapped"))
	c.send(msgDo(9, step("turn")))
	got := c.next()
	for _, want := range []string{`\"caller\":\"ann\"`, `seat`, `\\\"p\\\":\\\"ü,\\\"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the guest did not see %s in %s", want, got)
		}
	}
	seen := l.Seen(id)
	head := seen[len(seen)-1].Head
	for _, want := range []string{`"method":"GET"`, `"url":"/connect?x=1"`, `"x-mine":["1"]`, `"remote":"127.0.0.1"`} {
		if !strings.Contains(head, want) {
			t.Errorf("the guest did not see %s in %s", want, head)
		}
	}
	if strings.Contains(head, "rvt-") || strings.Contains(head, "authorization") || strings.Contains(head, "eyJ") || strings.Contains(head, "websocket") {
		t.Errorf("the guest saw %s", head)
	}
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "Disposed"))
	c.want("close 1000 ")
	kvtest.Eventually(t, "the guest is told", func() bool { return strings.HasSuffix(l.Kinds(id), " 7") })
	seen = l.Seen(id)
	if got := seen[len(seen)-1].Head; got != `{"code":1000,"reason":"Disposed","clean":true}` {
		t.Errorf("the guest saw %s", got)
	}
}

// A refused client gets the error and a close with its code, and leaves nothing.
func TestConnectionRefused(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "events", "a")
	for _, tt := range []struct {
		name string
		last actorstest.Step
		want []string
	}{
		{"user error", step("user", "forbidden", "no entry"), []string{`{"body":{"tag":"Error","val":{"group":"user","code":"forbidden","message":"no entry","actionId":null}}}`, "close 1011 user.forbidden"}},
		{"hidden", step("hidden", "secret boom"), []string{msgError("rivetkit", "internal_error"), "close 1011 rivetkit.internal_error"}},
		{"trap", step("trap"), []string{msgError("actor", "trapped"), "close 1011 actor.trapped"}},
	} {
		l.on(id, abi.KindConnect, step("conn_send", "$CONN", "x", `[]`), tt.last)
		c := dial(t, l.path("events", "a", "connect"), rivet)
		c.want(tt.want...)
	}
	if n := l.conns(id); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	l.Host.Drain(context.Background())
	c := dial(t, l.path("events", "a", "connect"), rivet)
	c.want(msgError("guard", "service_unavailable"), "close 1011 guard.service_unavailable")
}

// What is wrong with an upgrade is told on the socket, with the code of Rivet's clients.
func TestBadUpgrades(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "script", "a").String()
	auth := "Authorization: Bearer " + l.token(time.Hour)
	for _, tt := range []struct {
		name, path string
		protocols  []string
		want       []string
	}{
		{"unknown encoding", "/gateway/" + id + "/connect", []string{"rivet", "rivet_encoding.yaml"}, []string{"close 1003 actor.unsupported_websocket_encoding"}},
		{"no such actor", "/gateway/script/connect?rvt-method=get&rvt-key=none", rivet, []string{msgError("actor", "not_found"), "close 1011 actor.not_found"}},
		{"malformed id", "/gateway/xyz/connect", rivet, []string{msgError("actor", "not_found"), "close 1011 actor.not_found"}},
		{"unknown parameter", "/gateway/script/connect?rvt-method=get&rvt-x=1", rivet, []string{msgError("guard", "query_invalid_params"), "close 1011 guard.query_invalid_params"}},
		{"foreign namespace", "/gateway/script/connect?rvt-method=get&rvt-namespace=x", rivet, []string{msgError("namespace", "not_found"), "close 1011 namespace.not_found"}},
		{"params that are no JSON", "/gateway/" + id + "/connect", append([]string{"rivet_conn_params.%7B"}, rivet...), []string{msgError("guard", "invalid_request"), "close 1011 guard.invalid_request"}},
		{"params twice", "/gateway/" + id + "/connect", append([]string{"rivet_conn_params.1", "rivet_conn_params.2"}, rivet...), []string{msgError("guard", "invalid_request"), "close 1011 guard.invalid_request"}},
		{"params too long", "/gateway/" + id + "/connect", append([]string{"rivet_conn_params.%22" + strings.Repeat("x", abi.MaxConnParams) + "%22"}, rivet...), []string{msgError("guard", "invalid_request"), "close 1011 guard.invalid_request"}},
		{"no handler", "/gateway/" + id + "/websocket", rivet, []string{"close 1011 actor.no_handler"}},
		{"raw, no such actor", "/gateway/script/websocket/x?rvt-method=get&rvt-key=none", rivet, []string{"close 1011 actor.not_found"}},
	} {
		t.Run(tt.name, func(t *testing.T) { dial(t, l.url+tt.path, tt.protocols, auth).want(tt.want...) })
	}
	for name, header := range map[string][]string{"no version": {"Sec-Websocket-Version", "12"}, "no key": {"Sec-Websocket-Key", "x"}} {
		r, _ := http.NewRequest("GET", strings.Replace(l.url, "ws", "http", 1)+"/gateway/"+id+"/connect", nil)
		for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", header[0]: header[1]} {
			r.Header.Set(k, v)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 400 || !strings.Contains(string(body), `"invalid_request"`) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

// A token may stand in each of its places, and a socket ends with its token.
func TestTokensOfSockets(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id, token := l.Actor(tenants.Default, "script", "a").String(), l.token(time.Hour)
	for name, tt := range map[string]struct {
		path      string
		protocols []string
		header    string
	}{
		"path":         {"/gateway/" + id + "@" + token + "/connect", rivet, ""},
		"query":        {"/gateway/script/connect?rvt-method=get&rvt-key=a&rvt-token=" + token, rivet, ""},
		"sub-protocol": {"/gateway/" + id + "/connect", append([]string{"rivet_token." + token}, rivet...), ""},
		"header":       {"/gateway/" + id + "/connect", rivet, "X-Rivet-Token: " + token},
		"bearer":       {"/gateway/" + id + "/connect", rivet, "Authorization: Bearer " + token},
		"prefix":       {"/api/rivet/gateway/" + id + "/connect", nil, "Authorization: Bearer " + token},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, l.url+tt.path, tt.protocols, tt.header)
			c.want(msgInit)
		})
	}
	c := dial(t, l.url+"/gateway/"+id+"/connect", rivet, "Authorization: Bearer "+l.token(2*time.Second))
	c.want(msgInit, "close 4401 auth.token_expired")
}

// What a client of ours does wrong on a connection, and how it ends.
func TestMalformedMessages(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "script", "a")
	invalid := "close 1011 actor.invalid_request"
	for name, tt := range map[string]struct {
		kind int
		data string
		want string
	}{
		"no JSON":             {websocket.TextMessage, `{`, invalid},
		"empty":               {websocket.TextMessage, ``, invalid},
		"binary":              {websocket.BinaryMessage, msgAction(0, "nop", "[]"), invalid},
		"no body":             {websocket.TextMessage, `{}`, invalid},
		"unknown tag":         {websocket.TextMessage, `{"body":{"tag":"Init","val":{}}}`, invalid},
		"id that is a number": {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":1,"name":"nop","args":[]}}}`, invalid},
		"id below zero":       {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","-1"],"name":"nop","args":[]}}}`, invalid},
		"id too large":        {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","18446744073709551616"],"name":"nop","args":[]}}}`, invalid},
		"args that are none":  {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","1"],"name":"nop","args":{}}}}`, invalid},
		"no args":             {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","1"],"name":"nop"}}}`, invalid},
		"no name":             {websocket.TextMessage, `{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","1"],"args":[]}}}`, invalid},
		"no event":            {websocket.TextMessage, `{"body":{"tag":"SubscriptionRequest","val":{"subscribe":true}}}`, invalid},
		"subscribe left out":  {websocket.TextMessage, `{"body":{"tag":"SubscriptionRequest","val":{"eventName":"e"}}}`, invalid},
		"nested too deeply":   {websocket.TextMessage, msgAction(0, "nop", strings.Repeat("[", 600)+strings.Repeat("]", 600)), invalid},
		"two values":          {websocket.TextMessage, msgAction(0, "nop", "[]") + "1", invalid},
		"not UTF-8":           {websocket.TextMessage, "\xff", "close 1007 ws.invalid_utf8"},
		"too long":            {websocket.TextMessage, strings.Repeat(" ", abi.MaxSocketMessage+1), "close 1011 message.incoming_too_long"},
		"much too long":       {websocket.TextMessage, strings.Repeat(" ", 8<<20), "close 1011 message.incoming_too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			c := l.connect("script", "a")
			c.t = t
			if err := c.WriteMessage(tt.kind, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			c.want(tt.want)
		})
	}
	long := dial(t, l.path("script", "a", "connect"), rivet)
	long.want(msgInit)
	long.send(msgSubscribe(strings.Repeat("e", abi.MaxEventName+1), true))
	long.want(msgError("guard", "invalid_request"), "close 1011 guard.invalid_request")
	kvtest.Eventually(t, "all are gone", func() bool { return l.conns(id) == 0 })
}

// Frames that break RFC 6455 end the socket with 1002, or by its end.
func TestMalformedFrames(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	mask := "\x01\x02\x03\x04"
	for name, tt := range map[string]struct {
		bytes string
		want  int
	}{
		"unmasked":               {"\x81\x01x", 1002},
		"reserved bit":           {"\xc1\x80" + mask, 1002},
		"unknown opcode":         {"\x83\x80" + mask, 1002},
		"continuation first":     {"\x80\x80" + mask, 1002},
		"data in a fragment":     {"\x01\x80" + mask + "\x81\x80" + mask, 1002},
		"long ping":              {"\x89\xfe\x00\x7e" + mask + strings.Repeat("x", 126), 1002},
		"fragmented ping":        {"\x09\x80" + mask, 1002},
		"close code 1006":        {"\x88\x82" + "\x00\x00\x00\x00" + "\x03\xee", 1002},
		"reason that is no text": {"\x88\x83" + "\x00\x00\x00\x00" + "\x03\xe8\xff", 1002},
		"length of 2^63":         {"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00" + mask, 1011},
		"length of 2^62":         {"\x82\xff\x40\x00\x00\x00\x00\x00\x00\x00" + mask + strings.Repeat("x", abi.MaxSocketMessage+1), 1011},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := rawSocket(t, l.path("script", "a", "connect"), "Sec-WebSocket-Protocol: rivet\r\n")
			if _, err := io.WriteString(c, tt.bytes); err != nil {
				t.Fatal(err)
			}
			if got := readCloseCode(t, r); got != tt.want {
				t.Errorf("close code %d, want %d", got, tt.want)
			}
		})
	}
}

// readCloseCode reads unmasked frames up to a close, and what is behind it.
func readCloseCode(t *testing.T, r io.Reader) int {
	t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Fatalf("no close: %v", err)
		}
		n := int64(head[1])
		if n == 126 {
			var more [2]byte
			io.ReadFull(r, more[:])
			n = int64(more[0])<<8 | int64(more[1])
		}
		payload, err := io.ReadAll(io.LimitReader(r, n))
		if err != nil {
			t.Fatal(err)
		}
		if head[0]&0x0f == opClose {
			return int(payload[0])<<8 | int(payload[1])
		}
	}
}

// A kick closes with the guest's reason.
func TestKick(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "events", "a")
	c := l.connect("events", "a")
	list, _ := l.Host.Connections(t.Context(), id)
	l.MustDo(id, step("conn_disconnect", list[0].ID, "kicked"))
	c.want("close 1000 kicked")
	kvtest.Eventually(t, "the guest is told", func() bool { return strings.HasSuffix(l.Kinds(id), " 7") })
	seen := l.Seen(id)
	if got := seen[len(seen)-1].Head; got != `{"code":1000,"reason":"kicked","clean":true}` {
		t.Errorf("the guest saw %s", got)
	}
	other := l.connect("events", "a")
	if err := l.Host.Destroy(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	other.want("close 1011 actor.destroyed")
}

// A refused subscription ends the connection with its code.
func TestSubscriptionRefused(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "hooked", "a")
	l.on(id, abi.KindSubscribe, step("user", "forbidden", "not for you"))
	c := l.connect("hooked", "a")
	c.send(msgSubscribe("secret", true))
	c.want(msgError("user", "forbidden"), "close 1011 user.forbidden")
}

// Raw sockets pass text as text, bytes as bytes, and closes both ways.
func TestRawSocket(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "raw", "a")
	c := dial(t, l.path("raw", "a", "websocket/sub/x")+"&y=1", []string{"rivet", "rivet_encoding.bare", "rivet_conn_params.1"})
	l.on(id, abi.KindMessage, step("socket_send", "$CONN", "$ARGS", 1), step("socket_send", "$CONN", "$ARGS", 0))
	c.send("hello ü")
	c.want("hello ü", `binary "hello ü"`)
	if err := c.WriteMessage(websocket.BinaryMessage, []byte("x\x00")); err != nil {
		t.Fatal(err)
	}
	c.want("x\x00", `binary "x\x00"`)
	seen := l.Seen(id)
	if got := seen[1]; got.Kind != int(abi.KindOpen) || !strings.Contains(got.Head, `"url":"/websocket/sub/x?y=1"`) || !strings.Contains(got.Conn, `"kind":"socket","params":1`) {
		t.Errorf("the guest saw %+v", got)
	}
	if seen[2].Head != `{"text":true}` || seen[3].Head != `{}` || seen[2].Args != "hello ü" {
		t.Errorf("the guest saw %+v", seen[2:])
	}
	l.on(id, abi.KindMessage, step("socket_close", "$CONN", 4001, "app.bye"))
	c.send("bye")
	c.want("close 4001 app.bye")
	kvtest.Eventually(t, "the guest is told", func() bool { return strings.HasSuffix(l.Kinds(id), " 12") })
	c = dial(t, l.path("raw", "a", "websocket"), nil)
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4002, "mine"))
	c.want("close 4002 ")
	kvtest.Eventually(t, "the guest is told twice", func() bool { return strings.HasSuffix(l.Kinds(id), " 12 10 12") })
	seen = l.Seen(id)
	if got := seen[len(seen)-1].Head; got != `{"code":4002,"reason":"mine","clean":true}` {
		t.Errorf("the guest saw %s", got)
	}
	c = dial(t, l.path("raw", "a", "websocket"), nil)
	l.on(id, abi.KindMessage, step("trap"))
	c.send("x")
	c.want("close 1011 actor.trapped")
	c = dial(t, l.path("raw", "a", "websocket"), nil)
	_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, abi.MaxSocketMessage+1))
	c.want("close 1009 message.incoming_too_long")
}

// A raw socket's own sub-protocol is answered, for browsers.
func TestRawSubprotocol(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	c := dial(t, l.path("raw", "a", "websocket"), []string{"rivet_token." + l.token(time.Hour), "chat.v1", "chat.v2"})
	if c.Subprotocol() != "chat.v1" {
		t.Errorf("sub-protocol %q", c.Subprotocol())
	}
}

// Pages of origins that the manifest does not name are refused.
func TestOriginOfSockets(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	dial(t, l.path("pages", "a", "connect"), rivet, "Origin: https://good.example").want(msgInit)
	dial(t, l.path("pages", "a", "connect"), rivet, "Origin: https://evil.example").want(msgError("auth", "forbidden_origin"), "close 1011 auth.forbidden_origin")
	c := dial(t, l.path("pages", "a", "websocket"), rivet, "Origin: https://good.example")
	_ = c.WriteMessage(websocket.BinaryMessage, make([]byte, 101)) // past the manifest's limit
	c.want("close 1009 message.incoming_too_long")
}

// In dev, pages of other sites do not reach the host by a socket either.
func TestDevSocketsRefuseForeignPages(t *testing.T) {
	l := openLive(t, actorstest.Options{}, func(c *Config) { c.Dev = true })
	url := l.url + "/gateway/script/connect?rvt-method=getOrCreate"
	dial(t, url, rivet).want(msgInit)
	dial(t, url, rivet, "Origin: http://localhost:5173").want(msgInit)
	dial(t, url, rivet, "Origin: https://evil.example").want(msgError("auth", "forbidden"), "close 1011 auth.forbidden")
	dial(t, url, rivet, "Origin: null").want(msgError("auth", "forbidden"), "close 1011 auth.forbidden")
}

// Nothing leaves a socket before its commit; an upgrade of the version keeps it.
func TestSocketsWaitForTheCommit(t *testing.T) {
	var gate *kvtest.Gate
	l := openLive(t, actorstest.Options{Store: func(s kv.Store) kv.Store { gate = kvtest.NewGate(s); return gate }})
	id := l.Actor(tenants.Default, "script", "a")
	c := l.connect("script", "a")
	c.send(msgSubscribe("e", true))
	c.send(msgAction(0, "nop", "[]"))
	c.want(msgResponse(0, `["$Undefined",0]`))
	gate.Hold()
	c.send(msgDo(1, step("kv_put", "k", "v"), step("broadcast", "e", `[1]`)))
	gate.AwaitHeld(t, 1)
	sent := make(chan string, 1)
	go func() { sent <- c.next() }()
	select {
	case got := <-sent:
		t.Errorf("%s left before the commit", got)
	case <-time.After(50 * time.Millisecond):
	}
	gate.Resume()
	if got := <-sent; got != msgEvent("e", "[1]") {
		t.Errorf("got %s", got)
	}
	c.want(msgResponse(1, `[{"n":0},{"n":0}]`))
	gate.Refuse(1, kv.ErrReadOnly)
	c.send(msgDo(2, step("kv_put", "k", "w"), step("broadcast", "e", `[2]`)))
	c.want(msgError("core", "storage_full"))
	wasm := append(append([]byte{}, actorstest.Guest(t, actorstest.ScriptGuest)...), 0, 3, 1, 'v', '2')
	l.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, wasm)
	l.MustDo(id, step("broadcast", "e", `[3]`))
	c.want(msgEvent("e", "[3]"))
}

// A reader that takes nothing is closed; the others do not feel it.
func TestSlowSocket(t *testing.T) {
	l := openLive(t, actorstest.Options{}, func(c *Config) { c.SocketWriteTimeout = 3 * time.Second })
	id := l.Actor(tenants.Default, "script", "a")
	slow, quick := l.connect("script", "a"), l.connect("script", "a")
	if tcp, ok := slow.NetConn().(interface{ SetReadBuffer(int) error }); ok {
		_ = tcp.SetReadBuffer(4096)
	}
	for _, c := range []*ws{slow, quick} {
		c.send(msgSubscribe("e", true))
		c.send(msgAction(0, "nop", "[]"))
		c.want(msgResponse(0, `["$Undefined",0]`))
	}
	payload := `["` + strings.Repeat("x", 200<<10) + `"]`
	const events = 60 // 12 MiB, more than sockets and kernel hold
	for range events {
		l.MustDo(id, step("broadcast", "e", payload))
		quick.want(msgEvent("e", payload))
	}
	kvtest.Eventually(t, "the slow one is gone", func() bool { return l.conns(id) == 1 })
	st := l.srv.Stats()
	if st.SocketsOpened != 2 || st.SlowReaders != 1 || st.FramesIn < 4 || st.FramesOut < events || st.BytesOut < events*200<<10 || st.BytesIn == 0 {
		t.Errorf("the sockets are told as %+v", st)
	}
	quick.send(msgAction(1, "nop", "[]"))
	quick.want(msgResponse(1, `["$Undefined",0]`))
}

// Bursts of as many events as are kept for a reader reach every one that reads, however late its turn to be written to comes.
func TestBurst(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "script", "a")
	const readers, burst = 20, maxQueued - 1 // a ping may be among them
	all := make([]*ws, readers)
	for i := range all {
		all[i] = l.connect("script", "a")
		all[i].send(msgSubscribe("e", true))
		all[i].send(msgAction(0, "nop", "[]"))
		all[i].want(msgResponse(0, `["$Undefined",0]`))
	}
	for first := 0; first < abi.MaxEvents; first += burst {
		var steps []actorstest.Step
		var want []string
		for i := range burst {
			steps = append(steps, step("broadcast", "e", fmt.Sprintf("[%d]", first+i)))
			want = append(want, msgEvent("e", fmt.Sprintf("[%d]", first+i)))
		}
		l.MustDo(id, steps...)
		each(readers, func(i int) { all[i].want(want...) })
	}
}

// A thousand sockets outlive their actor's sleep, and get what it broadcasts.
func TestThousandSockets(t *testing.T) {
	l := openLive(t, actorstest.Options{Config: func(c *actors.Config) { c.IdleTime = 100 * time.Millisecond }})
	id := l.Actor(tenants.Default, "script", "a")
	const n = 1000
	all := make([]*ws, n)
	url := l.path("script", "a", "connect")
	each(n, func(i int) {
		all[i] = dial(t, url, rivet)
		all[i].want(msgInit)
		all[i].send(msgSubscribe("e", true))
	})
	for round := range 2 {
		kvtest.Eventually(t, "the actor sleeps", func() bool { awake, _ := l.Host.Awake(); return awake == 0 })
		all[round].send(msgDo(round, step("broadcast", "e", fmt.Sprintf("[%d]", round))))
		each(n, func(i int) { all[i].want(msgEvent("e", fmt.Sprintf("[%d]", round))) })
		all[round].want(msgResponse(round, `[{"n":0}]`))
	}
	each(n, func(i int) { all[i].Close() })
	kvtest.Eventually(t, "all are gone", func() bool { return l.conns(id) == 0 })
}

// each runs f for each number, at most a hundred at a time.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	room := make(chan struct{}, 100)
	for i := range n {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			f(i)
		})
	}
	wg.Wait()
}

// A stopping server closes its sockets as going away, after the answers that they wait for.
func TestGoAway(t *testing.T) {
	var gate *kvtest.Gate
	l := openLive(t, actorstest.Options{Store: func(s kv.Store) kv.Store { gate = kvtest.NewGate(s); return gate }})
	idle, busy := l.connect("script", "a"), l.connect("script", "a")
	gate.Hold()
	busy.send(msgDo(0, step("kv_put", "k", "v")))
	gate.AwaitHeld(t, 1)
	l.srv.GoAway()
	idle.want("close 1001 ws.going_away")
	dial(t, l.path("script", "a", "connect"), rivet).want("close 1001 ws.going_away")
	gate.Resume()
	busy.want(msgResponse(0, `[{"n":0}]`), "close 1001 ws.going_away")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := l.srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// A peer that does not answer pings is let go; one that does stays.
func TestPings(t *testing.T) {
	l := openLive(t, actorstest.Options{}, func(c *Config) { c.PingInterval, c.PongTimeout = 50*time.Millisecond, 2*time.Second })
	id := l.Actor(tenants.Default, "script", "a")
	alive := l.connect("script", "a")
	pings := make(chan struct{}, 100)
	alive.SetPingHandler(func(data string) error {
		pings <- struct{}{}
		return alive.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	answered := make(chan string, 1)
	go func() { answered <- alive.next() }()
	rawSocket(t, l.path("script", "a", "connect"), "Sec-WebSocket-Protocol: rivet\r\n")
	kvtest.Eventually(t, "both are there", func() bool { return l.conns(id) == 2 })
	kvtest.Eventually(t, "the silent one is let go", func() bool { return l.conns(id) == 1 })
	for range 10 {
		<-pings
	}
	alive.send(msgAction(0, "nop", "[]"))
	if got := <-answered; got != msgResponse(0, `["$Undefined",0]`) {
		t.Errorf("the answering one got %s", got)
	}
}

// An actor says itself how its clients show that they live, and how long their messages are.
func TestOptionsOfSockets(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "bounds", "a")
	alive := l.connect("bounds", "a")
	answered := make(chan string, 1)
	go func() { answered <- alive.next() }() // reading answers pings
	rawSocket(t, l.path("bounds", "a", "connect"), "Sec-WebSocket-Protocol: rivet\r\n")
	kvtest.Eventually(t, "both are there", func() bool { return l.conns(id) == 2 })
	kvtest.Eventually(t, "the silent one is let go long before the host's 30 s", func() bool { return l.conns(id) == 1 })
	alive.send(msgAction(0, "nop", "[]"))
	if got := <-answered; got != msgResponse(0, `["$Undefined",0]`) {
		t.Errorf("the answering one got %s", got)
	}
	alive.send(`"` + strings.Repeat("x", 1000) + `"`)
	alive.want("close 1011 message.incoming_too_long")
}

// A stateless action on a module with connection hooks brings its params and head.
func TestConnParamsHeader(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	url := strings.Replace(l.path("events", "a", "action/do"), "ws", "http", 1) + "&x=1"
	post := func(params string) (int, string) {
		r, err := http.NewRequest("POST", url, strings.NewReader(`{"args":[`+actorstest.Script(step("turn"))+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Rivet-Conn-Params", params)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	status, body := post(`{"p":1}`)
	for _, want := range []string{`\"hooks\":true`, `\\\"kind\\\":\\\"request\\\"`, `\\\"p\\\":1`, `/action/do?x=1`} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, no %s in %s", status, want, body)
		}
	}
	if status, body := post(`{`); status != 400 {
		t.Errorf("params that are no JSON: %d %s", status, body)
	}
}
