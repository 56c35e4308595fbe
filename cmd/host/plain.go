package main

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// plainServer is what listens without TLS beside HTTPS. It serves nothing but the CA's challenges: a page is sent to HTTPS,
// and any other request is refused, so that a client which would send its tokens in the clear stops at once. public is
// where to send to; without it that is the name asked for, if certificates are for it.
func plainServer(public *url.URL, a *acme, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if a == nil || !a.challenge(w, r) {
				toHTTPS(w, r, secureOrigin(public, a, r.Host))
			}
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// secureOrigin returns the origin that a request belongs to, empty if it is not for this host: whoever has a Host header
// in hand must not make us name theirs.
func secureOrigin(public *url.URL, a *acme, host string) string {
	switch name := hostOnly(host); {
	case public != nil:
		return "https://" + public.Host
	case a != nil && a.serves(name):
		return "https://" + name
	}
	return ""
}

func toHTTPS(w http.ResponseWriter, r *http.Request, origin string) {
	io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10)) // or the answer may be lost with the connection
	w.Header().Set("Connection", "close")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case origin == "":
		refusePlain(w, http.StatusNotFound, abi.CodeNotFound, "no such host")
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		w.Header().Set("Location", origin+pathOf(r.URL))
		w.WriteHeader(http.StatusPermanentRedirect)
	default:
		refusePlain(w, http.StatusBadRequest, abi.CodeInvalidRequest, "this port is not for requests: use "+origin)
	}
}

// pathOf returns path and query. What does not begin like a path would go on where the host's name ends.
func pathOf(u *url.URL) string {
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path
}

// refusePlain writes an error in the shape of all others.
func refusePlain(w http.ResponseWriter, status int, code abi.Code, message string) {
	b, _ := json.Marshal(map[string]string{"group": code.Group(), "code": code.Name(), "message": message, "request_id": rand.Text()}) // strings only
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// hostOnly returns a Host header without its port.
func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
