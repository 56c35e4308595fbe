package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// request is a request whose token was checked, as a handler sees it.
type request struct {
	*http.Request
	server *Server
	route  *route
	params map[string]string // decoded path parameters
	query  url.Values        // decoded; nil on the gateway, where the query is the actor's
	target target            // on the gateway

	asker tenants.Principal // whose token it is, also of a request that is refused
	who   tenants.Principal
	ns    tenants.ID // the namespace that the request works in, which exists

	body body
}

// body is a request's body, bounded in size and time, that knows how it failed.
type body struct {
	r      io.Reader
	ctl    *http.ResponseController
	failed *abi.Error // once reading failed: an error of the client's, or that it is too much for now

	each   time.Duration     // that a read may take; zero if there is a time for all
	memory *pool[tenants.ID] // nil if nobody keeps the bytes
	ns     tenants.ID
	held   int64 // of memory, by ns
}

// parseURL reads what the URL says beside the path's parameters.
func (q *request) parseURL() (err error) {
	if q.route.gateway() {
		q.target, err = parseTarget(q.URL.RawPath, q.params["target"], q.URL.RawQuery)
		return err
	}
	if q.query, err = url.ParseQuery(q.URL.RawQuery); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the query is not well formed")
	}
	return nil
}

// openBody bounds the body by the route's limit and time. A body that says it is too long is
// refused before a byte of it is read.
func (q *request) openBody(w *echo.Response) error {
	limit := q.route.body
	if limit == 0 {
		q.body.r = http.NoBody
		return nil
	}
	if e := q.Header.Get("Content-Encoding"); e != "" && e != "identity" && !q.route.rawHTTP() {
		return abi.Errorf(abi.CodeUnsupportedType, "a compressed body is not supported")
	}
	if limit == uploadBody {
		limit = q.who.UploadBytes(limit)
	}
	if q.ContentLength > limit {
		return abi.Errorf(abi.CodeBodyTooLarge, "the body is longer than %d bytes", limit)
	}
	// The innermost writer: it is told by MaxBytesReader to close the connection.
	inner := w.Writer.(*timedWriter).ResponseWriter
	q.body.r = http.MaxBytesReader(inner, q.Request.Body, limit)
	q.body.ctl = http.NewResponseController(inner)
	if q.route.body == arrivalBody {
		q.body.each = q.server.cfg.BodyTimeout
		return nil
	}
	q.body.memory, q.body.ns = &q.server.held.memory, q.ns
	if (q.route.body == uploadBody || q.route.body == importBody) && q.ContentLength != 0 {
		_ = q.body.ctl.SetReadDeadline(time.Now().Add(q.server.cfg.UploadTimeout))
	}
	return nil
}

// Read reads on. Its errors are *abi.Error, or io.EOF.
func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	if b.each > 0 {
		_ = b.ctl.SetReadDeadline(time.Now().Add(b.each))
		defer b.ctl.SetReadDeadline(time.Time{}) // what is read is worked on for as long as it takes
	}
	n, err := b.r.Read(p)
	var tooLarge *http.MaxBytesError
	if n > 0 && b.memory != nil && (err == nil || err == io.EOF) {
		if b.failed = b.hold(n); b.failed != nil {
			return 0, b.failed
		}
	}
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		// The deadline was for the body. Left in place it would end, as if the client had gone,
		// a turn that takes longer.
		if b.ctl != nil {
			_ = b.ctl.SetReadDeadline(time.Time{})
		}
		return n, io.EOF
	case errors.As(err, &tooLarge):
		b.failed = abi.Errorf(abi.CodeBodyTooLarge, "the body is longer than %d bytes", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.failed = abi.Wrap(abi.CodeBodyTooSlow, err)
	default:
		b.failed = &abi.Error{Code: abi.CodeInvalidRequest, Message: "the body ended early", Cause: err}
	}
	return n, b.failed
}

// blame gives a handler's error to the client if the body failed beneath it: whoever read the body
// may have taken that for a failure of ours.
func (q *request) blame(err error) error {
	if q.body.failed != nil && err != nil && abi.CodeOf(err) == abi.CodeInternal {
		return q.body.failed
	}
	return err
}

// readBody returns the whole body.
func (q *request) readBody() ([]byte, error) {
	var buf bytes.Buffer
	// What the client announces is believed up to 64 KiB only: memory follows bytes that came.
	buf.Grow(int(min(max(q.ContentLength, 0), 64<<10)) + bytes.MinRead)
	if _, err := buf.ReadFrom(&q.body); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// maxBodyDepth bounds the nesting of JSON that we decode ourselves.
const maxBodyDepth = 64

// decode reads a JSON body into v. Members that v lacks are refused if strict, else ignored.
func (q *request) decode(v any, strict bool) error { return q.decodeDeep(v, strict, maxBodyDepth) }

// decodeDeep is decode for bodies with values of users in them.
func (q *request) decodeDeep(v any, strict bool, depth int) error {
	if err := q.wantJSON(); err != nil {
		return err
	}
	b, err := q.readBody()
	if err != nil {
		return err
	}
	return decodeJSON(b, v, strict, depth)
}

// wantJSON refuses a body that says to be something else.
func (q *request) wantJSON() error {
	if t := q.contentType(); t != "" && t != typeJSON {
		return abi.Errorf(abi.CodeUnsupportedType, "the body must be %s", typeJSON)
	}
	return nil
}

func decodeJSON(b []byte, v any, strict bool, depth int) error {
	if err := wire.CheckJSON(b, depth); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the body is not valid JSON: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the body does not have the right form: %s", jsonProblem(err))
	}
	return nil
}

// jsonProblem says what encoding/json did not like, in the words of the wire.
func jsonProblem(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return fmt.Sprintf("%q cannot be a %s", t.Field, t.Value)
	}
	const prefix = "json: "
	if s := err.Error(); len(s) > len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):]
	}
	return "unexpected value"
}

// contentType returns the media type of the body, lower-case, without parameters; empty if the
// client names none, "invalid" if it cannot be read.
func (q *request) contentType() string {
	v := q.Header.Get("Content-Type")
	if v == "" || v == typeJSON {
		return v
	}
	t, _, err := mime.ParseMediaType(v)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "invalid"
	}
	return t
}

// one returns the only value of a query parameter, empty if it is left out.
func (q *request) one(name string) (string, error) {
	switch vs := q.query[name]; len(vs) {
	case 0:
		return "", nil
	case 1:
		return vs[0], nil
	}
	return "", abi.Errorf(abi.CodeInvalidRequest, "the parameter %s is given more than once", name)
}

// flag returns a boolean query parameter.
func (q *request) flag(name string, unset bool) (bool, error) {
	v, err := q.one(name)
	switch {
	case err != nil:
		return false, err
	case v == "":
		return unset, nil
	case v == "true" || v == "1":
		return true, nil
	case v == "false" || v == "0":
		return false, nil
	}
	return false, abi.Errorf(abi.CodeInvalidRequest, "the parameter %s must be true or false", name)
}

// Bounds of a page of a list.
const (
	defaultLimit = 100
	maxLimit     = abi.MaxListItems
)

// limit returns the query parameter limit, in [1, maxLimit].
func (q *request) limit() (int, error) {
	v, err := q.one("limit")
	if err != nil || v == "" {
		return defaultLimit, err
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxLimit {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "the parameter limit must be between 1 and %d", maxLimit)
	}
	return n, nil
}

// actorPage is which part of a list of an actor's is asked for.
type actorPage struct {
	actor tenants.ActorID
	limit int
	after []byte // from a cursor; empty is the start
}

func (q *request) page() (p actorPage, err error) {
	if p.actor, err = q.actor(); err != nil {
		return p, err
	}
	if p.limit, err = q.limit(); err != nil {
		return p, err
	}
	cursor, err := q.one("cursor")
	if err != nil {
		return p, err
	}
	if p.after, err = decodeBase64(base64.RawURLEncoding, cursor); err != nil || len(p.after) > abi.MaxKVKey {
		return p, abi.Errorf(abi.CodeInvalidRequest, "the cursor is not one of ours")
	}
	return p, nil
}

// cursorOf is the cursor of a place in such a list; page reads it.
func cursorOf(place []byte) string { return base64.RawURLEncoding.EncodeToString(place) }

// pageBehind goes on after the last of a list, whose place is known, if there is more.
func pageBehind[T any](list []T, more bool, place func(T) []byte) pagination {
	if !more || len(list) == 0 {
		return pagination{}
	}
	return pageAfter(cursorOf(place(list[len(list)-1])))
}

// after returns the query parameter after: a sequence number, 0 if it is left out.
func (q *request) after() (uint64, error) {
	v, err := q.one("after")
	if err != nil || v == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "the parameter after must be a number")
	}
	return n, nil
}

// only refuses query parameters that the route does not know, so that a typing error in a
// parameter that matters is not silently its default.
func (q *request) only(names ...string) error {
	for name := range q.query {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known {
			return abi.Errorf(abi.CodeInvalidRequest, "unknown parameter %q", clip(name, 64)).With(map[string]any{"parameters": names})
		}
	}
	return nil
}

// actor returns the id that the path names, which belongs to the request's namespace.
func (q *request) actor() (tenants.ActorID, error) { return q.parseActor(q.params["actor"]) }

func (q *request) parseActor(text string) (tenants.ActorID, error) {
	id, ok := tenants.ParseActorID(q.ns, text)
	if !ok {
		return id, abi.Errorf(abi.CodeActorNotFound, "")
	}
	return id, nil
}
