package api

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// A browser cannot read the answer to a refused upgrade, so a WebSocket request is always answered 101 and a refusal
// is told on the socket. Nothing that the client sends is looked at before it is let in.

// offer is what a client says in its sub-protocols, where a browser can say something.
type offer struct {
	chosen   string // the sub-protocol that is answered
	encoding string
	params   json.RawMessage
	token    string
	hasToken bool
}

// Sub-protocols of Rivet's clients. Others that begin with "rivet_" mean nothing to us.
const (
	protoRivet    = "rivet"
	protoEncoding = "rivet_encoding."
	protoParams   = "rivet_conn_params."
	protoToken    = "rivet_token."
)

// parseOffer reads the sub-protocols. chosen is set whatever the error.
func parseOffer(r *http.Request) (o offer, err error) {
	all := websocket.Subprotocols(r)
	if slices.Contains(all, protoRivet) {
		o.chosen = protoRivet
	} else if i := slices.IndexFunc(all, func(p string) bool { return !strings.HasPrefix(p, "rivet_") }); i >= 0 {
		o.chosen = all[i] // or a browser would not take the answer
	}
	seen := map[string]bool{}
	for _, p := range all {
		name, value, ok := cutProtocol(p)
		if !ok {
			continue
		}
		text, err := url.PathUnescape(value)
		if err != nil || seen[name] {
			return o, abi.Errorf(abi.CodeInvalidRequest, "the sub-protocol %s… is there twice or has an invalid percent-encoding", name)
		}
		seen[name] = true
		switch name {
		case protoEncoding:
			o.encoding = text
		case protoParams:
			o.params = json.RawMessage(text)
		case protoToken:
			o.token, o.hasToken = text, true
		}
	}
	if o.params != nil {
		return o, checkParams(o.params)
	}
	return o, nil
}

func cutProtocol(p string) (name, value string, ok bool) {
	for _, name := range []string{protoEncoding, protoParams, protoToken} {
		if value, ok := strings.CutPrefix(p, name); ok {
			return name, value, true
		}
	}
	return "", "", false
}

// checkParams holds a client's params to what we let pass.
func checkParams(params []byte) error {
	if len(params) > abi.MaxConnParams {
		return abi.Errorf(abi.CodeInvalidRequest, "the connection's params are longer than %d bytes", abi.MaxConnParams)
	}
	if err := wire.CheckJSON(params, maxBodyDepth); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "the connection's params are not valid JSON: %v", err)
	}
	return nil
}

// isUpgrade reports whether a request wants a WebSocket.
func isUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// upgrade answers 101. Its errors are for an answer over HTTP.
func (s *Server) upgrade(w *echo.Response, q *request, protocol string) (*socket, error) {
	if !q.ProtoAtLeast(1, 1) { // the library does not look
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the WebSocket handshake is malformed: it needs HTTP/1.1")
	}
	var refused error
	up := websocket.Upgrader{
		CheckOrigin:     func(*http.Request) bool { return true }, // see authenticate, and the actor's manifest
		WriteBufferPool: noBuffers{},
		Error: func(_ http.ResponseWriter, _ *http.Request, _ int, why error) {
			refused = abi.Errorf(abi.CodeInvalidRequest, "the WebSocket handshake is malformed: %s", strings.TrimPrefix(why.Error(), "websocket: "))
		},
	}
	if c, ok := q.Context().Value(connKey{}).(net.Conn); ok && !s.conns.assign(c, holdAddr(s.client(q.Request))) {
		return nil, &abi.Error{Code: abi.CodeRateLimited, Message: "Too many connections of one client", Retry: time.Second}
	}
	h := &hijacker{Response: w, timeout: s.cfg.SocketWriteTimeout, conns: &s.conns}
	header := http.Header{rayHeader: w.Header()[rayHeader]}
	if protocol != "" {
		header["Sec-Websocket-Protocol"] = []string{protocol}
	}
	ws, err := up.Upgrade(h, q.Request, header)
	if h.line != nil {
		w.Status, w.Committed = http.StatusSwitchingProtocols, true
	}
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, nil // the connection is gone already
	}
	s.stats.lines.opened.Add(1)
	return newSocket(ws, h.line, &s.stats.lines, s.cfg.PingInterval, s.cfg.PongTimeout), nil
}

// hijacker puts a lineConn under what the library gets.
type hijacker struct {
	*echo.Response
	timeout time.Duration
	conns   *conns
	line    *lineConn
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := h.Response.Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.line = &lineConn{Conn: c, timeout: h.timeout, conns: h.conns}
	return h.line, rw, nil
}

// noBuffers is a websocket.BufferPool: the library writes control frames only, for which it takes no buffer.
type noBuffers struct{}

// Get implements websocket.BufferPool.
func (noBuffers) Get() any { return nil }

// Put implements websocket.BufferPool.
func (noBuffers) Put(any) {}

// serveSocket upgrades a request and speaks with the client until the socket ends. A socket's request never gets
// to the ordinary handler.
func (s *Server) serveSocket(w *echo.Response, q *request) error {
	o, offerErr := parseOffer(q.Request)
	k, err := s.upgrade(w, q, o.chosen)
	if k == nil {
		return err
	}
	taken := s.sockets.add(k)
	defer s.sockets.remove(k)
	p := &peer{s: s, k: k, q: q, w: w, encoding: wire.JSON, raw: q.route.rawSocket()}
	if o.encoding != "" && !p.raw {
		p.encoding = wire.Of(o.encoding)
	}
	defer p.release()
	switch {
	case !taken:
	case p.encoding == nil:
		k.close(closeUnsupported, "actor.unsupported_websocket_encoding")
	case offerErr != nil:
		p.reject(offerErr)
	default:
		if p.let(o) {
			return nil
		}
	}
	k.discard()
	k.finish()
	return nil
}

// peer is the client at the other end of a socket, on its way to a connection and then on it.
type peer struct {
	s        *Server
	k        *socket
	q        *request
	w        *echo.Response
	encoding wire.Encoding // of its messages; of none if the route is raw
	conn     *actors.Conn
	raw      bool
	seat     *tenants.Allowance // of the namespace, which the connection counts for; nil if it does not
	counted  bool               // among the sockets of its namespace
}

// release gives back what the socket holds of the host.
func (p *peer) release() {
	if p.counted {
		p.s.held.sockets.give(p.q.ns, 1)
	}
}

// let connects a client and serves it until the socket has ended. It reports false if the client was refused.
func (p *peer) let(o offer) bool {
	defer p.leave()
	conn, err := p.connect(o)
	if err != nil {
		p.reject(err)
		return false
	}
	p.k.limit = int64(conn.MaxMessage())
	p.k.keepAlive(conn.Liveness())
	defer p.s.tenure(p.q.who, p.q.ns, func(reason string) { p.k.close(closeTokenEnded, "auth."+reason) })()
	if p.raw {
		p.k.receive(closeTooLong, p.pass)
	} else {
		p.k.receive(closeError, p.obey)
	}
	e, clean := p.k.finish()
	conn.Closed(e.code, e.reason, clean)
	return true
}

// connect finds out who the client is and where it wants to go, and asks the actor.
func (p *peer) connect(o offer) (*actors.Conn, error) {
	q := p.q
	if err := q.parseURL(); err != nil {
		return nil, err
	}
	if !q.target.hasToken && o.hasToken {
		q.target.token, q.target.hasToken = o.token, true
	}
	if err := p.s.authenticate(q); err != nil {
		return nil, err
	}
	if err := p.sit(); err != nil {
		return nil, err
	}
	if !p.s.held.sockets.take(q.ns, 1) {
		return nil, errBusy("The namespace has too many WebSockets")
	}
	p.counted = true
	p.k.owner(&p.s.held.memory, q.ns)
	id, err := p.s.resolve(q)
	if err != nil {
		return nil, err
	}
	r := actors.ConnectRequest{Kind: abi.ConnEvents, Params: o.params, Subject: q.who.Subject, Origin: q.origin(), Head: q.head()}
	if p.raw {
		r.Kind = abi.ConnSocket
	}
	p.conn, err = p.s.host.Connect(q.Context(), id, r, p)
	return p.conn, err
}

// reject tells the client why it may not come in, after a while.
func (p *peer) reject(err error) {
	e := p.s.public(err, p.q.Request)
	p.s.logError(e, p.q.Request, p.w)
	if e.Code != abi.CodeUnavailable {
		p.hold()
	}
	p.fail(e, nil)
	p.k.close(closeError, closeReason(e))
}

// hold waits as long as the client's address has deserved.
func (p *peer) hold() {
	wait, leave := p.s.holds.next(p.s.client(p.q.Request), p.s.now())
	defer leave()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.s.closing:
	}
}

// fail sends an error: of an action, or of the connection. A raw socket has no form for it but its close.
func (p *peer) fail(e *abi.Error, action *uint64) {
	if p.raw {
		return
	}
	p.say(p.encoding.Failure(wire.Failure{Group: e.Code.Group(), Code: e.PublicName(), Message: e.PublicMessage(), Metadata: p.s.metadata(e), Action: action}))
}

func (p *peer) say(message []byte) { p.k.send(messageFrame(message, !p.encoding.Binary())) }

// closeReason is the reason of a close, in Rivet's syntax.
func closeReason(e *abi.Error) string { return e.Code.Group() + "." + headerName(e) }

// notASocket answers a request on a socket's route that is no upgrade.
func (s *Server) notASocket(_ http.ResponseWriter, q *request) error {
	if q.target.direct {
		id, err := q.parseDirect()
		if err == nil {
			_, err = s.host.Get(q.Context(), id)
		}
		if err != nil {
			return err
		}
	}
	return abi.Errorf(abi.CodeInvalidRequest, "this route is for WebSockets").With(object{"next": "send an upgrade to a WebSocket"})
}

var _ actors.Sink = (*peer)(nil)
