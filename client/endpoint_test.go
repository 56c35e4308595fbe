package client_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/client"
)

func TestEndpoints(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		o        client.Options
		want     string // in the error, or what the client says it is
	}{
		{"", client.Options{}, "http://127.0.0.1:6420"},
		{"https://example.com/", client.Options{}, "https://example.com"},
		{"http://ns:sec%2Fret@example.com:1/api/rivet/", client.Options{}, "http://example.com:1/api/rivet"},
		{"http://ns@example.com", client.Options{Token: "t"}, "http://example.com"},
		{"http://example.com/a%2Fb", client.Options{Encoding: "json"}, "http://example.com/a%2Fb"},
		{"example.com", client.Options{}, "not of the form"},
		{"ftp://example.com", client.Options{}, "not of the form"},
		{"http://", client.Options{}, "not of the form"},
		{"http://example.com?a=1", client.Options{}, "query"},
		{"http://example.com#a", client.Options{}, "fragment"},
		{"http://ns:secret@example.com", client.Options{Token: "t"}, "again"},
		{"http://ns:secret@example.com", client.Options{Namespace: "n"}, "again"},
		{"http://ns:sec ret@exa mple.com", client.Options{}, "no URL"},
		{"", client.Options{Encoding: "xml"}, `no encoding "xml"`},
		{"", client.Options{MaxAnswer: -1}, "negative"},
	} {
		c, err := client.New(tt.endpoint, tt.o)
		got := fmt.Sprint(c)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) || strings.Contains(got, "sec") {
			t.Errorf("%q %+v: got %s, want %s", tt.endpoint, tt.o, got, tt.want)
		}
	}
}

// Credentials in the endpoint, a path before the host's, and a proxy with TLS before it: requests and sockets go there.
func TestBehindAProxy(t *testing.T) {
	to := must[*url.URL](t)(url.Parse(endpoint))
	seen := make(chan http.Header, 100)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		seen <- r.In.Header
		r.SetURL(to)
		r.Out.URL.Path, r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.Path, "/hosts/one"), strings.TrimPrefix(r.In.URL.EscapedPath(), "/hosts/one")
	}}
	front := httptest.NewUnstartedServer(proxy)
	front.EnableHTTP2 = true
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of a client that does not trust it
	front.StartTLS()
	defer front.Close()
	at := strings.Replace(front.URL, "https://", "https://default:"+token+"@", 1) + "/hosts/one/"
	c := must[*client.Client](t)(client.New(at, client.Options{HTTP: front.Client(), Header: http.Header{"X-Tenant": {"mine"}}}))
	h := c.GetOrCreate("kitchen", newKey(), "a/b")
	conn := connect(t, h, client.ConnOptions{})
	if n := inc(t, h, 1) + inc(t, conn, 1); n != 3 {
		t.Errorf("the counts add up to %d", n)
	}
	if id := must[string](t)(h.Resolve(within(t))); id != conn.ActorID() {
		t.Errorf("the ids are %s and %s", id, conn.ActorID())
	}
	if n := inc(t, c.ByID(conn.ActorID()), 1); n != 3 { // with the namespace in the header
		t.Errorf("by id: %d", n)
	}
	s := must[*client.Socket](t)(h.Dial(within(t), "/x"))
	must[client.Frame](t)(s.Read(within(t)))
	s.Close(1000, "")
	conn.Close()
	for len(seen) > 0 {
		if got := (<-seen).Get("X-Tenant"); got != "mine" {
			t.Errorf("a request with the header %q", got)
		}
	}
	strict := must[*client.Client](t)(client.New(at, client.Options{HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}}))
	for what, err := range map[string]error{"a call": client.Do(within(t), strict.Get("kitchen"), "get"), "a connection": func() error { _, err := strict.Get("kitchen").Connect(within(t), client.ConnOptions{}); return err }()} {
		if err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s with an unknown certificate: %v", what, err)
		}
	}
}

// The waits grow to a bound, and clients differ.
func TestWaits(t *testing.T) {
	last := time.Duration(0)
	for failures := range 100 {
		low, high := client.Wait(failures, 0), client.Wait(failures, 0.999)
		if low <= 0 || high > 10*time.Second || high < low || low < last/2 {
			t.Errorf("after %d: from %v to %v, before %v", failures, low, high, last)
		}
		last = low
	}
	if last < 5*time.Second || client.Wait(0, 1) > 100*time.Millisecond {
		t.Errorf("the waits go from %v to %v", client.Wait(0, 1), last)
	}
}

func TestProtocolsAreTokens(t *testing.T) {
	h := newClient(t, client.Options{}).Get("a").WithParams(map[string]any{"name": "zoë, \"ü\" +@/:=(){}[]<>?;\\ \U0001f600"})
	for _, p := range h.Protocols() {
		if strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			t.Errorf("%q is no token", p)
		}
	}
}
