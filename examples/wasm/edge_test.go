//go:build !wasip1

package wasm_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// edge is a host that serves the network.
type edge struct {
	*host
	addr  string
	token string
	end   func() // closes the port and what comes through it
}

func openEdge(t *testing.T, guests ...string) *edge {
	t.Helper()
	e := &edge{host: open(t, guests...)}
	e.serve()
	return e
}

func (e *edge) serve() {
	e.t.Helper()
	keys, err := tenants.NewKeyring(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		e.t.Fatal(err)
	}
	if e.token, err = keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, Subject: "ann", TTL: time.Hour}); err != nil {
		e.t.Fatal(err)
	}
	srv, err := api.New(api.Config{Actors: e.Host, Registry: e.Registry, Keyring: keys, GoAwayJitter: time.Millisecond, RejectDelay: time.Millisecond})
	if err != nil {
		e.t.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	go srv.Serve(port) // ends with Shutdown
	e.addr = port.Addr().String()
	e.end = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
	}
	e.t.Cleanup(e.end)
}

// again ends host and server, as a new process does, and starts them on the same data.
func (e *edge) again() {
	e.t.Helper()
	e.end()
	e.restart(time.Minute)
	e.serve()
}

// answer is what came back, with the body read unless it is a stream.
type answer struct {
	*http.Response
	body string
}

// do makes a raw request to the API of an actor. Headers are such as "If-Match: 1".
func (e *edge) do(method, path, body string, headers ...string) answer {
	e.t.Helper()
	q, err := http.NewRequestWithContext(e.t.Context(), method, "http://"+e.addr+"/gateway/restapi/request"+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	// The query of the gateway's own says which actor; what else is in it is the actor's.
	v := q.URL.Query()
	v.Set("rvt-method", "getOrCreate")
	v.Set("rvt-key", "diary")
	q.URL.RawQuery = v.Encode()
	q.Header.Set("Authorization", "Bearer "+e.token)
	q.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		e.t.Fatal(err)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream") && method == "GET" {
		return answer{Response: r}
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return answer{r, string(b)}
}

func TestRestAPI(t *testing.T) {
	e := openEdge(t, "restapi")
	steps := []struct {
		method, path, body, header string
		status                     int
		want                       string // "Name: value" of a header, or the body
	}{
		{"GET", "/notes", "", "", 200, "[]"},
		{"POST", "/notes", `{"text":"milk"}`, "", 201, "Location: notes/1"},
		{"GET", "/notes/1", "", "", 200, `{"id":1,"rev":1,"text":"milk"}`},
		{"HEAD", "/notes/1", "", "", 200, `Etag: "1"`},
		{"GET", "/notes/1", "", `If-None-Match: "1"`, 304, ""},
		{"PUT", "/notes/1", `{"text":"tea"}`, `If-Match: "7"`, 412, `{"error":"somebody else has changed it"}`},
		{"PUT", "/notes/1", `{"text":"tea"}`, `If-Match: "1"`, 200, `Etag: "2"`},
		{"POST", "/notes", `x`, "Content-Type: text/plain", 415, `{"error":"send application/json"}`},
		{"PATCH", "/notes/1", "", "", 405, "Allow: DELETE, GET, PUT"},
		{"GET", "/notes?after=1", "", "", 200, "[]"},
		{"GET", "/elsewhere", "", "", 404, `{"error":"no such resource"}`},
		{"DELETE", "/notes/1", "", "", 204, ""},
		{"GET", "/notes/1", "", "", 404, `{"error":"no such note"}`},
	}
	for _, s := range steps {
		var headers []string
		if s.header != "" {
			headers = []string{s.header}
		}
		a := e.do(s.method, s.path, s.body, headers...)
		got := a.body
		if name, _, ok := strings.Cut(s.want, ": "); ok && !strings.HasPrefix(s.want, "{") {
			got = name + ": " + a.Header.Get(name)
		}
		if a.StatusCode != s.status || got != s.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", s.method, s.path, s.body, a.StatusCode, got, s.status, s.want)
		}
		if a.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: an answer without a policy", s.method, s.path)
		}
	}
}

// Clients that count a note up with If-Match, all at once, lose nothing.
func TestRestAPIPreconditions(t *testing.T) {
	e := openEdge(t, "restapi")
	e.do("POST", "/notes", `{"text":"0"}`)
	const clients, times = 5, 4
	together(clients, func(int) {
		for done := 0; done < times; {
			old := e.do("GET", "/notes/1", "")
			var note struct{ Text string }
			if err := json.Unmarshal([]byte(old.body), &note); err != nil {
				t.Error(err)
				return
			}
			n, _ := strconv.Atoi(note.Text)
			a := e.do("PUT", "/notes/1", fmt.Sprintf(`{"text":"%d"}`, n+1), "If-Match: "+old.Header.Get("Etag"))
			switch a.StatusCode {
			case 200:
				done++
			case 412:
			default:
				t.Errorf("%d %s", a.StatusCode, a.body)
				return
			}
		}
	})
	if a := e.do("GET", "/notes/1", ""); !strings.Contains(a.body, fmt.Sprintf(`"text":"%d"`, clients*times)) {
		t.Errorf("the note is %s", a.body)
	}
}

// events reads server-sent events.
type events struct {
	*bufio.Scanner
	t testing.TB
}

func (e *edge) events(last string) (*events, func()) {
	e.t.Helper()
	var headers []string
	if last != "" {
		headers = append(headers, "Last-Event-ID: "+last)
	}
	a := e.do("GET", "/events", "", headers...)
	if a.StatusCode != 200 {
		e.t.Fatalf("GET /events: %d", a.StatusCode)
	}
	return &events{bufio.NewScanner(a.Body), e.t}, func() { a.Body.Close() }
}

// next returns the next event as "id name data", or "end" when the stream has ended.
func (s *events) next() string {
	var fields []string
	for s.Scan() {
		line := s.Text()
		if line == "" && len(fields) > 0 {
			return strings.Join(fields, " ")
		}
		if name, value, _ := strings.Cut(line, ": "); name != "" {
			fields = append(fields, value)
		}
	}
	return "end"
}

func (s *events) want(want ...string) {
	s.t.Helper()
	for _, w := range want {
		got := s.next()
		if got == "welcome" { // the comment at the beginning
			got = s.next()
		}
		if got != w {
			s.t.Fatalf("event %q, want %q", got, w)
		}
	}
}

// Each change reaches who follows; whom a restart cuts off gets what it missed.
func TestRestAPIEvents(t *testing.T) {
	e := openEdge(t, "restapi")
	one, closeOne := e.events("")
	two, closeTwo := e.events("")
	defer closeOne()
	defer closeTwo()
	e.do("POST", "/notes", `{"text":"milk"}`)
	e.do("POST", "/notes", `{"text":""}`) // refused
	e.do("DELETE", "/notes/1", "")
	for _, s := range []*events{one, two} {
		s.want(`1 created {"id":1,"rev":1,"text":"milk"}`, `2 deleted {"id":1,"rev":1,"text":"milk"}`)
	}
	e.again()
	one.want("end")
	e.do("POST", "/notes", `{"text":"tea"}`)
	three, closeThree := e.events("1")
	defer closeThree()
	three.want(`2 deleted {"id":1,"rev":1,"text":"milk"}`, `3 created {"id":2,"rev":1,"text":"tea"}`)
	e.do("PUT", "/notes/2", `{"text":"rum"}`, "If-Match: *")
	three.want(`4 changed {"id":2,"rev":2,"text":"rum"}`)
}

// Who follows and does not read is cut off, and holds up nobody.
func TestRestAPISlowReader(t *testing.T) {
	e := openEdge(t, "restapi")
	id := e.actor("restapi", "diary")
	r, err := e.Host.Request(t.Context(), id, actors.RawRequest{Head: abi.RequestHead{Method: "GET", URL: "/events"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 300 {
		if a := e.do("POST", "/notes", fmt.Sprintf(`{"text":"%d"}`, i)); a.StatusCode != 201 {
			t.Fatalf("note %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // for a stream that does not end
	defer cancel()
	parts := 0
	for ; err == nil; parts++ {
		_, err = r.Next(ctx)
	}
	if !errors.Is(err, io.EOF) || parts < 2 || parts > 300 {
		t.Errorf("the stream ended after %d parts with %v", parts, err)
	}
}

// socket opens a raw socket to a picture.
func (e *edge) socket(path string) *websocket.Conn {
	e.t.Helper()
	url := "ws://" + e.addr + "/gateway/pixels/websocket" + path + "?rvt-method=getOrCreate&rvt-key=wall&rvt-token=" + e.token
	c, _, err := websocket.DefaultDialer.DialContext(e.t.Context(), url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	return c
}

// read returns the next message, or how the socket was closed: "4000 why".
func read(c *websocket.Conn) string {
	kind, data, err := c.ReadMessage()
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return strconv.Itoa(closed.Code) + " " + closed.Text
	case err != nil:
		return err.Error()
	case kind == websocket.TextMessage:
		return "text " + string(data)
	}
	return string(data)
}

func write(t *testing.T, c *websocket.Conn, m ...byte) {
	t.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, m); err != nil {
		t.Error(err)
	}
}

// Many paint at once; all see all strokes in one order, and who comes later, or after a restart, what came of
// them.
func TestPixels(t *testing.T) {
	e := openEdge(t, "pixels")
	const painters, strokes = 4, 50
	sockets, seen := make([]*websocket.Conn, painters), make([][]string, painters)
	for i := range sockets {
		sockets[i] = e.socket("/v1")
		if m := read(sockets[i]); m != "\x02\x10\x10"+strings.Repeat("\x00", 256) {
			t.Fatalf("the picture begins as %q", m)
		}
	}
	together(painters, func(i int) {
		for n := range strokes {
			write(t, sockets[i], 1, byte(n%16), byte(n%3), byte(1+i))
		}
		for range painters * strokes {
			seen[i] = append(seen[i], read(sockets[i]))
		}
	})
	picture := make([]byte, 256)
	for n, m := range seen[0] {
		for i := range seen {
			if seen[i][n] != m {
				t.Fatalf("painter %d sees %q as stroke %d, painter 0 %q", i, seen[i][n], n, m)
			}
		}
		if len(m) != 4 || m[0] != 1 {
			t.Fatalf("stroke %d is %q", n, m)
		}
		picture[int(m[2])*16+int(m[1])] = m[3]
	}
	late := e.socket("/v1")
	want := "\x02\x10\x10" + string(picture)
	if got := read(late); got != want {
		t.Errorf("who comes later sees %q, want %q", got, want)
	}
	for _, s := range sockets {
		s.Close()
	}
	closed := make(chan string, 1)
	go func() { closed <- read(late) }() // ends with the host
	e.again()
	if got := <-closed; got != "1001 ws.going_away" {
		t.Errorf("the restart closed the socket with %s", got)
	}
	if got := read(e.socket("/v1")); got != want {
		t.Errorf("after a restart the picture is %q, want %q", got, want)
	}
}

func TestPixelsProtocol(t *testing.T) {
	e := openEdge(t, "pixels")
	c := e.socket("/v1")
	read(c) // the picture
	large := append([]byte{0}, bytes.Repeat([]byte("x"), 4095)...)
	for _, m := range [][]byte{{0}, {0, 255, 0}, large} {
		write(t, c, m...)
		if got := read(c); got != string(m) {
			t.Errorf("the echo of %d bytes is %q", len(m), got)
		}
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("grüße")); err != nil {
		t.Fatal(err)
	}
	if got := read(c); got != "text grüße" {
		t.Errorf("the echo of a text is %q", got)
	}
	for _, tt := range []struct {
		name, path string
		message    []byte
		want       string
	}{
		{"unknown operation", "/v1", []byte{9}, "4000 operation 9 of 1 bytes"},
		{"nothing", "/v1", []byte{}, "4000 an empty message"},
		{"outside of the picture", "/v1", []byte{1, 16, 0, 1}, "4000 outside of the picture"},
		{"larger than the actor takes", "/v1", append(large, 'x'), "1009 message.incoming_too_long"},
		{"another protocol", "/v2", nil, "1011 user.no_such_protocol"},
	} {
		s := e.socket(tt.path)
		if tt.path == "/v1" {
			read(s) // the picture
			write(t, s, tt.message...)
		}
		if got := read(s); got != tt.want {
			t.Errorf("%s: %q, want %s", tt.name, got, tt.want)
		}
	}
	write(t, c, 0, 1)
	if got := read(c); got != "\x00\x01" {
		t.Errorf("another socket got %q", got)
	}
}
