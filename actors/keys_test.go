package actors_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// TestFetchKeys fetches what a namespace's URL of keys leads to, past the guard that its guests pass.
func TestFetchKeys(t *testing.T) {
	const set = `{"keys":[]}`
	mux := http.NewServeMux()
	var seen http.Header
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) { seen = r.Header; fmt.Fprint(w, set) })
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://169.254.169.254/latest", http.StatusFound)
	})
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/keys", http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1000)) })
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	s := openScript(t, func(c *actors.Config) {
		c.AllowLoopback = []string{strings.TrimPrefix(srv.URL, "https://")}
		c.Roots = x509.NewCertPool()
		c.Roots.AddCert(srv.Certificate())
	})
	for _, path := range []string{"/keys", "/same"} {
		doc, err := s.Host.FetchKeys(t.Context(), tenants.Default, srv.URL+path, 100)
		if err != nil || string(doc) != set {
			t.Errorf("%s: %q, %v", path, doc, err)
		}
	}
	if seen.Get("Authorization") != "" || seen.Get("Cookie") != "" {
		t.Errorf("it was sent %v", seen)
	}
	for name, tt := range map[string]struct{ url, want string }{
		"not there":        {srv.URL + "/nothing", "the server answered 404"},
		"too large":        {srv.URL + "/large", "too large"},
		"led elsewhere":    {srv.URL + "/away", "a redirect: the host is not allowed"},
		"led to http":      {srv.URL + "/plain", "a redirect: the host is not allowed"},
		"http":             {strings.Replace(srv.URL, "https", "http", 1) + "/keys", "not https"},
		"metadata service": {"https://169.254.169.254/keys", "a metadata service"},
		"private network":  {"https://10.0.0.1/keys", "private"},
		"loopback":         {"https://127.0.0.2/keys", "loopback"},
		"mapped":           {"https://[::ffff:127.0.0.1]/keys", "loopback"},
		"a number":         {"https://2130706433/keys", ""},
		"no host":          {"https:///keys", "malformed"},
		"another server":   {strings.Replace(srv.URL, "127.0.0.1", "127.0.0.3", 1) + "/keys", "loopback"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := s.Host.FetchKeys(t.Context(), tenants.Default, tt.url, 100)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q, %v, want %q", doc, err, tt.want)
			}
		})
	}
	t.Run("never ends", func(t *testing.T) {
		hang := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		t.Cleanup(hang.Close)
		s := openScript(t, func(c *actors.Config) {
			c.AllowLoopback, c.Roots = []string{strings.TrimPrefix(hang.URL, "https://")}, x509.NewCertPool()
			c.Roots.AddCert(hang.Certificate())
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.Host.FetchKeys(ctx, tenants.Default, hang.URL, 100); err == nil || !strings.Contains(err.Error(), "in time") {
			t.Error(err)
		}
	})
}
