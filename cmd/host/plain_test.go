package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// plainRequest sends bytes and returns the answer, whose body is read.
func plainRequest(t *testing.T, addr, request string) *http.Response {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(b)))
	return resp
}

// Pages are sent to HTTPS on this host and nowhere else; whatever else comes is refused.
func TestPlainListener(t *testing.T) {
	public := &url.URL{Scheme: "https", Host: "host.example:8443", Path: "/viv"}
	names := &acme{acmeConfig: acmeConfig{domains: []string{"host.example"}}}
	for _, tt := range []struct {
		name, request, host string
		public              *url.URL
		acme                *acme
		status              int
		location            string
	}{
		{"a page", "GET /a%2Fb?x=1&y HTTP/1.1", "host.example", nil, names, 308, "https://host.example/a%2Fb?x=1&y"},
		{"with a port", "HEAD /a HTTP/1.1", "HOST.example:80", nil, names, 308, "https://HOST.example/a"},
		{"the public URL wins", "GET /a HTTP/1.1", "host.example", public, names, 308, "https://host.example:8443/a"},
		{"it needs no other", "GET /a HTTP/1.1", "evil.example", public, nil, 308, "https://host.example:8443/a"},
		{"another's name", "GET /a HTTP/1.1", "evil.example", nil, names, 404, ""},
		{"no name", "GET /a HTTP/1.1", "", nil, names, 404, ""},
		{"an address", "GET /a HTTP/1.1", "127.0.0.1", nil, names, 404, ""},
		{"a challenge of another", "GET /.well-known/acme-challenge/../../x HTTP/1.1", "evil.example", nil, names, 404, ""},
		{"another's URL", "GET http://evil.example/a HTTP/1.1", "host.example", nil, names, 404, ""},
		{"a host in the path", "GET //evil.example/a HTTP/1.1", "host.example", nil, names, 308, "https://host.example//evil.example/a"},
		{"a path that goes on with the host", "GET * HTTP/1.1", "host.example", public, nil, 308, "https://host.example:8443/*"},
		{"an opaque one", "GET x:.evil.example HTTP/1.1", "host.example", public, nil, 308, "https://host.example:8443/"},
		{"a call", "POST /gateway/a/action/b HTTP/1.1", "host.example", nil, names, 400, ""},
		{"an upload", "PUT /modules/a HTTP/1.1", "host.example", public, names, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if tt.acme != nil {
				if tt.acme, err = openACME(acmeConfig{domains: tt.acme.domains, dir: t.TempDir()}, l.Addr(), l.Addr(), slog.New(slog.DiscardHandler)); err != nil {
					t.Fatal(err)
				}
				defer tt.acme.close()
			}
			s := plainServer(tt.public, tt.acme, slog.New(slog.DiscardHandler))
			go s.Serve(l) // ends with Close
			defer s.Close()
			resp := plainRequest(t, l.Addr().String(), tt.request+"\r\nHost: "+tt.host+"\r\nContent-Length: 4\r\n\r\nbody")
			if got := resp.Header.Get("Location"); resp.StatusCode != tt.status || got != tt.location {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, got, tt.status, tt.location)
			}
			if tt.status == 308 {
				return
			}
			var e map[string]string
			if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || e["group"] == "" || e["code"] == "" || e["message"] == "" || e["request_id"] == "" {
				t.Errorf("%v, %v", e, err)
			}
		})
	}
}
