package egress

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// echoes are the ways in which servers repeat a header, each by its path.
var echoes = map[string]func(s string) string{
	"plain":       func(s string) string { return s },
	"upper":       strings.ToUpper,
	"lower":       strings.ToLower,
	"quoted":      func(s string) string { return fmt.Sprintf("%q", s) },
	"hex":         func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":         func(s string) string { return fmt.Sprintf("%X", s) },
	"dump":        func(s string) string { return fmt.Sprintf("%x", "Bearer "+s+"\r\n") },
	"query":       url.QueryEscape,
	"path":        url.PathEscape,
	"percent":     func(s string) string { return strings.ToLower(url.QueryEscape(s)) },
	"base64":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64url":   func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"basic":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte("user:" + s)) },
	"header":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte("Bearer " + s + "\r\nX: y")) },
	"json":        func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(`{"a":"` + s + `"}`)) },
	"within":      func(s string) string { return "x" + s + "y" + s + s },
	"long before": func(s string) string { return strings.Repeat("x", 40_000) + s + strings.Repeat("y", 40_000) },
}

// TestEchoesShowNothing has a server repeat a secret in each way, by body and header, at once, byte by byte and
// compressed. No eight bytes of the secret are left, whatever they are read as.
func TestEchoesShowNothing(t *testing.T) {
	const secret = "Sk-4f9+Q7/zT=w2~Lx0_8Vb"
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		said := echoes[r.URL.Query().Get("way")](r.Header.Get("X-Key"))
		if len(said) < 1000 {
			w.Header().Set("X-Echo", said)
		}
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, said)
			_ = z.Close()
		case "/bytes":
			for i := range min(len(said), 400) {
				_, _ = w.Write([]byte{said[i]})
				w.(http.Flusher).Flush()
			}
		default:
			_, _ = io.WriteString(w, said)
		}
	})
	w := newWorld(t, Config{AllowLoopback: []string{address}})
	p := policy(t, "http://"+address)
	p.Secrets = func(string, string) (string, error) { return secret, nil }
	for way := range echoes {
		for _, path := range []string{"/", "/gzip", "/bytes"} {
			t.Run(way+" "+path, func(t *testing.T) {
				r, body, err := w.fetch(t, p, abi.FetchRequest{
					URL:     "http://" + address + path + "?way=" + url.QueryEscape(way),
					Secrets: map[string]string{"X-Key": "{secret:KEY}"},
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				got := body + " " + strings.Join(r.Header["x-echo"], "")
				if path != "/bytes" && !strings.Contains(got, masked) {
					t.Errorf("there is no mask in %.80q", got)
				}
				for i := range len(secret) - 8 {
					if part := strings.ToLower(secret[i : i+8]); strings.Contains(strings.ToLower(readings(got)), part) {
						t.Errorf("%q of the secret is left in %.300q", part, got)
					}
				}
			})
		}
	}
}

var (
	hexRun    = regexp.MustCompile(`[0-9a-fA-F]{8,}`)
	base64Run = regexp.MustCompile(`[0-9A-Za-z+/_-]{8,}`)
)

// readings returns a text with what a guest would read in it, in each encoding from each place on.
func readings(text string) string {
	all := []string{text}
	for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
		if u, err := unescape(text); err == nil {
			all = append(all, u)
		}
	}
	for _, run := range hexRun.FindAllString(text, -1) {
		for at := range 2 {
			b, _ := hex.DecodeString(run[at : at+(len(run)-at)/2*2])
			all = append(all, string(b))
		}
	}
	for _, run := range base64Run.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for at := range 4 {
			rest := run[at:]
			if len(rest)%4 == 1 {
				rest = rest[:len(rest)-1]
			}
			b, _ := base64.RawStdEncoding.DecodeString(rest)
			all = append(all, string(b))
		}
	}
	return strings.Join(all, "\n")
}

// TestReadings: the test above sees what it is to see.
func TestReadings(t *testing.T) {
	for way, said := range echoes {
		if got := strings.ToLower(readings(said("Sk-4f9+Q7/zT"))); !strings.Contains(got, "sk-4f9+q7/zt") {
			t.Errorf("%s: %.200q", way, got)
		}
	}
}

// TestRedirectsShowNothing has a server put the secret where a redirect goes, to itself and to another, and where it
// does not: the next server's own echo is masked too, and no error tells where the way went.
func TestRedirectsShowNothing(t *testing.T) {
	const secret = "Sk-4f9+Q7/zT=w2~Lx0_8Vb"
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "other ", r.URL.RawQuery) })
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := url.QueryEscape(r.Header.Get("X-Key"))
		switch r.URL.Path {
		case "/self":
			http.Redirect(w, r, "/echo?key="+key, http.StatusFound)
		case "/other":
			http.Redirect(w, r, "http://"+other+"/?key="+key, http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://"+key+".example/", http.StatusFound)
		case "/created":
			w.Header().Set("Location", "/things/"+key)
			w.Header().Set("Link", "</a?key="+key+">; rel=next")
			w.WriteHeader(http.StatusCreated)
		default:
			fmt.Fprint(w, "self ", r.URL.RawQuery, " ", r.Header.Get("Referer"))
		}
	})
	w := newWorld(t, Config{AllowLoopback: []string{address, other}})
	p := policy(t, "http://"+address, "http://"+other)
	p.Secrets = func(string, string) (string, error) { return secret, nil }
	for path, want := range map[string]string{
		"/self": "self key=*** ", "/other": "other key=***", "/created": "", "/away": "the server redirects to a malformed URL",
	} {
		r, got, err := w.fetch(t, p, abi.FetchRequest{URL: "http://" + address + path, Secrets: map[string]string{"X-Key": "{secret:KEY}"}}, nil)
		if err != nil {
			got = abi.AsError(err).PublicMessage()
		} else if path == "/created" && (r.Header["location"][0] != "/things/***" || r.Header["link"][0] != "</a?key=***>; rel=next") {
			t.Errorf("%s: got the header %v", path, r.Header)
		}
		if got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	if log := w.log.String(); strings.Contains(log, secret[:8]) || strings.Contains(log, url.QueryEscape(secret)[:8]) {
		t.Errorf("the log has it: %s", log)
	}
}
