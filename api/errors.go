package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// errorBody is the shape of every error: Rivet's.
type errorBody struct {
	Group     string          `json:"group"`
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	RequestID string          `json:"request_id"`
}

// fail answers with err. It is the only place where an error becomes a status and a body. When a
// part of an answer has left already it cuts the connection, so that nobody takes it for whole.
func (s *Server) fail(err error, c echo.Context) {
	r, w := c.Request(), c.Response()
	e := s.public(err, r)
	s.logError(e, r, w)
	if w.Committed {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("X-Rivet-Error", e.Code.Group()+"."+headerName(e))
	if d := retryOf(e); d > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10))
	}
	switch e.Code {
	case abi.CodeUnauthenticated:
		h.Set("WWW-Authenticate", `Bearer realm="vivarium"`)
	case abi.CodeBodyTooSlow, abi.CodeBodyTooLarge:
		h.Set("Connection", "close") // the rest of the body is not worth reading
	}
	// The error of a handler that had other plans for the body.
	for _, name := range []string{"Content-Disposition", "Content-Security-Policy", "Etag"} {
		h.Del(name)
	}
	_ = writeJSON(w, statusOf(e.Code), errorBody{
		Group:     e.Code.Group(),
		Code:      e.PublicName(),
		Message:   e.PublicMessage(),
		Metadata:  s.metadata(e),
		RequestID: h.Get(rayHeader),
	})
}

// headerName returns the public code for a header: a guest may have chosen it, of any bytes.
func headerName(e *abi.Error) string {
	name := e.PublicName()
	if len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return e.Code.Name()
	}
	return name
}

// public returns what a client may know of err, its cause kept for the log.
func (s *Server) public(err error, r *http.Request) *abi.Error {
	var he *echo.HTTPError
	if errors.As(err, &he) {
		err = fromEcho(he)
	}
	e := abi.AsError(err)
	if e.Code != abi.CodeInternal && e.Code.Known() {
		return e
	}
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return abi.Wrap(abi.CodeUnavailable, err) // the client has gone: nobody reads this
	}
	// Whatever message or metadata it carries may tell of our insides.
	return abi.Wrap(abi.CodeInternal, err)
}

// fromEcho translates echo's own errors. Ours are never made of them, so there are few.
func fromEcho(he *echo.HTTPError) error {
	switch he.Code {
	case http.StatusNotFound:
		return abi.Wrap(abi.CodeNotFound, he)
	case http.StatusMethodNotAllowed:
		return abi.Wrap(abi.CodeMethodNotAllowed, he)
	case http.StatusRequestEntityTooLarge:
		return abi.Wrap(abi.CodeBodyTooLarge, he)
	case http.StatusUnsupportedMediaType:
		return abi.Wrap(abi.CodeUnsupportedType, he)
	}
	if he.Code >= 400 && he.Code < 500 {
		return abi.Wrap(abi.CodeInvalidRequest, he)
	}
	return abi.Wrap(abi.CodeInternal, he)
}

// logError counts an error and writes the whole chain: as an error if we are at fault, else at debug.
func (s *Server) logError(e *abi.Error, r *http.Request, w *echo.Response) {
	s.stats.errors.Add(int(e.Code))
	level := slog.LevelDebug
	if statusOf(e.Code) == http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	s.log.LogAttrs(context.Background(), level, "request failed",
		slog.String("request", w.Header().Get(rayHeader)),
		slog.String("method", clip(redactText(r.Method), 32)),
		slog.String("path", redactURL(r.URL)),
		slog.String("error", redactText(e.Error())))
}

// metadata returns e's metadata as JSON with a member "next" added, where there is a next step and
// a place for it. A user error's metadata is the guest's own and passes untouched.
func (s *Server) metadata(e *abi.Error) json.RawMessage {
	var m json.RawMessage
	if e.Metadata != nil && e.Code != abi.CodeInternal {
		b, err := json.Marshal(e.Metadata)
		if err != nil {
			s.log.Warn("metadata of an error is not JSON", "code", e.Code.String(), "error", err)
		} else if !bytes.Equal(b, []byte("null")) {
			m = b
		}
	}
	next, ok := nextSteps[e.Code]
	if !ok {
		return m
	}
	return withNext(m, next)
}

// withNext adds the member "next" to m unless m is no object or has one.
func withNext(m json.RawMessage, next string) json.RawMessage {
	if m == nil {
		m = json.RawMessage("{}")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(m, &members) != nil || members["next"] != nil {
		return m
	}
	text, err := json.Marshal(next)
	if err != nil {
		return m
	}
	members["next"] = text
	if b, err := json.Marshal(members); err == nil {
		return b
	}
	return m
}

// untilEnd returns a context that ends with the request, with its token and with the server.
func (q *request) untilEnd(s *Server) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(q.Context())
	ended, stop := s.tokenEnds(q.who, q.ns)
	go func() { // ends with the context
		defer stop()
		select {
		case <-ended:
		case <-s.closing:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx, cancel
}
