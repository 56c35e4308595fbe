package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func line(seq uint64, text string) actors.LogLine {
	return actors.LogLine{Seq: seq, Time: created, Level: "info", Source: "log", Text: text}
}

// event is how a stream shows a line of text that needs no escape.
func event(seq, text string) string {
	return "id: " + seq + "\ndata: {\"seq\":" + seq + ",\"time\":\"2026-11-23T07:03:08.296Z\",\"level\":\"info\",\"source\":\"log\",\"text\":\"" + text + "\"}\n\n"
}

func TestLogs(t *testing.T) {
	f := newFixture(t)
	path := "/actors/" + f.actor("counter", "a").String() + "/logs"
	f.do("GET", path, "").wantBody(t, 200, `{"lines":[]}`)
	f.host.lines = []actors.LogLine{line(1, "one"), line(2, "two")}
	f.do("GET", path+"?after=1", "").wantBody(t, 200, `{"lines":[{"seq":2,"time":"2026-11-23T07:03:08.296Z","level":"info","source":"log","text":"two"}]}`)
	if a := f.do("HEAD", path+"?follow=true", ""); a.status != 200 || a.header.Get("Content-Type") != typeJSON {
		t.Errorf("HEAD follows: %d %v", a.status, a.header)
	}
	for _, query := range []string{"?after=x", "?after=-1", "?follow=maybe"} {
		f.do("GET", path+query, "").wantError(t, 400, "guard", "invalid_request")
	}
	f.do("GET", "/actors/"+tenants.NewActorID("default").String()+"/logs?follow=true", "").wantError(t, 404, "actor", "not_found")
}

// following is a request for a stream, in a bubble of synctest.
type following struct {
	srv    *Server
	host   *scriptedHost
	w      *recorder
	cancel context.CancelFunc
	done   chan struct{}
}

// recorder is httptest's, for a body that is read while it is written: a write that the clock
// starts is not ordered after a test's last look.
type recorder struct {
	head    http.Header
	code    int
	body    kvtest.Log
	flushed bool
}

func (r *recorder) Header() http.Header         { return r.head }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) Flush() {
	if !r.flushed {
		r.flushed = r.body.String() != ""
	}
}

// follow starts one within the caller's bubble.
func follow(f *fixture, change func(*http.Request)) *following {
	h := &scriptedHost{follow: make(chan actors.LogLine)}
	f.host = h
	id := f.actor("counter", "a")
	h.lines = []actors.LogLine{line(1, "one"), line(2, "two")}
	fl := &following{srv: f.newServer(), host: h, w: &recorder{head: http.Header{}}, done: make(chan struct{})}
	token, err := f.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleRead, TTL: 50 * time.Second})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	fl.cancel = cancel
	r := httptest.NewRequest("GET", "/actors/"+id.String()+"/logs", nil).WithContext(ctx)
	r.Header.Set("Accept", typeSSE)
	r.Header.Set("Authorization", "Bearer "+token)
	if change != nil {
		change(r)
	}
	go func() { // ends with the stream; awaited by each test through done
		defer close(fl.done)
		fl.srv.Handler().ServeHTTP(fl.w, r)
	}()
	synctest.Wait()
	return fl
}

func (fl *following) want(t *testing.T, body string) {
	t.Helper()
	synctest.Wait()
	if got := fl.w.body.String(); got != body {
		t.Errorf("got %q\nwant %q", got, body)
	}
}

func TestFollowLogs(t *testing.T) {
	f := newFixture(t)
	const head = ": following\n\n"
	t.Run("lines and signs of life", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fl := follow(f, nil)
			if fl.w.code != 200 || fl.w.head.Get("Content-Type") != typeSSE || !fl.w.flushed {
				t.Errorf("got %d %v, flushed %v", fl.w.code, fl.w.head, fl.w.flushed)
			}
			fl.want(t, head)
			fl.host.follow <- line(1, "one")
			fl.host.follow <- line(2, `data: x\n\nid: 9`)
			want := head + event("1", "one") + event("2", `data: x\\n\\nid: 9`)
			fl.want(t, want)
			<-time.After(15*time.Second + time.Millisecond)
			fl.want(t, want+": alive\n\n")
			close(fl.host.follow)
			<-fl.done
		})
	})
	t.Run("the client goes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fl := follow(f, nil)
			fl.cancel()
			<-fl.done
			fl.want(t, head)
		})
	})
	t.Run("the token ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fl := follow(f, nil)
			<-fl.done
			fl.want(t, head+strings.Repeat(": alive\n\n", 3)+"event: end\ndata: {\"reason\":\"token_expired\"}\n\n")
		})
	})
	t.Run("the server shuts down", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fl := follow(f, nil)
			if err := fl.srv.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			<-fl.done
			fl.want(t, head+"event: end\ndata: {\"reason\":\"going_away\"}\n\n")
		})
	})
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		after  uint64
	}{
		{"from the start", nil, 0},
		{"by parameter", func(r *http.Request) { r.URL.RawQuery = "after=1" }, 1},
		{"comes back", func(r *http.Request) { r.Header.Set("Last-Event-ID", "2") }, 2},
		{"comes back after a restart", func(r *http.Request) { r.Header.Set("Last-Event-ID", "77") }, 0},
		{"comes back with nonsense", func(r *http.Request) { r.Header.Set("Last-Event-ID", "x") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fl := follow(f, tt.change)
				fl.cancel()
				<-fl.done
				if len(fl.host.afters) != 1 || fl.host.afters[0] != tt.after {
					t.Errorf("followed after %v, want %d", fl.host.afters, tt.after)
				}
			})
		})
	}
}

// Over a real connection: what is sent arrives at once, and Shutdown does not wait for the stream.
func TestFollowLogsOverTheNetwork(t *testing.T) {
	f := newFixture(t)
	f.host.follow = make(chan actors.LogLine)
	id := f.actor("counter", "a").String()
	resp, err := http.DefaultTransport.RoundTrip(f.request("GET", "/actors/"+id+"/logs?follow=true", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read := func() string {
		b := make([]byte, 4096)
		n, _ := resp.Body.Read(b)
		return string(b[:n])
	}
	if got := read(); got != ": following\n\n" {
		t.Errorf("got %q", got)
	}
	f.host.follow <- line(1, "one")
	if got := read(); got != event("1", "one") {
		t.Errorf("got %q", got)
	}
	if err := f.srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if got := read(); !strings.Contains(got, "going_away") {
		t.Errorf("got %q", got)
	}
}
