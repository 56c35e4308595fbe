package api

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/tenants"
)

// wireNames are the encodings of Rivet's clients, their default first.
var wireNames = []string{"bare", "cbor", "json"}

// cborOf returns a JSON value as CBOR.
func cborOf(t testing.TB, value string) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	return mustCBOR(t, v)
}

// nativeOf is cborOf for the encoding cbor, whose clients tag nothing.
func nativeOf(t testing.TB, value string) cbor.RawMessage {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	return mustCBOR(t, untag(v))
}

func untag(v any) any {
	list, ok := v.([]any)
	if !ok {
		if m, ok := v.(map[string]any); ok {
			for name, member := range m {
				m[name] = untag(member)
			}
		}
		return v
	}
	if tag, ok := list[:min(1, len(list))], len(list) == 2; ok {
		switch tag[0] {
		case "$BigInt":
			n, _ := strconv.ParseUint(list[1].(string), 10, 64)
			return wide(n)
		case "$Uint8Array":
			b, _ := base64.StdEncoding.DecodeString(list[1].(string))
			return b
		case "$$x":
			list[0] = "$x"
		}
	}
	for i, element := range list {
		list[i] = untag(element)
	}
	return list
}

// wide is an integer as a bigint of JavaScript's is written.
func wide(n uint64) cbor.RawMessage { return binary.BigEndian.AppendUint64([]byte{0x1b}, n) }

func mustCBOR(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bareField(b []byte, field string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

// actionMessage is what a client of that encoding sends to call an action.
func actionMessage(t testing.TB, encoding string, id uint64, name, args string) []byte {
	t.Helper()
	switch encoding {
	case "bare":
		b := bareField(binary.AppendUvarint([]byte{4, 0, 0}, id), name)
		return bareField(b, string(cborOf(t, args)))
	case "cbor":
		val := map[string]any{"id": wide(id), "name": name, "args": nativeOf(t, args)}
		return mustCBOR(t, map[string]any{"body": map[string]any{"tag": "ActionRequest", "val": val}})
	}
	return []byte(msgAction(int(id), name, args))
}

func subscribeMessage(t testing.TB, encoding, event string) []byte {
	t.Helper()
	switch encoding {
	case "bare":
		return append(bareField([]byte{4, 0, 1}, event), 1)
	case "cbor":
		val := map[string]any{"eventName": event, "subscribe": true}
		return mustCBOR(t, map[string]any{"body": map[string]any{"tag": "SubscriptionRequest", "val": val}})
	}
	return []byte(msgSubscribe(event, true))
}

// wireConn is a client's socket in one encoding.
type wireConn struct {
	*ws
	encoding string
	kind     int
}

func (l *live) dialIn(t testing.TB, encoding, name, key string) *wireConn {
	t.Helper()
	kind := websocket.BinaryMessage
	if encoding == "json" {
		kind = websocket.TextMessage
	}
	c := dial(t, l.path(name, key, "connect"), []string{"rivet", "rivet_encoding." + encoding})
	return &wireConn{c, encoding, kind}
}

func (c *wireConn) write(kind int, b []byte) {
	c.t.Helper()
	if err := c.WriteMessage(kind, b); err != nil {
		c.t.Fatal(err)
	}
}

// wantMessage reads one message, of the right kind.
func (c *wireConn) wantMessage(want []byte) {
	c.t.Helper()
	kind, got, err := c.ReadMessage()
	if err != nil || kind != c.kind || string(got) != string(want) {
		c.t.Fatalf("got %q (%d, %v)\nwant %q", got, kind, err, want)
	}
}

// The guest is the same and so is what it answers; only the bytes between differ.
func TestEncodingsOfAConnection(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	for _, name := range wireNames {
		t.Run(name, func(t *testing.T) {
			e := wire.Of(name)
			id := l.Actor(tenants.Default, "events", name)
			c := l.dialIn(t, name, "events", name)
			kind, init, err := c.ReadMessage()
			if err != nil || kind != c.kind || !strings.Contains(string(init), id.String()) {
				t.Fatalf("got %q (%d, %v), want an init", init, kind, err)
			}
			c.write(c.kind, subscribeMessage(t, name, "count"))
			do := func(n uint64, s ...actorstest.Step) {
				c.write(c.kind, actionMessage(t, name, n, "do", "["+actorstest.Script(s...)+"]"))
			}
			do(0, step("broadcast", "count", `[{"by":1.5},["$x",1]]`))
			c.wantMessage(e.Event("count", []byte(`[{"by":1.5},["$x",1]]`)))
			c.wantMessage(e.Response(0, []byte(`[{"n":0}]`)))
			for n, value := range []string{`["$BigInt","5"]`, `["$Uint8Array","CQ=="]`, `{"a":[1,null,true,"ü"]}`, `-7.25`, `["$$x",1]`} {
				c.write(c.kind, actionMessage(t, name, uint64(n), "echo", "["+value+"]"))
				c.wantMessage(e.Response(uint64(n), []byte("["+value+"]")))
			}
			c.write(c.kind, actionMessage(t, name, 1<<40, "nop", "[]"))
			c.wantMessage(e.Response(1<<40, nil))
			do(7, step("user", "no", "not today"))
			seven := uint64(7)
			c.wantMessage(e.Failure(wire.Failure{Group: "user", Code: "no", Message: "not today", Action: &seven}))
			c.write(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "Disposed"))
			c.want("close 1000 ")
		})
	}
}

// What is no message of the encoding ends the socket with the code for it, and nothing else.
func TestEncodingsOfBadMessages(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	l.Actor(tenants.Default, "events", "a")
	for _, name := range wireNames {
		good := actionMessage(t, name, 1, "nop", "[]")
		other := websocket.TextMessage
		if name == "json" {
			other = websocket.BinaryMessage
		}
		kind := websocket.TextMessage + websocket.BinaryMessage - other
		for what, tt := range map[string]struct {
			kind int
			b    []byte
			want string
		}{
			"nothing":        {kind, nil, "close 1011 actor.invalid_request"},
			"cut":            {kind, good[:len(good)-1], "close 1011 actor.invalid_request"},
			"more behind it": {kind, append(good[:len(good):len(good)], 0), "close 1011 actor.invalid_request"},
			"the other kind": {other, []byte("{}"), "close 1011 actor.invalid_request"},
			"of another":     {kind, []byte("\x05\x00\x01\x01a\x01"), "close 1011 actor.invalid_request"},
			"nested deeply":  {kind, actionMessage(t, name, 1, "echo", nested(5000)), "close 1011 actor.invalid_request"},
			"oversized":      {kind, make([]byte, 2<<20), "close 1011 message.incoming_too_long"},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				c := l.dialIn(t, name, "events", "a")
				c.next() // init
				_ = c.WriteMessage(tt.kind, tt.b)
				c.want(tt.want)
			})
		}
	}
	c := dial(t, l.path("events", "a", "connect"), []string{"rivet", "rivet_encoding.xml"})
	c.want("close 1003 actor.unsupported_websocket_encoding")
}

// post sends a body in an encoding and returns the answer.
func (l *live) post(path, encoding string, body []byte) (status int, contentType, answer string) {
	l.t.Helper()
	r, err := http.NewRequest("POST", strings.Replace(path, "ws://", "http://", 1), io.MultiReader(strings.NewReader(string(body)))) // chunked, as the client sends it
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set(encodingHeader, encoding)
	r.Header.Set("Content-Type", wire.Of(encoding).ContentType())
	client := http.Client{Timeout: 5 * time.Minute}
	resp, err := client.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

// The head may name the actor instead of the path.
func TestRoutedByHead(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "script", "a")
	l.Actor(tenants.Default, "events", "a")
	for _, tt := range []struct {
		path, target, actor string
		status              int
	}{
		{"/action/nop", "actor", id.String(), 200},
		{"/api/rivet/action/nop", "actor", id.String(), 200},
		{"/action/nop", "actor", "nobody", 404},
		{"/action/nop", "actor", "../../modules", 404},
		{"/action/nop", "envoy", id.String(), 404},
		{"/action/nop", "actor", "", 404},
		{"/modules", "actor", id.String(), 404},
		{"/gateway/" + id.String() + "/action/nop", "actor", id.String(), 200}, // so does the client with skipReadyWait
		{"/gateway/" + id.String() + "/action/nop", "actor", "nobody", 200},
	} {
		r, err := http.NewRequest("POST", strings.Replace(l.url, "ws:", "http:", 1)+tt.path, strings.NewReader(`{"args":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"X-Rivet-Target": {tt.target}, "X-Rivet-Actor": {tt.actor}, "X-Rivet-Token": {l.token(time.Hour)}, "Content-Type": {typeJSON}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s to %s %s: %d, want %d", tt.path, tt.target, tt.actor, resp.StatusCode, tt.status)
		}
	}
	events, _ := l.Host.Find(t.Context(), actorstest.Address(t, tenants.Default, "events", "a"))
	head := []string{"rivet", "rivet_encoding.json", "rivet_target.actor", "rivet_actor." + events.ID.String(), "rivet_token." + l.token(time.Hour), "rivet_skip_ready_wait"}
	dial(t, l.url+"/connect", head).want(`{"body":{"tag":"Init"…`)
	head[3] = "rivet_actor.nobody"
	c := dial(t, l.url+"/connect", head)
	c.next() // the error
	c.want("close 1011 actor.not_found")
}

// Clients take the list of arguments for a value, and escape it if it looks like a tag; who names no encoding does not.
func TestArgumentsWithADollar(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	l.Actor(tenants.Default, "script", "a")
	for _, name := range wireNames {
		e := wire.Of(name)
		body := wire.ClientOf(name).ActionRequest([]byte(`["$AAPL",2]`))
		if status, _, got := l.post(l.path("script", "a", "action/echo"), name, body); status != 200 || got != string(e.ActionReply([]byte(`["$AAPL",2]`))) {
			t.Errorf("%s: the guest got %d %q", name, status, got)
		}
	}
	resp, err := http.Post(strings.Replace(l.path("script", "a", "action/echo"), "ws://", "http://", 1), typeJSON, strings.NewReader(`{"args":["$$AAPL",2]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != `{"output":["$$AAPL",2]}` || err != nil {
		t.Errorf("plain: the guest got %s, %v", b, err)
	}
}

func TestEncodingsOfHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	l.Actor(tenants.Default, "script", "a")
	body := func(name, args string) []byte {
		switch name {
		case "bare":
			return bareField([]byte{4, 0}, string(cborOf(t, args)))
		case "cbor":
			return mustCBOR(t, map[string]any{"args": nativeOf(t, args)})
		}
		return []byte(`{"args":` + args + `}`)
	}
	for _, name := range wireNames {
		e := wire.Of(name)
		for args, want := range map[string]string{`[1,{"a":["$BigInt","5"]}]`: `[1,{"a":["$BigInt","5"]}]`, `[]`: `[]`} {
			status, kind, got := l.post(l.path("script", "a", "action/echo"), name, body(name, args))
			if status != 200 || kind != e.ContentType() || got != string(e.ActionReply([]byte(want))) {
				t.Errorf("%s: echo%s is %d %s %q", name, args, status, kind, got)
			}
		}
		if status, _, got := l.post(l.path("script", "a", "action/nop"), name, body(name, "[]")); status != 200 || got != string(e.ActionReply(nil)) {
			t.Errorf("%s: nop is %d %q", name, status, got)
		}
		for what, b := range map[string][]byte{"nothing": nil, "cut": body(name, "[1]")[:3], "no list": body(name, `{"a":1}`), "another's": []byte("<a/>"), "deep": body(name, nested(5000))} {
			if status, kind, got := l.post(l.path("script", "a", "action/echo"), name, b); status != 400 || kind != "application/json" || !strings.Contains(got, `"guard"`) {
				t.Errorf("%s, %s: %d %s %q", name, what, status, kind, got)
			}
		}
		long := body(name, `["`+strings.Repeat("a", 1<<20)+`"]`)
		if status, _, got := l.post(l.path("script", "a", "action/echo"), name, long); status != 413 {
			t.Errorf("%s, too long: %d %.100q", name, status, got)
		}
		status, kind, got := l.post(l.path("script", "a", "action/nothing"), name, body(name, "[]"))
		if status != 404 || kind != "application/json" || !strings.Contains(got, "action_not_found") {
			t.Errorf("%s, no such action: %d %s %q", name, status, kind, got)
		}
	}
}
