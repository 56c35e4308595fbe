package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// rivetPrefix is the path under which every route is reachable a second time.
const rivetPrefix = "/api/rivet"

// rayHeader carries the request id, both ways.
const rayHeader = "X-Rivet-Ray-Id"

// What is the same in the head of every answer. Of net/http's own these lists are only read and copied.
var (
	noSniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	varyOrigin = []string{"Origin"}
	anyOrigin  = []string{"*"}
)

// edge does what every request needs, known route or not: request id, prefix, CORS, deadlines,
// recovery, errors and the access log. It returns no error: there is nobody left to write one.
func (s *Server) edge(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.now()
		r, w := c.Request(), c.Response()
		timed := &timedWriter{ResponseWriter: w.Writer, timeout: s.cfg.WriteTimeout}
		w.Writer = timed
		timed.disarm()
		defer timed.arm() // for what net/http has still to write
		h := w.Header()
		h.Set(rayHeader, requestID(r))
		h["X-Content-Type-Options"] = noSniff
		h["Cache-Control"] = noStore
		if len(r.TransferEncoding) > 0 {
			// A length may have stood beside the chunks, which net/http takes away, and who passed this on may have gone
			// by that: what follows on the connection would be part of this request's body to them.
			h.Set("Connection", "close")
		}
		if r.ContentLength != 0 {
			// Also for a body that no handler reads: net/http reads some of it before it answers.
			_ = http.NewResponseController(w.Writer).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
		}
		defer s.logAccess(r, w, start)
		defer s.stats.count(c, s.now, start)
		isCORS := setCORS(h, r)
		err := s.admitClient(r)
		switch {
		case err != nil:
		case isCORS && r.Method == http.MethodOptions:
			preflight(h, r)
			w.WriteHeader(http.StatusNoContent)
		default:
			err = s.recovered(c, next)
		}
		if err != nil {
			s.fail(err, c)
		}
		return nil
	}
}

// recovered runs next and turns a panic into an error of ours.
func (s *Server) recovered(c echo.Context, next echo.HandlerFunc) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler {
			panic(p)
		}
		err = abi.Wrap(abi.CodeInternal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
	}()
	return next(c)
}

// normalize returns a copy of r without the prefixes and with RawPath always set, so that every path
// parameter the router finds is still percent-encoded and can be decoded exactly once.
func (s *Server) normalize(r *http.Request) *http.Request {
	path := r.URL.EscapedPath()
	if s.cfg.PublicURL != nil {
		path = cutPrefix(path, s.cfg.PublicURL.Path)
	}
	path = cutPrefix(path, rivetPrefix)
	if path == "" {
		path = "/"
	}
	// Where the path names an actor too, as an action's does, the path counts.
	if id := routedTo(r); id != "" && !strings.HasPrefix(path, "/gateway/") {
		path = "/gateway/" + url.PathEscape(id) + path
	}
	n, u := *r, *r.URL
	n.URL = &u
	u.RawPath = path
	if p, err := url.PathUnescape(path); err == nil { // always: EscapedPath is valid
		u.Path = p
	}
	return &n
}

// cutPrefix returns path without a prefix of whole segments.
func cutPrefix(path, prefix string) string {
	if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
		return rest
	}
	return path
}

// routedTo returns the actor that the head of a request names and not its path, as Rivet's clients do once they know
// an id and will not wait for readiness: in headers, or for a WebSocket in sub-protocols.
func routedTo(r *http.Request) string {
	if r.Header.Get("X-Rivet-Target") == "actor" {
		return r.Header.Get("X-Rivet-Actor")
	}
	if !isUpgrade(r) {
		return ""
	}
	all, id := websocket.Subprotocols(r), ""
	for _, p := range all {
		if rest, ok := strings.CutPrefix(p, "rivet_actor."); ok {
			id, _ = url.PathUnescape(rest) // what cannot be read names nobody
		}
	}
	if !slices.Contains(all, "rivet_target.actor") {
		return ""
	}
	return id
}

// requestID returns the client's request id if it is well formed, else a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get(rayHeader)
	if len(id) < 8 || len(id) > 64 {
		return rand.Text()
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return rand.Text()
		}
	}
	return id
}

// logAccess writes one line, at debug, without tokens. It is deferred.
func (s *Server) logAccess(r *http.Request, w *echo.Response, start time.Time) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "request",
		slog.String("request", w.Header().Get(rayHeader)),
		slog.String("method", clip(redactText(r.Method), 32)),
		slog.String("path", redactURL(r.URL)),
		slog.Int("status", w.Status),
		slog.Int64("bytes", w.Size),
		slog.Duration("took", s.now().Sub(start)),
		slog.String("client", s.remote(r)))
}

// timedWriter gives each write a deadline of its own: a reader may be as slow as it likes to send
// a request for a long answer, but not to take it. Between writes there is none: over HTTP/2 a
// deadline that passes ends the stream, whether something is being written or not.
type timedWriter struct {
	http.ResponseWriter
	timeout time.Duration
	written int               // bytes, up to countedByItself
	memory  *pool[tenants.ID] // that what is being written is counted in; nil before ns is known
	ns      tenants.ID
}

// owner says for whom the rest is written.
func (w *timedWriter) owner(memory *pool[tenants.ID], ns tenants.ID) { w.memory, w.ns = memory, ns }

// smallWrite is what fits into the buffers on the way, so that nobody waits with it in hand.
const smallWrite = 4 << 10

func (w *timedWriter) arm()    { w.until(time.Now().Add(w.timeout)) }
func (w *timedWriter) disarm() { w.until(time.Time{}) }

func (w *timedWriter) until(t time.Time) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

// Write writes before the deadline.
func (w *timedWriter) Write(b []byte) (int, error) {
	if w.written += len(b); w.written < countedByItself {
		return w.ResponseWriter.Write(b) // nothing is sent
	}
	w.written = countedByItself
	w.arm()
	defer w.disarm()
	if w.memory != nil && len(b) > smallWrite {
		w.memory.owe(w.ns, int64(len(b)))
		defer w.memory.give(w.ns, int64(len(b)))
	}
	return w.ResponseWriter.Write(b)
}

// FlushError is for http.ResponseController: it flushes before the deadline.
func (w *timedWriter) FlushError() error {
	w.arm()
	defer w.disarm()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
