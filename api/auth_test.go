package api

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/tenants"
)

func dev(c *Config) { c.Dev = true }

func TestDevWithoutAToken(t *testing.T) {
	f := newFixture(t, dev)
	tests := []struct {
		name   string
		header []string
		status int
	}{
		{name: "plain", status: 200},
		{name: "localhost", header: []string{"Host: localhost:6420"}, status: 200},
		{name: "localhost without a port", header: []string{"Host: localhost"}, status: 200},
		{name: "sub-domain of localhost", header: []string{"Host: app.LOCALHOST:1"}, status: 200},
		{name: "IPv6", header: []string{"Host: [::1]:6420"}, status: 200},
		{name: "IPv6 without a port", header: []string{"Host: [::1]"}, status: 200},
		{name: "127.0.0.2", header: []string{"Host: 127.0.0.2"}, status: 200},
		{name: "rebound name", header: []string{"Host: evil.example:6420"}, status: 401},
		{name: "name that only looks right", header: []string{"Host: localhost.evil.example"}, status: 401},
		{name: "name that only ends right", header: []string{"Host: evillocalhost"}, status: 401},
		{name: "address of a network", header: []string{"Host: 192.168.1.2"}, status: 401},
		{name: "all addresses", header: []string{"Host: 0.0.0.0"}, status: 401},
		{name: "page on loopback", header: []string{"Origin: http://localhost:5173"}, status: 200},
		{name: "page on loopback, cross-site by port or name", header: []string{"Origin: https://127.0.0.1:1", "Sec-Fetch-Site: cross-site"}, status: 200},
		{name: "foreign page", header: []string{"Origin: https://evil.example"}, status: 403},
		{name: "foreign page that looks right", header: []string{"Origin: https://localhost.evil.example"}, status: 403},
		{name: "user name in the origin", header: []string{"Origin: http://localhost@evil.example"}, status: 403},
		{name: "null", header: []string{"Origin: null"}, status: 403},
		{name: "extension", header: []string{"Origin: chrome-extension://localhost"}, status: 403},
		{name: "empty", header: []string{"Origin: "}, status: 403},
		{name: "two origins", header: []string{"Origin: http://localhost", "Origin: http://evil.example"}, status: 403},
		{name: "no origin, cross-site", header: []string{"Sec-Fetch-Site: cross-site"}, status: 403},
		{name: "no origin, typed in", header: []string{"Sec-Fetch-Site: none"}, status: 200},
		{name: "no origin, same origin", header: []string{"Sec-Fetch-Site: same-origin"}, status: 200},
		{name: "a tunnel, for a visitor", header: []string{"Host: localhost", "X-Forwarded-For: 203.0.113.1"}, status: 401},
		{name: "a tunnel, for a visitor who says to be here", header: []string{"X-Forwarded-For: 127.0.0.1, 203.0.113.1"}, status: 401},
		{name: "a tunnel that does not know for whom", header: []string{"X-Forwarded-For: unknown"}, status: 401},
		{name: "a development server on this machine", header: []string{"X-Forwarded-For: ::1, 127.0.0.1"}, status: 200},
		{name: "a bad token is not none", header: []string{"Authorization: Bearer x"}, status: 401},
		{name: "an empty token is not none", header: []string{"X-Rivet-Token: "}, status: 401},
		{name: "a token from a foreign page", header: []string{"Origin: https://evil.example", f.as(tenants.RoleRead)}, status: 200},
		{name: "a token under another name", header: []string{"Host: evil.example", f.as(tenants.RoleRead)}, status: 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do("GET", "/actors", "", append(tt.header, "no token")...)
			if a.status != tt.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
		})
	}
	t.Run("is default's admin", func(t *testing.T) {
		f.do("GET", "/actors?namespace=other", "", "no token").wantError(t, 404, "namespace", "not_found")
		f.do("POST", "/namespaces", `{"name":"x"}`, "no token").wantError(t, 403, "auth", "forbidden")
		f.do("PATCH", "/modules/absent", `{"config":{}}`, "no token").wantError(t, 404, "module", "not_found")
	})
	t.Run("public routes are open to all", func(t *testing.T) {
		f.do("GET", "/metadata", "", "no token", "Origin: https://evil.example", "Host: evil.example").wantBody(t, 200, `{"runtime":"vivarium","version":"1.2.3"}`)
	})
}

// otherListener says it listens on all addresses. Its connections come by loopback all the same.
type otherListener struct{ net.Listener }

func (l otherListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

func TestDevOnlyOnALoopbackListener(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		name   string
		wrap   func(net.Listener) net.Listener
		status int
	}{
		{"loopback", func(l net.Listener) net.Listener { return l }, 200},
		{"all addresses", func(l net.Listener) net.Listener { return otherListener{l} }, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := f.newServer(dev)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() { done <- s.Serve(tt.wrap(l)) }() // ended by Shutdown, awaited below
			resp, err := http.Get("http://" + l.Addr().String() + "/actors")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
			}
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Run("unknown connection", func(t *testing.T) {
		w := httptest.NewRecorder()
		f.newServer(dev).Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/actors", nil))
		if w.Code != 401 {
			t.Errorf("got %d", w.Code)
		}
	})
}

func TestServeWithoutDevNeedsAToken(t *testing.T) {
	f := newFixture(t)
	b := f.do("GET", "/actors", "", "no token", "Host: localhost").wantError(t, 401, "auth", "unauthenticated")
	if !strings.Contains(string(b.Metadata), "host token") {
		t.Errorf("metadata %s", b.Metadata)
	}
}

func TestExpiredToken(t *testing.T) {
	f := newFixture(t)
	f.srv.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	f.do("GET", "/actors", "").wantError(t, 401, "auth", "unauthenticated")
}

func TestRightsWithinARoute(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	invoke, read, deploy := f.as(tenants.RoleInvoke), f.as(tenants.RoleRead), f.as(tenants.RoleDeploy)
	tests := []struct {
		name, method, path, body, as string
		status                       int
	}{
		{"invoke finds by id", "GET", "/actors?actor_ids=" + id, "", invoke, 200},
		{"invoke finds by key", "GET", "/actors?name=counter&key=a", "", invoke, 200},
		{"invoke reads one", "GET", "/actors/" + id, "", invoke, 200},
		{"invoke lists not", "GET", "/actors?name=counter", "", invoke, 403},
		{"invoke lists not all", "GET", "/actors", "", invoke, 403},
		{"invoke inspects not", "GET", "/actors/" + id + "/state", "", invoke, 403},
		{"invoke destroys not", "DELETE", "/actors/" + id, "", invoke, 403},
		{"read lists", "GET", "/actors", "", read, 200},
		{"read calls not", "POST", "/gateway/" + id + "/action/x", `{"args":[]}`, read, 403},
		{"read creates not", "PUT", "/actors", `{"name":"counter"}`, read, 403},
		{"deploy configures not", "PATCH", "/modules/m", `{"config":{"a":"b"}}`, deploy, 403},
		{"deploy sets live", "PATCH", "/modules/m", `{"live":1}`, deploy, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := f.do(tt.method, tt.path, tt.body, tt.as); a.status != tt.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
		})
	}
}
