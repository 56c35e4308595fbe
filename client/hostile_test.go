package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// hostile serves whatever a test likes and returns a client of it. Sockets that the test leaves open end with it.
func hostile(t testing.TB, o client.Options, f http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(f)
	o.HTTP = &http.Client{Transport: &http.Transport{}}
	c := must[*client.Client](t)(client.New(s.URL, o))
	c.Hurry(time.Millisecond, 5*time.Millisecond, time.Hour)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return c
}

// upgraded is a handler that upgrades and speaks with the client.
func upgraded(f func(ws *websocket.Conn)) http.HandlerFunc {
	up := websocket.Upgrader{Subprotocols: []string{"rivet"}}
	return func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		f(ws)
	}
}

// send sends a message as a host of an encoding does.
func send(ws *websocket.Conn, encoding string, message []byte) {
	kind := websocket.BinaryMessage
	if encoding == "json" {
		kind = websocket.TextMessage
	}
	_ = ws.WriteMessage(kind, message)
}

// drain reads until the client has gone.
func drain(ws *websocket.Conn) {
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
	}
}

// What no host sends breaks a connection, in every state, and the client goes on to the next.
func TestHostileMessages(t *testing.T) {
	for _, encoding := range encodings {
		h := wire.Of(encoding)
		call := uint64(0)
		init := h.Init("a", "c")
		for name, bad := range map[string]func(ws *websocket.Conn){
			"garbage": func(ws *websocket.Conn) { send(ws, encoding, []byte("\xff\x00garbage")) },
			"nothing": func(ws *websocket.Conn) { send(ws, encoding, nil) },
			"cut":     func(ws *websocket.Conn) { send(ws, encoding, h.Event("e", []byte("[1]"))[:7]) },
			"the other kind": func(ws *websocket.Conn) {
				send(ws, map[string]string{"json": "bare", "bare": "json", "cbor": "json"}[encoding], h.Response(call, []byte("1")))
			},
			"a second init":     func(ws *websocket.Conn) { send(ws, encoding, init) },
			"a client's":        func(ws *websocket.Conn) { send(ws, encoding, wire.ClientOf(encoding).Action(1, "a", []byte("[]"))) },
			"an answer too far": func(ws *websocket.Conn) { send(ws, encoding, h.Response(1<<60, []byte("1"))) },
			"a failure too far": func(ws *websocket.Conn) {
				n := uint64(99)
				send(ws, encoding, h.Failure(wire.Failure{Group: "g", Code: "c", Action: &n}))
			},
			"too long": func(ws *websocket.Conn) {
				send(ws, encoding, h.Response(call, []byte(`"`+strings.Repeat("x", 1<<20)+`"`)))
			},
			"too long inside": func(ws *websocket.Conn) {
				send(ws, encoding, h.Response(call, []byte("["+strings.Repeat(`["$Undefined",0],`, 70_000)+"0]")))
			},
			"nested": func(ws *websocket.Conn) {
				send(ws, encoding, h.Response(call, []byte(strings.Repeat("[", 5000)+strings.Repeat("]", 5000))))
			},
			"compressed":      func(ws *websocket.Conn) { _, _ = ws.NetConn().Write([]byte{0xc1, 1, 'x'}) },
			"masked":          func(ws *websocket.Conn) { _, _ = ws.NetConn().Write([]byte{0x82, 0x81, 1, 2, 3, 4, 5}) },
			"a frame of 2^62": func(ws *websocket.Conn) { _, _ = ws.NetConn().Write([]byte{0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0}) },
			"the end":         func(ws *websocket.Conn) { ws.NetConn().Close() },
			"a close": func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4999, "a b"))
			},
		} {
			t.Run(encoding+"/"+name, func(t *testing.T) {
				var links atomic.Int64
				c := hostile(t, client.Options{Encoding: encoding, MaxAnswer: 1 << 20}, upgraded(func(ws *websocket.Conn) {
					send(ws, encoding, init)
					if links.Add(1) == 1 {
						_, _, _ = ws.ReadMessage() // a call
						bad(ws)
						drain(ws)
						return
					}
					_, m, err := ws.ReadMessage()
					if got, _ := h.Parse(m); err == nil {
						send(ws, encoding, h.Response(got.ID, []byte("7")))
					}
					drain(ws)
				}))
				conn := connect(t, c.ByID("a"), client.ConnOptions{})
				if out, err := client.Call[client.Raw](within(t), conn, "first"); !errors.Is(err, client.ErrLost) {
					t.Errorf("the call got %.100s, %v", out, err)
				}
				if n, err := client.Call[int](within(t), conn, "second"); n != 7 || err != nil {
					t.Errorf("the next call got %d, %v", n, err)
				}
			})
		}
	}
}

// A host that does not let anybody in says so in one of many ways, and Connect returns.
func TestHostileBeginnings(t *testing.T) {
	bare := wire.Of("bare")
	status := func(code int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	first := func(b []byte) http.HandlerFunc {
		return upgraded(func(ws *websocket.Conn) { send(ws, "bare", b); drain(ws) })
	}
	raw := func(bytes string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				io.WriteString(c, bytes)
				c.Close()
			}
		}
	}
	for name, tt := range map[string]struct {
		f    http.HandlerFunc
		want string
	}{
		"an event first":  {first(bare.Event("e", []byte("[]"))), "broke the protocol"},
		"an answer first": {first(bare.Response(0, nil)), "broke the protocol"},
		"garbage first":   {first([]byte("hello")), "broke the protocol"},
		"refused":         {first(bare.Failure(wire.Failure{Group: "user", Code: "no", Message: "not you"})), "not you (user/no)"},
		"closed with a code": {upgraded(func(ws *websocket.Conn) {
			_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "guard.service_unavailable#r"))
		}), "(guard/service_unavailable)"},
		"closed with a text": {upgraded(func(ws *websocket.Conn) {
			_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye bye"))
		}), "1000 bye bye"},
		"closed":              {upgraded(func(ws *websocket.Conn) {}), "1006"},
		"silence":             {upgraded(drain), "timeout"},
		"no upgrade":          {status(200, "text/html", "<html>"), "(http/200)"},
		"a gateway's page":    {status(502, "text/html", strings.Repeat("<html>", 100_000)), "(http/502)"},
		"an error as JSON":    {status(404, "application/json", `{"group":"actor","code":"not_found","message":"gone"}`), "gone (actor/not_found)"},
		"an error that is no": {status(404, "application/json", `{"group":1}`), "(http/404)"},
		"no HTTP":             {raw("hello\r\n\r\n"), "malformed HTTP"},
		"nothing":             {raw(""), "EOF"},
		"another key":         {raw("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"), "bad handshake"},
		"an endless head": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			line := "X: " + strings.Repeat("x", 4000) + "\r\n"
			for _, err := io.WriteString(c, "HTTP/1.1 101 x\r\n"); err == nil; {
				_, err = io.WriteString(c, line)
			}
		}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			c := hostile(t, client.Options{}, tt.f)
			if name == "silence" {
				c.Patience(50 * time.Millisecond)
			}
			if _, err := c.ByID("a").Connect(within(t), client.ConnOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	c := hostile(t, client.Options{}, upgraded(drain))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.ByID("a").Connect(ctx, client.ConnOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence, with a deadline: %v", err)
	}
}

// A host that closes each connection at once is not hammered, and one that refuses for good is left alone.
func TestNoFloodOfConnections(t *testing.T) {
	for name, leave := range map[string]func(ws *websocket.Conn){
		"it closes": func(ws *websocket.Conn) {},
		"it is busy": func(ws *websocket.Conn) {
			send(ws, "bare", wire.Of("bare").Failure(wire.Failure{Group: "guard", Code: "service_busy"}))
		},
		"it sends garbage": func(ws *websocket.Conn) { send(ws, "bare", []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			links := make(chan time.Time, 1000)
			c := hostile(t, client.Options{}, upgraded(func(ws *websocket.Conn) {
				links <- time.Now()
				send(ws, "bare", wire.Of("bare").Init("a", "c"))
				leave(ws)
			}))
			c.Hurry(20*time.Millisecond, 100*time.Millisecond, time.Hour)
			connect(t, c.ByID("a"), client.ConnOptions{})
			begun := <-links
			var last time.Time
			for range 7 {
				last = <-links
			}
			// Half of 5, 20, 40, 80, 100, 100 and 100 ms, at the least.
			if took := last.Sub(begun); took < 215*time.Millisecond {
				t.Errorf("eight connections in %v", took)
			}
		})
	}
	var links atomic.Int64
	c := hostile(t, client.Options{}, upgraded(func(ws *websocket.Conn) {
		if links.Add(1) == 1 {
			send(ws, "bare", wire.Of("bare").Init("a", "c"))
			_, _, _ = ws.ReadMessage() // a subscription
		}
		send(ws, "bare", wire.Of("bare").Failure(wire.Failure{Group: "auth", Code: "forbidden", Message: "no"}))
		drain(ws)
	}))
	conn := connect(t, c.ByID("a"), client.ConnOptions{})
	conn.On("secret", func(client.Event) {})
	<-conn.Done()
	if _, why := conn.Status(); !client.Is(why, "auth/forbidden") || links.Load() != 1 {
		t.Errorf("after %d connections: %v", links.Load(), why)
	}
}

// A host that gives no sign of life, or does not read, is left for the next.
func TestSilentHost(t *testing.T) {
	for _, name := range []string{"it does not answer pings", "it does not read"} {
		t.Run(name, func(t *testing.T) {
			links := make(chan int, 100)
			c := hostile(t, client.Options{}, upgraded(func(ws *websocket.Conn) {
				ws.SetPingHandler(func(string) error { return nil })
				send(ws, "bare", wire.Of("bare").Init("a", "c"))
				links <- 1
				if name == "it does not read" {
					_, _ = io.Copy(io.Discard, io.LimitReader(ws.NetConn(), 100)) // and then no more
					<-t.Context().Done()
					return
				}
				drain(ws)
			}))
			c.Listen(20*time.Millisecond, 200*time.Millisecond)
			conn := connect(t, c.ByID("a"), client.ConnOptions{})
			<-links
			if name == "it does not read" {
				err := client.Do(within(t), conn, "x", strings.Repeat("x", 16<<20)) // more than the kernel holds
				if !errors.Is(err, client.ErrLost) {
					t.Errorf("the call got %v", err)
				}
			}
			<-links // the next
			conn.Close()
		})
	}
}

// Answers over HTTP that are none, or too long.
func TestHostileAnswers(t *testing.T) {
	var sent atomic.Int64
	endless := func(w http.ResponseWriter, _ *http.Request) {
		b := bytes.Repeat([]byte("x"), 1<<16)
		for {
			n, err := w.Write(b)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	say := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for name, tt := range map[string]struct {
		f    http.HandlerFunc
		want string
	}{
		"a page":           {say(200, "Content-Type: text/html", "<html>"), "broke the protocol"},
		"nothing":          {say(200, "X: y", ""), "broke the protocol"},
		"endless":          {endless, "longer than 1048576 bytes"},
		"an endless error": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); endless(w, r) }, "longer than 1048576 bytes"},
		"a gateway's page": {say(503, "Retry-After: 7", "<html>"), "(http/503)"},
		"a redirect":       {say(302, "Location: http://example.com/", ""), "(http/302)"},
		"a huge header":    {say(200, "X: "+strings.Repeat("x", 20<<20), ""), "exceeded"},
		"another status":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299); io.WriteString(w, "x") }, "broke the protocol"},
	} {
		for _, encoding := range encodings {
			c := hostile(t, client.Options{Encoding: encoding, MaxAnswer: 1 << 20}, tt.f)
			h := c.ByID("a")
			for what, err := range map[string]error{
				"a call":       client.Do(within(t), h, "x"),
				"a message":    h.Send(within(t), "q", 1),
				"a resolution": func() error { _, err := c.GetOrCreate("x").Resolve(within(t)); return err }(),
			} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s, %s to %s: %v, want %s", encoding, what, name, err, tt.want)
				}
				var e *client.Error
				if errors.As(err, &e); name == "a gateway's page" && (e.Status != 503 || e.RetryAfter != 7*time.Second) {
					t.Errorf("the error is %+v", e)
				}
			}
		}
	}
	if n := sent.Load(); n > 1<<30 {
		t.Errorf("the client read %d bytes", n)
	}
}

// A flood of events for which nobody waits, of pings and of answers that nobody waits for any more, is only read.
func TestFloods(t *testing.T) {
	bare := wire.Of("bare")
	done := make(chan int, 1)
	c := hostile(t, client.Options{}, upgraded(func(ws *websocket.Conn) {
		gone := make(chan struct{})
		go func() { drain(ws); close(gone) }()
		send(ws, "bare", bare.Init("a", "c"))
		event := bare.Event("nobody", []byte(`["`+strings.Repeat("x", 10_000)+`"]`))
		for n := range 5_000 {
			send(ws, "bare", event)
			if n%100 == 0 {
				_ = ws.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Minute))
			}
		}
		done <- 1
		<-gone
	}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conn := connect(t, c.ByID("a"), client.ConnOptions{})
	conn.On("somebody", func(client.Event) {})
	<-done
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 { // of 50 MB
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if s, why := conn.Status(); s != client.Connected {
		t.Errorf("the status is %v, %v", s, why)
	}
	conn.Close()
}

// A hundred connections to a host that does all of it at random are closed, and nothing of them stays.
func TestHammerHostileHost(t *testing.T) {
	bare := wire.Of("bare")
	var n atomic.Int64
	c := hostile(t, client.Options{MaxAnswer: 1 << 16}, upgraded(func(ws *websocket.Conn) {
		i := n.Add(1)
		if i%7 != 0 {
			send(ws, "bare", bare.Init("a", "c"))
		}
		for range i % 5 {
			_ = ws.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			_, m, err := ws.ReadMessage()
			if got, _ := bare.Parse(m); err == nil && i%3 != 0 {
				send(ws, "bare", bare.Event("e", []byte("[1]")))
				send(ws, "bare", bare.Response(got.ID+uint64(i%2), []byte("1")))
			}
		}
		if i%4 == 0 {
			_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "ws.going_away"))
		}
	}))
	c.Patience(100 * time.Millisecond)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			conn, err := c.ByID("a").Connect(within(t), client.ConnOptions{Status: func(client.Status, error) {}})
			if err != nil {
				return
			}
			defer conn.Close()
			off := conn.On("e", func(client.Event) {})
			conn.Once("e", func(client.Event) {})
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_, err := client.Call[int](ctx, conn, "x", fmt.Sprint(n.Load()))
				cancel()
				if err != nil && !errors.Is(err, client.ErrLost) && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a call: %v", err)
				}
			}
			off()
		})
	}
	wg.Wait()
	kvtest.Eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before+5 })
}

// A host that takes connections and says nothing at all does not hold up a caller for longer than it likes.
func TestHostThatSaysNothing(t *testing.T) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close() // nobody accepts
	c := must[*client.Client](t)(client.New("http://"+l.Addr().String(), client.Options{}))
	defer c.Close()
	for what, f := range map[string]func(context.Context) error{
		"a call":         func(ctx context.Context) error { return client.Do(ctx, c.ByID("a"), "x") },
		"a connection":   func(ctx context.Context) error { _, err := c.ByID("a").Connect(ctx, client.ConnOptions{}); return err },
		"a socket":       func(ctx context.Context) error { _, err := c.ByID("a").Dial(ctx, "/"); return err },
		"a message":      func(ctx context.Context) error { return c.ByID("a").Send(ctx, "q", 1) },
		"an address":     func(ctx context.Context) error { _, err := c.Get("a").Resolve(ctx); return err },
		"a new actor":    func(ctx context.Context) error { _, err := c.Create(ctx, 1, "a"); return err },
		"a comma's call": func(ctx context.Context) error { return client.Do(ctx, c.Get("a", ","), "x") },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
}
