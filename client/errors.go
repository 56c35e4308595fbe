package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/api/wire"
)

var (
	// ErrLost is the error of a call whose connection broke before the answer came: the action may have been done.
	ErrLost = errors.New("client: the connection broke before the answer came; the action may have been done")
	// ErrClosed reports that the connection or socket was closed by this program.
	ErrClosed = errors.New("client: closed")
	// ErrProtocol reports that the host sent what no host sends, or more than the client takes.
	ErrProtocol = errors.New("client: the host broke the protocol")
	// ErrTooSlow is why a connection breaks whose events wait for their handlers for too long.
	ErrTooSlow = errors.New("client: too many events wait for their handlers")
	// ErrNotHandled reports that a queue message was taken but not handled within the wait.
	ErrNotHandled = errors.New("client: the message is in the queue, but was not handled in time")
)

// Error is what a host, or a gateway before it, answered. Group and Code tell errors apart, never Message: see
// docs/errors.md of the host. In the group "user" they are the actor's own.
type Error struct {
	Group     string          `json:"group"`
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Metadata  json.RawMessage `json:"metadata,omitempty"` // nil for none
	RequestID string          `json:"request_id,omitempty"`
	ActorID   string          `json:"actor_id,omitempty"` // whose log may tell more

	Status     int           `json:"-"` // of HTTP; zero on a connection
	RetryAfter time.Duration `json:"-"` // after which a repetition may be worth it; zero if the host does not say
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s (%s)", e.Message, e.name())
	if len(e.Metadata) > 0 {
		s += " " + string(e.Metadata)
	}
	return s
}

func (e *Error) name() string { return e.Group + "/" + e.Code }

// Is reports whether err is an Error of a name, which is "group/code": client.Is(err, "actor/not_found").
func Is(err error, name string) bool {
	var e *Error
	return errors.As(err, &e) && e.name() == name
}

func newError(f wire.Failure) *Error {
	return &Error{Group: f.Group, Code: f.Code, Message: f.Message, Metadata: wire.Untag(f.Metadata)}
}

// failure returns the error that an answer with a bad status is.
func (c *Client) failure(resp *http.Response, body []byte) *Error {
	e := c.parseFailure(resp, body)
	e.Status = resp.StatusCode
	e.ActorID = resp.Header.Get("X-Rivet-Actor")
	if s, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// parseFailure reads the body of an error. One that says to be JSON is, whatever the encoding.
func (c *Client) parseFailure(resp *http.Response, body []byte) *Error {
	from := c.encoding
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		from = wire.ClientOf("json")
	}
	f, err := from.ParseFailure(body, c.limit)
	if err != nil {
		return &Error{Group: "http", Code: strconv.Itoa(resp.StatusCode), Message: fmt.Sprintf("%v answered %s, which is no answer of a host", c, clip(resp.Status))}
	}
	e := newError(f)
	e.RequestID = resp.Header.Get("X-Rivet-Ray-Id")
	return e
}

// HostError returns the error of an answer to a raw request that the host gave in the actor's place, or nil. It reads
// the body of such an answer.
func (c *Client) HostError(resp *http.Response) error {
	if resp.Header.Get("X-Rivet-Error") == "" { // which no actor can set
		return nil
	}
	defer resp.Body.Close()
	body, err := c.read(resp)
	if err != nil {
		return err
	}
	e := c.failure(resp, body)
	if group, code, ok := strings.Cut(resp.Header.Get("X-Rivet-Error"), "."); ok && e.Group == "http" {
		e.Group, e.Code, e.Message = group, code, "the actor has no handler for this request"
	}
	return e
}

// passing are errors of hosts that pass by themselves: a connection that ends or is refused so is tried again. After
// any other it is not: it would be refused again, or make an actor anew that was destroyed beneath it.
var passing = map[string]bool{
	"ws/going_away": true, "ws/too_slow": true,
	"guard/service_unavailable": true, "guard/service_busy": true, "guard/rate_limit": true, "guard/request_timeout": true,
	"actor/starting": true, "actor/stopping": true, "actor/stopped": true, "actor/restarting": true,
	"actor/overloaded": true, "actor/too_many_connections": true, "actor/crash_loop": true, "actor/no_version": true,
	"actor/action_timed_out": true, "actor/outcome_unknown": true,
	"core/internal_error": true, "core/storage_full": true,
	"message/incoming_too_long": true, // the connection's end, but the fault of one call
}

// isFinal reports whether it is no use to connect again.
func isFinal(err error) bool {
	var e *Error
	switch {
	case errors.Is(err, ErrClosed):
		return true
	case !errors.As(err, &e):
		return false
	case e.Status == http.StatusRequestTimeout || e.Status == http.StatusTooManyRequests:
		return false
	}
	return e.Status < 500 && e.Group != "quota" && !passing[e.name()]
}

// clip keeps a text of a stranger's short.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
