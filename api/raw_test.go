package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// The actor sees the request as it came, but for what is the gateway's.
func TestRawRequestPasses(t *testing.T) {
	f := newFixture(t)
	id := f.actor("room", tenants.EmptyKey).String()
	f.host.raw = func(context.Context, actors.RawRequest) (*actors.RawResponse, error) {
		return &actors.RawResponse{Head: abi.ResponseHead{Status: 200}}, nil
	}
	tests := []struct{ method, path, url string }{
		{"GET", "/gateway/" + id + "/request", "/"},
		{"GET", "/gateway/" + id + "/request/", "/"},
		{"BREW", "/gateway/" + id + "/request/a%2Fb/c%20d?x=%31&y", "/a%2Fb/c%20d?x=%31&y"},
		{"POST", "/gateway/room/request/p?a=1&rvt-method=get&rvt-key=&b=%zz", "/p?a=1&b=%zz"},
		{"HEAD", "/api/rivet/gateway/" + id + "/request/request/x", "/request/x"},
		{"DELETE", "/gateway/" + id + "@" + f.token(tenants.RoleInvoke) + "/request/t", "/t"},
	}
	for _, tt := range tests {
		a := f.do(tt.method, tt.path, "the body", "X-Two: 1", "X-Two: 2", "Connection: x-hop", "X-Hop: 1", "Te: trailers", "Content-Encoding: br", "Origin: https://a.example", "X-Forwarded-For: 1.2.3.4")
		if a.status != 200 || a.header.Get("X-Rivet-Actor") != id {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, a.status, a.body)
			continue
		}
		got := f.host.raws[len(f.host.raws)-1]
		if got.Head.Method != tt.method || got.Head.URL != tt.url || got.Head.Remote != "127.0.0.1" || got.Caller != "ann" || got.Origin != "https://a.example" {
			t.Errorf("%s %s: the actor saw %+v", tt.method, tt.path, got)
		}
		if string(got.Body) != "the body" && tt.method != "HEAD" {
			t.Errorf("%s %s: the body is %q", tt.method, tt.path, got.Body)
		}
		h := got.Head.Header
		if fmt.Sprint(h["x-two"]) != "[1 2]" || h["content-encoding"] == nil || h["x-hop"] != nil || h["te"] != nil || h["connection"] != nil || h["authorization"] != nil || h["x-rivet-token"] != nil {
			t.Errorf("%s %s: the header is %v", tt.method, tt.path, h)
		}
	}
	long := f.do("POST", "/gateway/"+id+"/request", string(bytes.Repeat([]byte("x"), abi.MaxBody+1)))
	long.wantError(t, 413, "message", "incoming_too_long")
	if a := f.do("OPTIONS", "/gateway/"+id+"/request", "", "no token", "Origin: https://a.example"); a.status != 204 {
		t.Errorf("a preflight: %d", a.status)
	}
}

// Of an actor's answer only what is listed passes, and it is never a page of ours.
func TestRawResponseIsAStrangers(t *testing.T) {
	f := newFixture(t)
	path := "/gateway/" + f.actor("room", tenants.EmptyKey).String() + "/request/x"
	if a := f.do("GET", path, ""); a.status != 404 || a.body != "" || a.header.Get("X-Rivet-Error") != "actor.no_handler" {
		t.Errorf("without a handler: %d %q", a.status, a.body)
	}
	forbidden := []string{"Set-Cookie", "Service-Worker-Allowed", "Clear-Site-Data", "Strict-Transport-Security", "Alt-Svc", "Access-Control-Allow-Methods",
		"X-Rivet-Ray-Id", "X-Accel-Redirect", "Connection", "Transfer-Encoding", "Content-Length", "Www-Authenticate", "Refresh", "Server"}
	head := abi.ResponseHead{Status: 418, Header: map[string][]string{
		"content-type": {"text/html"}, "Cache-Control": {"max-age=1"}, "x-app-a": {"1", "2"}, "vary": {"Accept"},
		"content-security-policy": {"default-src *"}, "x-content-type-options": {"none"}, "access-control-allow-origin": {"https://evil.example"},
	}}
	for _, name := range forbidden {
		head.Header[strings.ToLower(name)] = []string{"evil"}
	}
	f.host.raw = func(context.Context, actors.RawRequest) (*actors.RawResponse, error) {
		return &actors.RawResponse{Head: head, Body: []byte("<script>")}, nil
	}
	a := f.do("GET", path, "", "Origin: https://a.example")
	if a.status != 418 || a.body != "<script>" {
		t.Errorf("the answer is %d %q", a.status, a.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html", "Cache-Control": "max-age=1", "Content-Security-Policy": guestPolicy, "X-Content-Type-Options": "nosniff",
		"Access-Control-Allow-Origin": "https://a.example", "X-App-A": "1",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := fmt.Sprint(a.header.Values("X-App-A"), a.header.Values("Vary")); got != "[1 2] [Origin Accept]" {
		t.Errorf("lists: %s", got)
	}
	for _, name := range forbidden {
		if got := a.header.Get(name); strings.Contains(got, "evil") {
			t.Errorf("%s passes", name)
		}
	}
	for _, status := range []int{204, 304} {
		head = abi.ResponseHead{Status: status}
		if a := f.do("GET", path, ""); a.status != status || a.body != "" {
			t.Errorf("%d: %d %q", status, a.status, a.body)
		}
	}
	head = abi.ResponseHead{Status: 200}
	if a := f.do("GET", path, ""); a.header.Get("Content-Type") != typeBytes || a.header.Get("Content-Length") != "8" {
		t.Errorf("without a type: %v", a.header)
	}
}

// An answer in parts arrives part by part; one that breaks off is cut, not ended.
func TestRawResponseInParts(t *testing.T) {
	f := newFixture(t)
	path := "/gateway/" + f.actor("room", tenants.EmptyKey).String() + "/request/x"
	next := make(chan string)
	broken := make(chan struct{}, 1)
	f.host.raw = func(context.Context, actors.RawRequest) (*actors.RawResponse, error) {
		return &actors.RawResponse{Head: abi.ResponseHead{Status: 200, Header: map[string][]string{"content-type": {typeSSE}}}, Next: func(ctx context.Context) ([]byte, error) {
			select {
			case text, ok := <-next:
				if !ok {
					return nil, io.EOF
				}
				return []byte(text), nil
			case <-broken:
				return nil, &abi.Error{Code: abi.CodeReplyLost}
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}, nil
	}
	open := func() (*http.Response, *bufio.Reader) {
		t.Helper()
		r, err := http.DefaultTransport.RoundTrip(f.request("GET", path, nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r, bufio.NewReader(r.Body)
	}
	r, b := open()
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != typeSSE || r.ContentLength != -1 {
		t.Errorf("the head is %d %v", r.StatusCode, r.Header)
	}
	for _, text := range []string{"data: 1\n", "data: 2\n"} {
		next <- text
		if got, err := b.ReadString('\n'); got != text || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	broken <- struct{}{}
	if _, err := b.ReadString('\n'); err == nil || err == io.EOF {
		t.Errorf("a broken answer ends with %v", err)
	}
	_, b = open()
	next <- "last"
	close(next)
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestGrants(t *testing.T) {
	f := newFixture(t)
	f.publish("counter", []byte("\x00asm1"))
	set := func(body string, header ...string) answer { return f.do("PATCH", "/modules/counter", body, header...) }
	a := set(`{"grants":{"egress":["api.example.com","http://127.0.0.1:81"],"uploads":true}}`)
	if a.status != 200 || !strings.Contains(a.body, `"grants":{"egress":["api.example.com","http://127.0.0.1:81"],"uploads":true}`) {
		t.Errorf("grants: %d %s", a.status, a.body)
	}
	if got := f.reg.Grants(tenants.Default, "counter"); len(got.Egress) != 2 || !got.Uploads {
		t.Errorf("the registry has %+v", got)
	}
	set(`{"grants":{}}`)
	if got := f.reg.Grants(tenants.Default, "counter"); len(got.Egress) != 0 || got.Uploads {
		t.Errorf("after none are given, the registry has %+v", got)
	}
	for _, bad := range []string{`{"grants":{"egress":["*"]}}`, `{"grants":{"egress":["http://a/b"]}}`, `{"grants":{"other":1}}`, `{"grants":{},"live":1}`, `{}`,
		`{"grants":{"egress":["` + strings.Repeat(`a.example","`, 65) + `a.example"]}}`} {
		set(bad).wantError(t, 400, "guard", "invalid_request")
	}
	set(`{"grants":{}}`, f.as(tenants.RoleDeploy)).wantError(t, 403, "auth", "forbidden")
	if a := f.do("GET", "/modules/counter", "", f.as(tenants.RoleRead)); strings.Contains(a.body, "grants") {
		t.Errorf("grants are shown to who may not set them: %s", a.body)
	}
}
