package api

import (
	"context"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestParsePublicURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://host.example":                    "https://host.example",
		"https://host.example/":                   "https://host.example",
		"HTTPS://Host.Example:8443":               "https://host.example:8443",
		"http://localhost:6420":                   "http://localhost:6420",
		"https://192.0.2.1/a/b-1.2_~/":            "https://192.0.2.1/a/b-1.2_~",
		"https://[2001:db8::1]:8443/a":            "https://[2001:db8::1]:8443/a",
		"https://xn--bcher-kva.example/api/rivet": "https://xn--bcher-kva.example/api/rivet",
	} {
		if u, err := ParsePublicURL(text); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v, want %s", text, u, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                              "https://",
		"host.example":                  "https://",
		"//host.example":                "https://",
		"ftp://host.example":            "https://",
		"javascript:alert(1)":           "https://",
		"https:host.example":            "not a host",
		"https://":                      "not a host",
		"https://:8443":                 "not a host",
		"https://ho_st.example":         "not a host",
		"https://host..example":         "not a host",
		"https://host.example.":         "not a host",
		"https://-a.example":            "not a host",
		"https://bücher.example":        "not a host",
		"https://127.1":                 "not a host",
		"https://0x7f000001":            "not a host",
		"https://[fe80::1%25eth0]":      "not a host",
		"https://host.example:":         "not a port",
		"https://host.example:0":        "not a port",
		"https://host.example:65536":    "not a port",
		"https://host.example:http":     "port",
		"https://ns:token@host.example": "token",
		"https://host.example?a=1":      "query",
		"https://host.example?":         "query",
		"https://host.example#":         "fragment",
		"https://host.example/a//b":     "path",
		"https://host.example//":        "path",
		"https://host.example/a/../b":   "path",
		"https://host.example/a%2Fb":    "path",
		"https://host.example/a b":      "path",
		"https://host.example/gateway":  "/gateway",
		"https://host.example/actors/x": "/actors",
		"https://host.example/api":      "/api/rivet",
		"https://host.example/api/v1":   "/api/rivet",
		"https://host.example/\x00":     "control character",
		"https://a.example/" + strings.Repeat("a", maxPublicURL): "longer",
	} {
		if u, err := ParsePublicURL(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, want %q", text, u, err, want)
		}
	}
	if _, err := ParsePublicURL("https://ns:secret@host.example/%zz"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is repeated: %v", err)
	}
}

// steering are headers by which a request may try to have others sent elsewhere.
var steering = []string{
	"Host: evil.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: http", "X-Forwarded-Prefix: /evil", "X-Forwarded-Port: 1",
	"Forwarded: host=evil.example;proto=http", "X-Host: evil.example", "X-Original-Url: /evil", "Origin: https://evil.example",
}

// Clients are told the operator's URL or none, whatever a request says and whoever passes it on: to wherever they are told to
// go they bring their tokens.
func TestMetadataNamesThePublicURL(t *testing.T) {
	u, err := ParsePublicURL("https://host.example/viv")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"none", func(*Config) {}, `{"runtime":"vivarium","version":"1.2.3"}`},
		{"none, by a trusted proxy", func(c *Config) { c.TrustedProxies = trusted(t, "127.0.0.1") }, `{"runtime":"vivarium","version":"1.2.3"}`},
		{"set", func(c *Config) { c.PublicURL = u }, `{"clientEndpoint":"https://host.example/viv","runtime":"vivarium","version":"1.2.3"}`},
		{"set, by a trusted proxy", func(c *Config) { c.PublicURL = u; c.TrustedProxies = trusted(t, "127.0.0.1") }, `{"clientEndpoint":"https://host.example/viv","runtime":"vivarium","version":"1.2.3"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, tt.change)
			f.do("GET", "/metadata", "", append(steering, "no token")...).wantBody(t, 200, tt.want)
			f.do("GET", "/metadata?namespace=other", "", append(steering, f.as(tenants.RoleInvoke))...).wantBody(t, 200, tt.want)
		})
	}
}

// A proxy may cut the path of the public URL off or leave it: both arrive.
func TestRoutesBelowThePublicURL(t *testing.T) {
	u, err := ParsePublicURL("https://host.example/viv/1")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *Config) { c.PublicURL = u })
	f.host.raw = func(context.Context, actors.RawRequest) (*actors.RawResponse, error) {
		return &actors.RawResponse{Head: abi.ResponseHead{Status: 200}}, nil
	}
	id := f.actor("room", tenants.EmptyKey).String()
	for _, prefix := range []string{"", "/viv/1", "/api/rivet", "/viv/1/api/rivet"} {
		if a := f.do("GET", prefix+"/gateway/"+id+"/request/a%2Fb?x=1", ""); a.status != 200 {
			t.Errorf("below %q: %d %s", prefix, a.status, a.body)
		} else if got := f.host.raws[len(f.host.raws)-1].Head.URL; got != "/a%2Fb?x=1" {
			t.Errorf("below %q the actor sees %s", prefix, got)
		}
		if a := f.do("OPTIONS", prefix+"/actors", "", "no token", "Origin: https://a.example"); a.status != 204 {
			t.Errorf("a preflight below %q: %d", prefix, a.status)
		}
	}
	for _, path := range []string{"/viv", "/viv/2/actors", "/viv/1x/actors", "/viv%2F1/actors"} {
		f.do("GET", path, "").wantError(t, 404, "api", "not_found")
	}
	f.do("GET", "/viv/1/actors", "", "no token").wantError(t, 401, "auth", "unauthenticated")
}
