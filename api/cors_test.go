package api

import (
	"strings"
	"testing"
)

func TestPreflight(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/metadata", "/actors", "/actors/x", "/gateway/x@y/action/z", "/gateway/a/connect?rvt-method=get", "/api/rivet/actors"} {
		a := f.do("OPTIONS", path, "", "no token", "Origin: https://app.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-rivet-encoding")
		if a.status != 204 || a.body != "" {
			t.Fatalf("%s: got %d %q", path, a.status, a.body)
		}
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":      "https://app.example",
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods":     "GET, POST, PUT, DELETE, OPTIONS, PATCH",
			"Access-Control-Allow-Headers":     "content-type,x-rivet-encoding",
			"Access-Control-Max-Age":           "86400",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
			t.Errorf("%s: Vary %q", path, a.header.Values("Vary"))
		}
	}
	if got := f.do("OPTIONS", "/actors", "", "no token").header.Get("Access-Control-Allow-Headers"); got != "*" {
		t.Errorf("allow-headers %q", got)
	}
}

func TestCORSOnAnswers(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	for _, tt := range []struct {
		method, path, origin  string
		wantOrigin, wantCreds string
	}{
		{"GET", "/metadata", "https://a.example", "https://a.example", "true"},
		{"GET", "/metadata", "null", "null", "true"},
		{"GET", "/metadata", "", "*", ""},
		{"GET", "/actors", "https://a.example", "https://a.example", "true"},
		{"GET", "/actors/nope", "https://a.example", "https://a.example", "true"}, // also on errors
		{"POST", "/gateway/" + id + "/action/x", "https://a.example", "https://a.example", "true"},
		{"GET", "/gateway/nothing", "https://a.example", "https://a.example", "true"},
		{"GET", "/modules", "https://a.example", "", ""},
		{"GET", "/namespaces", "https://a.example", "", ""},
		{"GET", "/actorsx", "https://a.example", "", ""},
	} {
		header := []string{}
		if tt.origin != "" {
			header = append(header, "Origin: "+tt.origin)
		}
		a := f.do(tt.method, tt.path, `{"args":[]}`, header...)
		if got := a.header.Get("Access-Control-Allow-Origin"); got != tt.wantOrigin {
			t.Errorf("%s: origin %q, want %q", tt.path, got, tt.wantOrigin)
		}
		if got := a.header.Get("Access-Control-Allow-Credentials"); got != tt.wantCreds {
			t.Errorf("%s: credentials %q, want %q", tt.path, got, tt.wantCreds)
		}
	}
}
