package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// dial opens a bare connection to the server.
func (f *fixture) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // a test that hangs fails
	return c
}

func quick(c *Config) {
	c.HeaderTimeout, c.BodyTimeout, c.UploadTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	c.IdleTimeout, c.WriteTimeout = 50*time.Millisecond, 100*time.Millisecond
}

func TestSlowHead(t *testing.T) {
	f := newFixture(t, quick)
	c := f.dial()
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if b, err := io.ReadAll(c); err != nil || strings.Contains(string(b), "200") {
		t.Errorf("got %q, %v; want the connection closed", b, err)
	}
}

func TestIdleConnection(t *testing.T) {
	f := newFixture(t, quick)
	c := f.dial()
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
		t.Errorf("got %q, %v; want an answer and the connection closed", b, err)
	}
}

func TestLargeHead(t *testing.T) {
	f := newFixture(t)
	c := f.dial()
	go fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("a", 2*maxHeaderBytes)) // ends with the connection
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 431 {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestSlowBody(t *testing.T) {
	f := newFixture(t, quick)
	uploads(f, nil)
	id := f.actor("counter", "a").String()
	for _, tt := range []struct{ name, request, body string }{
		{"action", "POST /gateway/" + id + "/action/x", `{"args":[`},
		{"create", "PUT /actors", `{"name":`},
		{"upload", "PUT /modules/m", "\x00asm"},
	} {
		for _, framing := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			t.Run(tt.name+" "+framing, func(t *testing.T) {
				c := f.dial()
				contentType := typeJSON
				if tt.name == "upload" {
					contentType = typeWasm
				}
				body := tt.body
				if strings.Contains(framing, "chunked") {
					body = fmt.Sprintf("%x\r\n%s\r\n", len(tt.body), tt.body)
				}
				fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s\r\n\r\n%s", tt.request, f.token(tenants.RoleAdmin), contentType, framing, body)
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(resp.Body)
				answer{resp.StatusCode, resp.Header, string(b)}.wantError(t, 408, "guard", "request_timeout")
				if !resp.Close {
					t.Error("the connection stays open")
				}
			})
		}
	}
}

// Nobody reads the body of these, and the connection must not wait for it.
func TestSlowBodyOfOtherRoutes(t *testing.T) {
	f := newFixture(t, quick)
	for _, path := range []string{"/healthz", "/nothing", "/actors"} {
		c := f.dial()
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab", path)
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("%s: %v; want an answer and the connection closed", path, err)
		}
	}
}

// The body's deadline must not end a turn that takes longer than a body may.
func TestLongTurnAfterABody(t *testing.T) {
	f := newFixture(t, quick)
	f.host.call = func(ctx context.Context, _ tenants.ActorID, r actors.Request) (actors.Reply, error) {
		select {
		case <-ctx.Done():
			return actors.Reply{}, ctx.Err()
		case <-time.After(300 * time.Millisecond): // longer than each of the server's timeouts
			return actors.Reply{Output: r.Args}, nil
		}
	}
	id := f.actor("counter", "a").String()
	for range 2 {
		f.do("POST", "/gateway/"+id+"/action/x", `{"args":[1]}`).wantBody(t, 200, `{"output":[1]}`)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	c := f.dial()
	fmt.Fprintf(c, "POST /gateway/%s/action/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", id, f.token(tenants.RoleAdmin))
	c.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	answer{resp.StatusCode, resp.Header, string(b)}.wantError(t, 400, "guard", "invalid_request")
}

// A client that goes while its turn runs is nobody's fault.
func TestClientGoes(t *testing.T) {
	f := newFixture(t)
	started, ended := make(chan struct{}), make(chan struct{})
	f.host.call = func(ctx context.Context, _ tenants.ActorID, _ actors.Request) (actors.Reply, error) {
		close(started)
		<-ctx.Done()
		defer close(ended)
		return actors.Reply{}, fmt.Errorf("actors: wait: %w", ctx.Err())
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := f.request("POST", "/gateway/"+f.actor("counter", "a").String()+"/action/x", strings.NewReader(`{"args":[]}`)).WithContext(ctx)
	go func() { // the test ends after it
		<-started
		cancel()
	}()
	if _, err := f.try(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-ended
	if err := f.srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if strings.Contains(f.log.String(), "level=ERROR") {
		t.Errorf("logged as our fault:\n%s", f.log)
	}
}

// A reader that does not read is cut after the write timeout.
func TestSlowReader(t *testing.T) {
	f := newFixture(t, quick)
	done := make(chan struct{})
	f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
		return actors.Reply{Output: []byte(`"` + strings.Repeat("a", 64<<20) + `"`)}, nil
	}
	h := f.srv.http.Handler
	f.srv.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	})
	c := f.dial()
	fmt.Fprintf(c, "POST /gateway/%s/action/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 11\r\n\r\n{\"args\":[]}", f.actor("counter", "a"), f.token(tenants.RoleAdmin))
	<-done
}

// The file of a namespace may take as long as it comes, but not while nothing of it does; and what is read is not held.
func TestBodyOfANamespace(t *testing.T) {
	read := make(chan int64, 2)
	take := func(c *Config) {
		c.MaxHeld = 1 << 20
		c.ImportNamespace = func(_ context.Context, as tenants.ID, file io.Reader) (actors.ImportedNamespace, error) {
			n, err := io.Copy(io.Discard, file)
			read <- n
			return actors.ImportedNamespace{Namespace: tenants.Namespace{ID: as}}, err
		}
	}
	f := newFixture(t, take)
	operator := f.as(tenants.RoleOperator)
	large := strings.Repeat("x", 8<<20)
	f.do("POST", "/namespaces/import?as=shop", large, operator, "Content-Type: application/octet-stream").wantBody(t, 201,
		`{"namespace":{"namespace_id":"shop","name":"shop","display_name":"shop","create_ts":-62135596800000},"from":"","actors":0,"modules":0,"versions":0,"secrets":[]}`)
	if n := <-read; n != int64(len(large)) {
		t.Errorf("read %d bytes", n)
	}
	f = newFixture(t, quick, take)
	c := f.dial()
	fmt.Fprintf(c, "POST /namespaces/import HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\nhalf", f.as(tenants.RoleOperator))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 408 {
		t.Errorf("half a file: %v, %v", resp, err)
	}
}
