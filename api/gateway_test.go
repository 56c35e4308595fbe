package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestAction(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	f.host.call = func(_ context.Context, _ tenants.ActorID, r actors.Request) (actors.Reply, error) {
		switch r.Action {
		case "void":
			return actors.Reply{}, nil
		case "bytes":
			return actors.Reply{Kind: actors.ReplyBytes, Bytes: []byte{0xff, 0, 1}}, nil
		}
		return actors.Reply{Output: r.Args}, nil
	}
	const odd = `[ 1.50 , "\u00e9<>" , {"b":1,"b":2} ]` // must come back byte for byte
	tests := []struct {
		name, path, body string
		header           []string
		want             string
	}{
		{name: "direct", path: id + "/action/echo", body: `{"args":[1]}`, want: `{"output":[1]}`},
		{name: "untouched", path: id + "/action/echo", body: `{"args":` + odd + `}`, want: `{"output":` + odd + `}`},
		{name: "no value", path: id + "/action/void", body: `{"args":[]}`, want: `{}`},
		{name: "bytes", path: id + "/action/bytes", body: `{"args":[]}`, want: `{"output":["$Uint8Array","/wAB"]}`},
		{name: "by name", path: "counter/action/echo?rvt-method=get&rvt-key=a", body: `{"args":[2]}`, want: `{"output":[2]}`},
		{name: "json by name", path: id + "/action/echo", body: `{"args":[3]}`, header: []string{"X-Rivet-Encoding: json"}, want: `{"output":[3]}`},
		{name: "unknown encoding is json", path: id + "/action/echo", body: `{"args":[4]}`, header: []string{"X-Rivet-Encoding: xml", "Content-Type: text/plain"}, want: `{"output":[4]}`},
		{name: "content type with parameters", path: id + "/action/echo", body: `{"args":[5]}`, header: []string{"Content-Type: Application/JSON; charset=utf-8"}, want: `{"output":[5]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do("POST", "/gateway/"+tt.path, tt.body, tt.header...)
			a.wantBody(t, 200, tt.want)
			if a.header.Get("X-Rivet-Actor") != id || a.header.Get("Content-Type") != typeJSON {
				t.Errorf("header %v", a.header)
			}
		})
	}
	if c := f.host.calls[0]; c.Caller != "ann" || c.Action != "echo" || c.IsRaw {
		t.Errorf("call %+v", c)
	}
}

func TestActionNameIsDecodedOnce(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	for _, tt := range []struct{ path, want string }{{"nested.a.b", "nested.a.b"}, {"a%2Fb", "a/b"}, {"a%252Fb", "a%2Fb"}, {"w%C3%B6rld", "wörld"}, {"a%20b", "a b"}} {
		f.do("POST", "/gateway/"+id+"/action/"+tt.path, `{"args":[]}`).wantBody(t, 200, `{"output":[]}`)
		if got := f.host.calls[len(f.host.calls)-1].Action; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.path, got, tt.want)
		}
	}
}

func TestActionGetOrCreate(t *testing.T) {
	f := newFixture(t)
	const path = "/gateway/counter/action/echo?rvt-namespace=default&rvt-method=getOrCreate&rvt-key=x%2Cy&rvt-runner=default&rvt-crash-policy=sleep&rvt-input=uQABZXN0YXJ0BQ"
	first := f.do("POST", path, `{"args":[]}`)
	first.wantBody(t, 200, `{"output":[]}`)
	second := f.do("POST", path, `{"args":[]}`)
	if a, b := first.header.Get("X-Rivet-Actor"), second.header.Get("X-Rivet-Actor"); a != b || a == "" {
		t.Errorf("actors %q and %q", a, b)
	}
	if len(f.host.creates) != 1 || string(f.host.creates[0].Input) != `{"start":5}` || f.host.creates[0].Caller != "ann" {
		t.Errorf("creates %+v", f.host.creates)
	}
	if _, ok := f.host.actors[tenants.Address{Namespace: "default", Name: "counter", Key: "x/y"}]; !ok {
		t.Errorf("actors %v", f.host.actors)
	}
	b := f.do("POST", "/gateway/counter/action/echo?rvt-method=get&rvt-key=absent", `{"args":[]}`).wantError(t, 404, "actor", "not_found")
	if !strings.Contains(string(b.Metadata), "getOrCreate") {
		t.Errorf("metadata %s", b.Metadata)
	}
}

func TestActionRefused(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	path := id + "/action/echo"
	long := `{"args":["` + strings.Repeat("a", abi.MaxArgs-4) + `"]}`
	tests := []struct {
		name, path, body string
		header           []string
		status           int
		code             string
	}{
		{name: "cbor", body: "\xa0", header: []string{"X-Rivet-Encoding: cbor"}, status: 400, code: "guard/invalid_request"},
		{name: "bare", body: "\x04\x00", header: []string{"X-Rivet-Encoding: bare"}, status: 400, code: "guard/invalid_request"},
		{name: "compressed", body: "x", header: []string{"Content-Encoding: gzip"}, status: 415, code: "guard/unsupported_media_type"},
		{name: "no body", body: "", status: 400, code: "guard/invalid_request"},
		{name: "no object", body: "[1]", status: 400, code: "guard/invalid_request"},
		{name: "trailing", body: `{"args":[]}1`, status: 400, code: "guard/invalid_request"},
		{name: "deep", body: `{"args":` + nested(10_000) + `}`, status: 400, code: "guard/invalid_request"},
		{name: "arguments at the limit", body: long, status: 200},
		{name: "arguments past the limit", body: strings.Replace(long, "aaa", "aaaa", 1), status: 413, code: "message/incoming_too_long"},
		{name: "body past the limit", body: strings.Repeat(" ", actionBody+1), status: 413, code: "message/incoming_too_long"},
		{name: "raw past the limit", body: strings.Repeat(" ", abi.MaxArgs+1), header: []string{"Content-Type: text/plain"}, status: 413, code: "message/incoming_too_long"},
		{name: "bad parameters", path: "counter/action/x?rvt-method=get&rvt-foo=1", status: 400, code: "guard/query_invalid_params"},
		{name: "bad parameters before the token", path: "counter/action/x?rvt-foo=1", header: []string{"no token"}, status: 400, code: "guard/query_invalid_params"},
		{name: "unknown id", path: tenants.NewActorID("default").String() + "/action/x", body: `{"args":[]}`, status: 404, code: "actor/not_found"},
		{name: "name in place of an id", path: "counter/action/x", body: `{"args":[]}`, status: 404, code: "actor/not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := path
			if tt.path != "" {
				p = tt.path
			}
			a := f.do("POST", "/gateway/"+p, tt.body, tt.header...)
			if tt.status == 200 {
				if a.status != 200 {
					t.Errorf("got %d %.200s", a.status, a.body)
				}
				return
			}
			group, code, _ := strings.Cut(tt.code, "/")
			a.wantError(t, tt.status, group, code)
		})
	}
	if len(f.host.creates) != 0 {
		t.Error("a refused request created an actor")
	}
}

// Rivet's client sends every body in chunks, without a length.
func TestActionChunked(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	chunked := func(body string) *http.Request {
		r := f.request("POST", "/gateway/"+id+"/action/echo", struct{ io.Reader }{strings.NewReader(body)})
		r.ContentLength = -1
		return r
	}
	f.send(chunked(`{"args":[1]}`)).wantBody(t, 200, `{"output":[1]}`)
	f.send(chunked(`{"args":["`+strings.Repeat("a", actionBody))).wantError(t, 413, "message", "incoming_too_long")
}

func TestRawCall(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	a := f.do("POST", "/gateway/"+id+"/action/count", "\x00\xff any bytes", "Content-Type: application/x-thing")
	a.wantBody(t, 200, "\x00\xff any bytes")
	if a.header.Get("Content-Type") != typeBytes || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Security-Policy") == "" {
		t.Errorf("header %v", a.header)
	}
	if c := f.host.calls[0]; !c.IsRaw || c.Args != nil {
		t.Errorf("call %+v", c)
	}
}

func TestTokensOfTheGateway(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	good := f.token(tenants.RoleInvoke)
	tests := []struct {
		name, path string
		header     []string
		status     int
	}{
		{name: "path", path: id + "@" + good + "/action/echo", status: 200},
		{name: "query", path: "counter/action/echo?rvt-method=get&rvt-key=a&rvt-token=" + good, status: 200},
		{name: "header", path: id + "/action/echo", header: []string{"X-Rivet-Token: " + good}, status: 200},
		{name: "bearer", path: id + "/action/echo", header: []string{"Authorization: bearer " + good}, status: 200},
		{name: "the URL's counts, Authorization is the actor's", path: id + "@" + good + "/action/echo", header: []string{"Authorization: Basic x"}, status: 200},
		{name: "Rivet's header counts before Authorization", path: id + "/action/echo", header: []string{"X-Rivet-Token: " + good, "Authorization: Basic x"}, status: 200},
		{name: "a bad one in the URL is not replaced by a good one", path: id + "@x/action/echo", header: []string{"X-Rivet-Token: " + good}, status: 401},
		{name: "empty in the path", path: id + "@/action/echo", header: []string{"X-Rivet-Token: " + good}, status: 401},
		{name: "empty in the query", path: "counter/action/echo?rvt-method=get&rvt-token=", header: []string{"X-Rivet-Token: " + good}, status: 401},
		{name: "two headers", path: id + "/action/echo", header: []string{"Authorization: Bearer " + good, "Authorization: Bearer " + good}, status: 401},
		{name: "no scheme", path: id + "/action/echo", header: []string{"Authorization: " + good}, status: 401},
		{name: "none", path: id + "/action/echo", header: []string{"no token"}, status: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do("POST", "/gateway/"+tt.path, `{"args":[]}`, append(tt.header, "no token")...)
			if a.status != tt.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
			if got := a.header.Get("Www-Authenticate"); (got != "") != (tt.status == 401) {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
}

// The operator may name any namespace that exists, in the query form and on REST.
func TestOperatorNamesANamespace(t *testing.T) {
	f := newFixture(t)
	f.host.put(tenants.Address{Namespace: "other", Name: "counter", Key: "a"})
	op := f.as(tenants.RoleOperator, "")
	f.do("POST", "/gateway/counter/action/echo?rvt-method=get&rvt-key=a&rvt-namespace=other", `{"args":[]}`, op).wantBody(t, 200, `{"output":[]}`)
	f.do("POST", "/gateway/counter/action/echo?rvt-method=get&rvt-key=a", `{"args":[]}`, op).wantError(t, 404, "actor", "not_found")
	f.do("GET", "/actors?namespace=absent", "", op).wantError(t, 404, "namespace", "not_found")
}

// BenchmarkGateway is a whole request without the network: the edge's own cost.
func BenchmarkGateway(b *testing.B) {
	f := newFixture(b)
	id := f.actor("counter", "a").String()
	f.host.call = func(context.Context, tenants.ActorID, actors.Request) (actors.Reply, error) {
		f.host.calls = f.host.calls[:0]
		return actors.Reply{Output: []byte("7")}, nil
	}
	s := f.newServer(func(c *Config) { c.Logger = nil })
	token := "Bearer " + f.token(tenants.RoleInvoke)
	for _, tt := range []struct{ name, path string }{
		{"direct", "/gateway/" + id + "/action/inc"},
		{"query", "/gateway/counter/action/inc?rvt-namespace=default&rvt-method=getOrCreate&rvt-key=a&rvt-runner=default&rvt-crash-policy=sleep"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			body := strings.NewReader("")
			r := httptest.NewRequest("POST", tt.path, body)
			r.Header = http.Header{"Authorization": {token}, "Content-Type": {typeJSON}, "X-Rivet-Encoding": {"json"}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(`{"args":[2]}`)
				r.Body, r.ContentLength = io.NopCloser(body), 12
				w := httptest.NewRecorder()
				if s.Handler().ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

func BenchmarkAction(b *testing.B) {
	for _, size := range []int{10, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body := []byte(`{"args":["` + strings.Repeat("a", size) + `"]}`)
			w := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				args, err := wire.ParseArgs(body)
				if err != nil {
					b.Fatal(err)
				}
				_ = writeReply(w, wire.JSON, actors.Reply{Output: args})
			}
		})
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
