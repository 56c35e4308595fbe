package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

const writeTimeout = 500 * time.Millisecond

// overHTTP2 starts one more server of f's, with TLS, and returns its client. f's requests go there from now on.
// window is how many bytes of an answer's body the client takes before it is asked to read; 0 is many.
func (f *fixture) overHTTP2(window int, idle func()) *http.Client {
	f.t.Helper()
	srv := f.newServer(func(c *Config) { c.WriteTimeout = writeTimeout })
	ts := httptest.NewUnstartedServer(srv.Handler())
	ts.Config, ts.EnableHTTP2 = srv.http, true
	ts.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateIdle {
			idle()
		}
	}
	ts.StartTLS()
	f.t.Cleanup(func() {
		srv.Shutdown(context.Background())
		ts.Close()
	})
	f.url = ts.URL
	client := ts.Client()
	client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
	return client
}

// read returns an answer over HTTP/2.
func (f *fixture) read(resp *http.Response, err error) answer {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 2 {
		f.t.Fatalf("%s: %q, %v", resp.Proto, b, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// A deadline that passes ends a stream even if nothing is being written, so there must be none while a turn runs.
func TestLongTurnOverHTTP2(t *testing.T) {
	f := newFixture(t)
	client := f.overHTTP2(0, func() {})
	f.host.call = func(ctx context.Context, _ tenants.ActorID, r actors.Request) (actors.Reply, error) {
		select {
		case <-ctx.Done():
			return actors.Reply{}, ctx.Err()
		case <-time.After(3 * writeTimeout):
			return actors.Reply{Output: r.Args}, nil
		}
	}
	id := f.actor("counter", "a").String()
	for range 2 { // the second on the same connection
		f.read(client.Do(f.request("POST", "/gateway/"+id+"/action/x", strings.NewReader(`{"args":[1]}`)))).wantBody(t, 200, `{"output":[1]}`)
	}
}

// A reader that does not read is cut after the write timeout, also if the answer is so small that the handler is gone.
func TestSlowReaderOverHTTP2(t *testing.T) {
	for _, size := range []int{10, 64 << 20} {
		f := newFixture(t)
		idle := make(chan struct{}, 8)
		client := f.overHTTP2(1, func() { idle <- struct{}{} })
		f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
			return actors.Reply{Output: []byte(`"` + strings.Repeat("a", size) + `"`)}, nil
		}
		id := f.actor("counter", "a").String()
		resp, err := client.Do(f.request("POST", "/gateway/"+id+"/action/x", strings.NewReader(`{"args":[]}`)))
		if err != nil {
			t.Fatal(err)
		}
		<-idle // it was new
		<-idle // it has no stream left
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("the answer of %d bytes is whole: %.20q", size, b)
		}
		resp.Body.Close()
	}
}
