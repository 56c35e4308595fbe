package api

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// failureCost is how many requests one with a bad token counts for: who guesses tokens is soon told to wait.
const failureCost = 10

// clientRates bound what each client may ask, before anything is known of it but where it comes from. The zero value
// bounds nothing.
type clientRates struct {
	limit rate.Limit // requests a second; zero is no bound

	mu     sync.Mutex // guards the fields below
	by     map[netip.Addr]*list.Element
	recent list.List // of clientRate, the last that asked first
}

type clientRate struct {
	addr    netip.Addr
	limiter *rate.Limiter
}

// MaxClientRate is the highest Config.ClientRate.
const MaxClientRate = 1_000_000

// maxClients bounds the clients that are remembered. Who comes from more addresses pushes out those that ask for less.
const maxClients = 16_384

// burst is how many requests may come at once: two seconds' worth, and two failures at least.
func (c *clientRates) burst() int { return max(2*failureCost, int(2*c.limit)) }

func (c *clientRates) of(addr netip.Addr) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.by[addr]; ok {
		c.recent.MoveToFront(e)
		return e.Value.(clientRate).limiter
	}
	if c.by == nil {
		c.by = map[netip.Addr]*list.Element{}
	}
	if c.recent.Len() >= maxClients {
		oldest := c.recent.Back()
		delete(c.by, c.recent.Remove(oldest).(clientRate).addr)
	}
	l := rate.NewLimiter(c.limit, c.burst())
	c.by[addr] = c.recent.PushFront(clientRate{addr, l})
	return l
}

// take takes a request, and returns zero, or takes none and returns when there is one again.
func (c *clientRates) take(addr netip.Addr, now time.Time) time.Duration {
	r := c.of(addr).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// failed makes a request that was taken count as one with a bad token.
func (c *clientRates) failed(addr netip.Addr, now time.Time) {
	if c.limit > 0 {
		c.of(addr).ReserveN(now, failureCost-1)
	}
}

// admitClient holds a client to its rate: each request, and each message of a socket.
func (s *Server) admitClient(r *http.Request) error {
	if s.clientRates.limit == 0 {
		return nil
	}
	if s.clientRates.limit == 0 {
		return nil
	}
	if wait := s.clientRates.take(holdAddr(s.client(r)), s.now()); wait > 0 {
		return &abi.Error{Code: abi.CodeRateLimited, Retry: wait}
	}
	return nil
}
