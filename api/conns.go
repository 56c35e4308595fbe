package api

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// conns are the network connections of a server, bounded in all and by client. Those that trusted proxies make count for
// nobody until they are WebSockets: then they are the client's behind the proxy.
type conns struct {
	max, perClient int

	mu  sync.Mutex // guards the fields below
	all map[net.Conn]netip.Addr
	by  map[netip.Addr]int // of all, but those of nobody
}

// enter takes up a connection of a client, the zero address being nobody. It reports false if there are too many.
func (s *conns) enter(c net.Conn, client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= s.max || !s.roomLocked(client) {
		return false
	}
	if s.all == nil {
		s.all, s.by = map[net.Conn]netip.Addr{}, map[netip.Addr]int{}
	}
	s.all[c] = client
	s.countLocked(client, 1)
	return true
}

func (s *conns) roomLocked(client netip.Addr) bool {
	return !client.IsValid() || s.by[client] < s.perClient
}

func (s *conns) countLocked(client netip.Addr, n int) {
	if !client.IsValid() {
		return
	}
	if s.by[client] += n; s.by[client] == 0 {
		delete(s.by, client)
	}
}

// assign gives a connection of nobody to a client. It reports false if that has too many.
func (s *conns) assign(c net.Conn, client netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.all[c]; !ok || old.IsValid() {
		return true // counted already, or a server's that is not ours
	}
	if !s.roomLocked(client) {
		return false
	}
	s.all[c] = client
	s.countLocked(client, 1)
	return true
}

// leave forgets a connection that has ended.
func (s *conns) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client, ok := s.all[c]; ok {
		delete(s.all, c)
		s.countLocked(client, -1)
	}
}

func (s *conns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// watchConn is called by net/http. A new connection past the bounds ends before anything of it is read: it costs next
// to nothing. One that was taken over by a WebSocket is that one's to leave.
func (s *Server) watchConn(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if !s.conns.enter(c, s.peer(c)) {
			turnAway(c)
		}
	case http.StateClosed:
		s.conns.leave(c)
	}
}

// peer returns the client at the other end of a connection, the zero address if that is a trusted proxy or not TCP.
func (s *Server) peer(c net.Conn) netip.Addr {
	a, ok := parseHop(c.RemoteAddr().String())
	if !ok || s.proxies.trust(a) {
		return netip.Addr{}
	}
	return holdAddr(a)
}

// turnedAway is what a connection too many is told if it does not speak TLS, of which there would have to be a handshake.
var turnedAway = func() []byte {
	body := fmt.Sprintf(`{"group":%q,"code":%q,"message":"Too many connections","request_id":""}`, abi.CodeHostBusy.Group(), abi.CodeHostBusy.Name())
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s", typeJSON, len(body), body)
}()

func turnAway(c net.Conn) {
	if _, ok := c.(*tls.Conn); !ok {
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) // it fits into the buffers of a new connection
		_, _ = c.Write(turnedAway)
	}
	c.Close()
}
