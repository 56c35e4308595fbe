package egress

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// TestSmuggling: nothing that a guest puts into a request reaches a server as more than it is.
func TestSmuggling(t *testing.T) {
	address := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") })
	w := small(t, address)
	url := "http://" + address
	header := func(name, value string) abi.FetchRequest {
		return abi.FetchRequest{URL: url, Header: map[string][]string{name: {value}}}
	}
	tests := map[string]struct {
		request abi.FetchRequest
		code    abi.Code
	}{
		"line feed in a value":          {header("x", "a\nHost: evil"), abi.CodeInvalidArgument},
		"return in a value":             {header("x", "a\rHost: evil"), abi.CodeInvalidArgument},
		"NUL in a value":                {header("x", "a\x00"), abi.CodeInvalidArgument},
		"line feed in a name":           {header("x: y\r\nHost", "evil"), abi.CodeInvalidArgument},
		"space in a name":               {header("content-length ", "5"), abi.CodeInvalidArgument},
		"colon in a name":               {header("host:", "evil"), abi.CodeInvalidArgument},
		"empty name":                    {header("", "evil"), abi.CodeInvalidArgument},
		"name beyond ASCII":             {header("ｈost", "evil"), abi.CodeInvalidArgument},
		"name that folds to ASCII":      {header("\u212Aeep-alive", "x"), abi.CodeInvalidArgument},
		"host":                          {header("Host", "evil"), abi.CodeInvalidArgument},
		"length":                        {header("Content-Length", "0"), abi.CodeInvalidArgument},
		"encoding":                      {header("tRANSFER-eNCODING", "chunked"), abi.CodeInvalidArgument},
		"connection":                    {header("Connection", "x-secret"), abi.CodeInvalidArgument},
		"upgrade":                       {header("Upgrade", "websocket"), abi.CodeInvalidArgument},
		"trailer":                       {header("Trailer", "x"), abi.CodeInvalidArgument},
		"te":                            {header("TE", "trailers"), abi.CodeInvalidArgument},
		"expect":                        {header("Expect", "100-continue"), abi.CodeInvalidArgument},
		"proxy":                         {header("Proxy-Authorization", "x"), abi.CodeInvalidArgument},
		"too much":                      {header("x", strings.Repeat("a", testHeader)), abi.CodeInvalidArgument},
		"line feed in the method":       {abi.FetchRequest{URL: url, Method: "GET / HTTP/1.1\r\nx: "}, abi.CodeInvalidArgument},
		"space in the method":           {abi.FetchRequest{URL: url, Method: "GET /"}, abi.CodeInvalidArgument},
		"tunnel":                        {abi.FetchRequest{URL: url, Method: "connect"}, abi.CodeEgressDenied},
		"echo":                          {abi.FetchRequest{URL: url, Method: "TRACE"}, abi.CodeEgressDenied},
		"line feed in the path":         {abi.FetchRequest{URL: url + "/\nHost: evil"}, abi.CodeEgressDenied},
		"host in a header with secrets": {abi.FetchRequest{URL: url, Secrets: map[string]string{"host": "{secret:A}"}}, abi.CodeInvalidArgument},
	}
	p := policy(t, url)
	p.Secrets = func(string, string) (string, error) { return "long enough", nil }
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := w.fetch(t, p, tt.request, nil)
			checkCode(t, err, tt.code, "")
		})
	}
	_, _, err := w.fetch(t, p, abi.FetchRequest{Method: "POST", URL: url}, make([]byte, testBody+1))
	checkCode(t, err, abi.CodeInvalidArgument, "the body takes more")
}

// TestRequestLine: what may stand in a URL for a guest arrives as one request, with what it means.
func TestRequestLine(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Host, r.RequestURI) })
	w := small(t, address)
	for path, want := range map[string]string{
		"":                        "/",
		"?a b HTTP/1.1":           "/?a%20b%20HTTP/1.1",
		"/%0d%0aHost:%20x?é#frag": "/%0d%0aHost:%20x?%C3%A9",
		"/../a//b/%2e%2e?x=%0A":   "/../a//b/%2e%2e?x=%0A",
	} {
		_, body, err := w.get(t, "http://"+address+path, "http://"+address)
		if err != nil || body != address+" "+want {
			t.Errorf("%q: got %q, %v, want %q", path, body, err, want)
		}
	}
}

// redirects is two servers: one sends to where the query says, the other tells what it got.
func redirects(t *testing.T) (from, to string) {
	tell := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s|%s|%s|%s|%s", r.Method, body, r.Header.Get("Authorization"), r.Header.Get("X-Key"), r.Header.Get("Accept"), r.Header.Get("Content-Type"))
	}
	to = serve(t, tell)
	from = serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("to") == "" {
			tell(w, r)
			return
		}
		var status int
		fmt.Sscan(q.Get("status"), &status)
		w.Header()["Location"] = []string{q.Get("to")}
		w.WriteHeader(status)
	})
	return from, to
}

func TestRedirects(t *testing.T) {
	from, to := redirects(t)
	w := newWorld(t, Config{AllowLoopback: []string{from, to, "localhost:" + port(to)}})
	insidePort, reached := inside(t, "127.0.0.1:0")
	p := policy(t, "http://"+from, "http://"+to, "http://127.0.0.1:"+insidePort)
	p.Secrets = func(string, string) (string, error) { return "sesame", nil }
	tests := []struct {
		name, status, to string
		want             string // answer, or text of the error
		code             abi.Code
	}{
		{"same host", "307", "/x", "POST body|Bearer ***|key|a/b|c/d", 0},
		{"other host", "307", "http://" + to, "POST body|||a/b|c/d", 0},
		{"permanent", "308", "http://" + to + "/y#z", "POST body|||a/b|c/d", 0},
		{"found", "302", "http://" + to, "GET |||a/b|", 0},
		{"moved", "301", "/x", "GET |Bearer ***|key|a/b|", 0},
		{"see other", "303", "//" + to, "GET |||a/b|", 0},
		{"there and back", "307", "http://" + from + "/?status=307&to=http://" + from, "POST body|Bearer ***|key|a/b|c/d", 0},
		{"not allowed", "302", "http://localhost:" + port(to), "a redirect: the host is not allowed", abi.CodeEgressDenied},
		{"inside", "302", "http://127.0.0.1:" + insidePort, "loopback", abi.CodeEgressDenied},
		{"decimal", "302", "http://2130706433:" + insidePort, "unusual form", abi.CodeEgressDenied},
		{"user", "302", "http://user:pass@" + to, "user or a password", abi.CodeEgressDenied},
		{"file", "302", "file:///etc/passwd", "neither http nor https", abi.CodeEgressDenied},
		{"backslash", "302", "http:\\\\" + to, "a redirect", abi.CodeEgressDenied},
		{"malformed", "302", "http://[::1", "malformed", abi.CodeFetchFailed},
		{"not one", "304", "http://" + to, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, body, err := w.fetch(t, p, abi.FetchRequest{
				Method: "POST", URL: "http://" + from + "/?" + query("status", tt.status, "to", tt.to),
				Header:  map[string][]string{"x-key": {"key"}, "accept": {"a/b"}, "content-type": {"c/d"}},
				Secrets: map[string]string{"Authorization": "Bearer {secret:A}"},
			}, []byte("body"))
			if tt.code != 0 {
				checkCode(t, err, tt.code, tt.want)
			} else if err != nil || body != tt.want {
				t.Errorf("got %q, %v, want %q", body, err, tt.want)
			}
		})
	}
	if reached.Load() != 0 {
		t.Error("a redirect led inside")
	}
}

// TestCredentialsStayLost: a server that is trusted with nothing does not choose where they go next.
func TestCredentialsStayLost(t *testing.T) {
	from, _ := redirects(t)
	over := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{"http://" + from + "/"}
		w.WriteHeader(307)
	})
	w := newWorld(t, Config{AllowLoopback: []string{from, over}})
	_, body, err := w.fetch(t, policy(t, "http://"+from, "http://"+over), abi.FetchRequest{
		URL:    "http://" + from + "/?" + query("status", "307", "to", "http://"+over),
		Header: map[string][]string{"authorization": {"x"}, "x-key": {"y"}},
	}, nil)
	if err != nil || body != "GET ||||" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestRedirectBeforeTheRequest has a server that answers at the first byte, while the rest of the
// request is still being written: the next hop sends all of it.
func TestRedirectBeforeTheRequest(t *testing.T) {
	to := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.Method, n, err)
	})
	from := serveRaw(t, func(c net.Conn) {
		fmt.Fprintf(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n", to)
		_, _ = io.Copy(io.Discard, c)
	})
	w := newWorld(t, Config{AllowLoopback: []string{from, to}})
	p := policy(t, "http://"+from, "http://"+to)
	_, body, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + from, Method: "PUT"}, make([]byte, 5<<20))
	if want := fmt.Sprint("PUT", 5<<20, nil); err != nil || body != want {
		t.Fatalf("got %q, %v, want %q", body, err, want)
	}
}

// TestHopsShareNothing: the transport may write a request after Do has returned or gone on.
func TestHopsShareNothing(t *testing.T) {
	w := newWorld(t, Config{})
	body := []byte("body")
	r, err := w.newRequest(policy(t, "a.example"), abi.FetchRequest{URL: "https://a.example", Header: map[string][]string{"x": {"y"}}}, body)
	if err != nil {
		t.Fatal(err)
	}
	h := r.http(t.Context())
	body[0] = 'x'
	r.header.Del("X")
	sent, err := io.ReadAll(h.Body)
	if err != nil || string(sent) != "body" || h.Header.Get("X") != "y" {
		t.Errorf("got %q and %v, %v", sent, h.Header, err)
	}
}

func TestRedirectsEnd(t *testing.T) {
	n := 0
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.Header()["Location"] = []string{"/"}
		w.WriteHeader(302)
	})
	_, _, err := small(t, address).get(t, "http://"+address, "http://"+address)
	checkCode(t, err, abi.CodeFetchFailed, "too often")
	if n != 11 {
		t.Errorf("got %d requests, want 11", n)
	}
}

func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s=%s&", pairs[i], strings.NewReplacer("%", "%25", "&", "%26", "#", "%23", "?", "%3f", "\\", "%5c").Replace(pairs[i+1]))
	}
	return b.String()
}

// TestTLS: certificates are checked against the name that was asked for, and no redirect leaves TLS.
func TestTLS(t *testing.T) {
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the downgrade was followed") })
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			http.Redirect(w, r, "http://"+plain, http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = discardLog
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	good, bad := "example.com:"+port(s.Listener.Addr().String()), "other.test:"+port(s.Listener.Addr().String())
	w := newWorld(t, Config{AllowLoopback: []string{good, bad, plain}, Roots: roots})
	w.names.set("example.com", []string{"127.0.0.1"})
	w.names.set("other.test", []string{"127.0.0.1"})
	if _, body, err := w.get(t, "https://"+good, good); err != nil || body != "HTTP/1.1" {
		t.Errorf("got %q, %v", body, err)
	}
	_, _, err := w.get(t, "https://"+bad, bad)
	checkCode(t, err, abi.CodeFetchFailed, "certificate is not valid")
	_, _, err = w.get(t, "https://"+good+"/down", good, "http://"+plain)
	checkCode(t, err, abi.CodeEgressDenied, "from https to http")
	_, _, err = w.get(t, "https://gone.test", "gone.test")
	checkCode(t, err, abi.CodeFetchFailed, "name could not be resolved")
}
