package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"github.com/gorilla/websocket"
)

// dial opens a WebSocket at a path and query behind the actor's. Its errors are an *Error if an HTTP answer refused it.
func (h *Handle) dial(ctx context.Context, base, path, query, encoding string) (*websocket.Conn, error) {
	a, err := h.address(ctx)
	if err != nil {
		return nil, err
	}
	if path, query, err = a.joined(base, path, query); err != nil {
		return nil, err
	}
	header := h.header(a)
	h.c.addHeader(header)
	d, line := h.c.dialer()
	d.Subprotocols = h.protocols(encoding)
	u := h.c.url(path, query)
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	ws, resp, err := d.DialContext(ctx, u.String(), header)
	switch {
	case errors.Is(err, websocket.ErrBadHandshake) && resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(resp.Body) // the library has cut it
		return nil, h.c.failure(resp, body)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded): // the library sets it on the connection, which may see it first
		return nil, fmt.Errorf("client: connect: %w: %w", context.DeadlineExceeded, err)
	case err != nil:
		return nil, fmt.Errorf("client: connect: %w", err)
	}
	line.lift()
	ws.SetReadLimit(int64(h.c.limit))
	return ws, nil
}

// protocols are what a client says in its sub-protocols.
func (h *Handle) protocols(encoding string) []string {
	list := []string{"rivet", "rivet_encoding." + encoding}
	if h.params != nil {
		list = append(list, "rivet_conn_params."+strings.ReplaceAll(url.QueryEscape(string(h.params)), "+", "%20"))
	}
	return list
}

// dialer returns a dialer that goes where the requests of HTTP go, and the line that it will have dialed.
func (c *Client) dialer() (*websocket.Dialer, *line) {
	l := &line{}
	t, ok := c.http.Transport.(*http.Transport)
	if !ok {
		t = http.DefaultTransport.(*http.Transport)
	}
	d := &websocket.Dialer{Proxy: t.Proxy, Jar: c.http.Jar, HandshakeTimeout: c.timing.dial}
	if t.TLSClientConfig != nil {
		d.TLSClientConfig = t.TLSClientConfig.Clone()
		d.TLSClientConfig.NextProtos = nil // HTTP/2 has no WebSockets of this kind
	}
	d.NetDialContext = l.dial(t.DialContext)
	if t.DialTLSContext != nil {
		d.NetDialTLSContext = l.dial(t.DialTLSContext)
	}
	return d, l
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// line is the connection beneath a WebSocket. While the handshake is not over it gives only so many bytes: the library
// would read a header of any length.
type line struct {
	net.Conn
	lifted atomic.Bool
	read   int // while it is not lifted
}

func (l *line) dial(with dialFunc) dialFunc {
	if with == nil {
		with = (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := with(ctx, network, addr)
		l.Conn = c
		return l, err
	}
}

func (l *line) lift() { l.lifted.Store(true) }

var errLongHandshake = errors.New("the answer to the handshake is too long")

// Read implements net.Conn.
func (l *line) Read(p []byte) (int, error) {
	if l.lifted.Load() {
		return l.Conn.Read(p)
	}
	if l.read >= maxHeaderBytes {
		return 0, errLongHandshake
	}
	n, err := l.Conn.Read(p)
	l.read += n
	return n, err
}

// closeError is how a peer closed a WebSocket, nil if err is not about that.
func closeError(err error) *CloseError {
	var c *websocket.CloseError
	if !errors.As(err, &c) {
		return nil
	}
	return &CloseError{c.Code, c.Text}
}

// CloseError is how the other side closed a WebSocket.
type CloseError struct {
	Code   int // 1006 if there was no closing handshake
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("client: the socket was closed: %d %s", e.Code, e.Reason)
}

// refusal returns the error that a host gives as the reason of a close, as "group.code" or "group.code#request"; nil
// if it is none.
func (e *CloseError) refusal() *Error {
	name, request, _ := strings.Cut(e.Reason, "#")
	group, code, ok := strings.Cut(name, ".")
	if !ok || group == "" || code == "" || e.Code == websocket.CloseNormalClosure || bytes.ContainsAny([]byte(name), " \t") {
		return nil
	}
	return &Error{Group: group, Code: code, Message: "the host closed the connection", RequestID: request}
}
