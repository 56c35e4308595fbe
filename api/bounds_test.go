package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// A busy host refuses work before it reads the body.
func TestBusyHostReadsNoBody(t *testing.T) {
	f := newFixture(t)
	f.actor("counter", "k")
	f.host.busy = &abi.Error{Code: abi.CodeHostBusy, Retry: 1500 * time.Millisecond}
	for _, path := range []string{"/gateway/counter/action/inc?rvt-method=get&rvt-key=k", "/gateway/counter/request/x?rvt-method=get&rvt-key=k"} {
		body, w := io.Pipe()
		r := f.request("POST", path, body)
		r.ContentLength = 1 << 20 // of which nothing comes
		a := f.send(r)
		w.Close()
		a.wantError(t, 503, "guard", "service_busy")
		if got := a.header.Get("Retry-After"); got != "2" {
			t.Errorf("%s: Retry-After %q, want 2", path, got)
		}
	}
	if len(f.host.calls)+len(f.host.raws) > 0 {
		t.Error("the actor was asked")
	}
}

// line opens a connection and returns it, with the status of a request on it.
func (f *fixture) line(t *testing.T) (net.Conn, int) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if busy := resp.StatusCode == 503; busy && (resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(b), `"service_busy"`)) {
		t.Errorf("a connection too many is told %v %s", resp.Header, b)
	}
	return c, resp.StatusCode
}

// Connections are bounded in all and by client. One too many is told so and ends; one that ends makes room.
func TestConnectionsAreBounded(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"in all":      func(c *Config) { c.MaxConns = 4 },
		"of a client": func(c *Config) { c.MaxConnsPerClient = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, change)
			var open []net.Conn
			for range 4 {
				c, status := f.line(t)
				if status != 200 {
					t.Fatalf("connection %d: %d", len(open), status)
				}
				open = append(open, c)
			}
			c, status := f.line(t)
			if _, err := c.Read(make([]byte, 1)); status != 503 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("one too many: %d, then %v", status, err)
			}
			open[0].Close()
			kvtest.Eventually(t, "there is room", func() bool { return f.srv.conns.count() == 3 })
			if _, status := f.line(t); status != 200 {
				t.Errorf("after one has ended: %d", status)
			}
		})
	}
}

// What a trusted proxy's connections carry is many clients'. A WebSocket is one's.
func TestConnectionsBehindProxies(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.MaxConnsPerClient, c.TrustedProxies = 2, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	f.actor("room", "k")
	for range 4 {
		if _, status := f.line(t); status != 200 {
			t.Fatalf("a connection of the proxy: %d", status)
		}
	}
	f.srv.holds.first = time.Hour // so that who is refused stays
	path := "/gateway/room/connect?rvt-method=get&rvt-key=k"
	header := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: "
	var open []net.Conn
	for i, tt := range []struct {
		client string
		want   int
	}{{"198.51.100.1", 101}, {"2001:db8::1", 101}, {"2001:db8::2", 101}, {"2001:db8::3", 429}, {"198.51.100.1", 101}, {"198.51.100.1", 429}, {"198.51.100.2", 101}} {
		c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n\r\n", path, header, tt.client)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != tt.want {
			t.Errorf("socket %d, of %s: %v %v, want %d", i, tt.client, resp, err, tt.want)
		}
	}
	for _, c := range open {
		c.Close()
	}
	f.srv.GoAway() // ends what holds those who are refused
	kvtest.Eventually(t, "sockets leave", func() bool {
		f.srv.conns.mu.Lock()
		defer f.srv.conns.mu.Unlock()
		return len(f.srv.conns.by) == 0
	})
}

// Requests that are not answered yet are bounded, and no namespace takes them all.
func TestRequestsInFlightAreBounded(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxRequests = 8 })
	id := f.actor("counter", "k")
	came, free := make(chan struct{}), make(chan struct{})
	f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
		came <- struct{}{}
		<-free
		return actors.Reply{}, nil
	}
	action := "/gateway/" + id.String() + "/action/inc"
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { f.do("POST", action, `{"args":[]}`).wantBody(t, 200, `{}`) })
		<-came
	}
	a := f.do("POST", action, `{"args":[]}`)
	a.wantError(t, 503, "guard", "service_busy")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", a.header)
	}
	if a := f.do("GET", "/actors", "", f.as(tenants.RoleAdmin, "other")); a.status != 200 {
		t.Errorf("a request of another namespace: %d %s", a.status, a.body)
	}
	if a := f.do("GET", "/healthz", "", "No Token: x"); a.status != 200 {
		t.Errorf("/healthz: %d", a.status)
	}
	close(free)
	wg.Wait()
	if a := f.do("GET", "/actors", ""); a.status != 200 || f.srv.held.requests.taken() != 0 {
		t.Errorf("afterwards: %d, and %d are not answered", a.status, f.srv.held.requests.taken())
	}
}

// The bytes of bodies that a namespace has sent are bounded together, as they come.
func TestBodiesAreBounded(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxHeld = 1 << 20 })
	id := f.actor("counter", "k").String()
	send := func(n int, ns ...tenants.ID) answer {
		return f.do("POST", "/gateway/"+id+"/action/inc", `{"args":["`+strings.Repeat("x", n)+`"]}`, f.as(tenants.RoleAdmin, ns...))
	}
	if a := send(400 << 10); a.status != 200 {
		t.Fatalf("within: %d %.200s", a.status, a.body)
	}
	send(600<<10).wantError(t, 503, "guard", "service_busy")
	r, w := io.Pipe()
	got := make(chan answer)
	go func() { got <- f.send(f.request("POST", "/gateway/"+id+"/action/inc", r)) }()
	w.Write([]byte(`{"args":["` + strings.Repeat("x", 400<<10)))
	kvtest.Eventually(t, "half a body is held", func() bool { return f.srv.held.memory.taken() > 400<<10 })
	send(200<<10).wantError(t, 503, "guard", "service_busy")
	if a := send(200<<10, "other"); a.status == 503 {
		t.Errorf("another namespace: %d %.200s", a.status, a.body)
	}
	w.Write([]byte(`"]}`))
	w.Close()
	if a := <-got; a.status != 200 {
		t.Errorf("the body that was held: %d %.200s", a.status, a.body)
	}
	kvtest.Eventually(t, "all is given back", func() bool { return f.srv.held.memory.taken() == 0 })
}

// An answer that is not read counts, and is cut off in the end.
func TestUnreadAnswersCount(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxHeld, c.WriteTimeout = 1<<20, 500*time.Millisecond })
	f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
		return actors.Reply{Output: bytes.Repeat([]byte("1"), 32<<20)}, nil
	}
	id := f.actor("counter", "k").String()
	c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /gateway/%s/action/inc HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: 11\r\n\r\n{\"args\":[]}", id, f.as(tenants.RoleAdmin))
	kvtest.Eventually(t, "the answer is held", func() bool { return f.srv.held.memory.taken() > 1<<20 })
	f.do("POST", "/gateway/"+id+"/action/inc", `{"args":[]}`).wantError(t, 503, "guard", "service_busy")
	kvtest.Eventually(t, "the reader is cut off", func() bool { return f.srv.held.memory.taken() == 0 })
}

// Uploads at once are bounded from their first byte to the verdict. One that is refused does not count as tried.
func TestUploadsAreBounded(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.MaxUploads = 2 })
	came, free := make(chan struct{}), make(chan struct{})
	f.host.upload = func(_ context.Context, ns tenants.ID, r io.Reader, o actors.UploadOptions) (tenants.Version, actors.Report, bool, error) {
		came <- struct{}{}
		<-free
		v, created, err := f.publishFor(ns, r, o)
		return v, actors.Report{}, created, err
	}
	put := func(ns tenants.ID) answer {
		return f.do("PUT", "/modules/m", "\x00asm", "Content-Type: application/wasm", f.as(tenants.RoleAdmin, ns))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if a := put(tenants.Default); a.status != 201 {
			t.Errorf("the first: %d %s", a.status, a.body)
		}
	})
	<-came
	put(tenants.Default).wantError(t, 503, "guard", "service_busy")
	if _, err := f.srv.EnterUpload(tenants.Default); abi.CodeOf(err) != abi.CodeHostBusy {
		t.Errorf("one of a guest beside it: %v", err)
	}
	leave, err := f.srv.EnterUpload("other")
	if err != nil {
		t.Fatal(err)
	}
	put("other").wantError(t, 503, "guard", "service_busy") // beside one of a guest
	leave()
	wg.Go(func() {
		if a := put("other"); a.status != 201 {
			t.Errorf("one of another namespace: %d %s", a.status, a.body)
		}
	})
	<-came
	close(free)
	wg.Wait()
	if n := f.srv.held.uploads.taken(); n != 0 {
		t.Errorf("%d uploads go on", n)
	}
}

// A namespace has WebSockets up to its share, and they come back.
func TestSocketsAreBounded(t *testing.T) {
	l := openLive(t, actorstest.Options{}, func(c *Config) { c.MaxSockets = 4 })
	first := l.connect("events", "a")
	l.connect("events", "a")
	c := dial(t, l.path("events", "a", "connect"), rivet)
	c.want(msgError("guard", "service_busy"), "close 1011 guard.service_busy")
	first.Close()
	kvtest.Eventually(t, "there is room", func() bool { return l.srv.held.sockets.taken() == 1 })
	l.connect("events", "a")
}

// What a socket has not read counts for its namespace. When that is too much the reader that is behind is closed.
func TestUnreadMessagesCount(t *testing.T) {
	ours, theirs := net.Pipe() // which buffers nothing
	defer theirs.Close()
	k := &socket{stats: &traffic{}, line: &lineConn{Conn: ours, timeout: time.Minute, conns: &conns{}}}
	k.still.L = &k.mu
	memory := pool[tenants.ID]{max: 800}
	k.owner(&memory, "ns")
	for i, want := range []int64{0, 300, 0} { // the first is on its way, the second waits, the third is too much
		k.send(frame(opText, make([]byte, 300-4)))
		if i == 0 {
			kvtest.Eventually(t, "it is being written", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return len(k.queue) == 0 })
		}
		if got := memory.taken(); got != want {
			t.Errorf("after frame %d %d bytes are held, want %d", i, got, want)
		}
	}
	got := make([]byte, 300)
	if _, err := io.ReadFull(theirs, got); err != nil {
		t.Fatal(err)
	}
	want := closeFrame(closeTooSlow, "ws.too_slow")
	if n, err := theirs.Read(got); err != nil || !bytes.Equal(got[:n], want) {
		t.Errorf("then it gets %q, %v; want %q", got[:n], err, want)
	}
}
