package api

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A publishable token stands in web pages, so it is known to everybody. A browser lets no page lie about its origin;
// anybody else can, so what a token can cost is bounded beside that: by address, and for all together.

// clientsAtOnce is how many addresses can use a publishable token as fast as each may.
const clientsAtOnce = 50

// admitVisit holds a request, or a message of a socket, with a publishable token to its origins and its rate. Other
// tokens have neither.
func (s *Server) admitVisit(q *request) error {
	if !q.who.Publishable() {
		return nil
	}
	if origins := q.Header.Values("Origin"); len(origins) != 1 || !q.who.Visits(origins[0]) {
		return abi.Errorf(abi.CodeOriginDenied, "the token is for pages of other origins")
	}
	return s.countVisit(q)
}

// countVisit holds what is asked with a publishable token to its rate.
func (s *Server) countVisit(q *request) error {
	if !q.who.Publishable() {
		return nil
	}
	return s.count(visitor{namespace: string(q.ns), token: q.who.TokenID}, q.who.Rate(), q.Request)
}

// count holds what all of a kind ask to a rate: by address, and together.
func (s *Server) count(all visitor, rate int, r *http.Request) error {
	one, now := all, s.now()
	one.addr = holdAddr(s.client(r))
	wait := s.visitors.take(one, rate, now)
	if wait == 0 {
		wait = s.tokenRates.take(all, clientsAtOnce*rate, now)
	}
	if wait > 0 {
		return &abi.Error{Code: abi.CodeRateLimited, Retry: wait}
	}
	return nil
}

// visitor is a token, or one of the addresses that use it. One without a token is who comes to a namespace's open paths.
type visitor struct {
	namespace, token string
	addr             netip.Addr
}

// maxVisitors bounds those that are remembered at a time.
const maxVisitors = 10_000

// visitors are buckets, each filled anew at a rate. The zero value is empty.
type visitors struct {
	mu sync.Mutex // guards by
	by map[visitor]*visits
}

// visits are those left at a moment.
type visits struct {
	left float64
	at   time.Time
	rate int
}

// burst is how many requests may come at once: ten seconds' worth.
func burst(rate int) float64 { return max(1, float64(rate)/6) }

func (b *visits) refill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(burst(b.rate), b.left+passed.Minutes()*float64(b.rate))
		b.at = now
	}
}

// take takes one request of rate a minute, and returns zero, or takes none and returns when there is one again.
func (v *visitors) take(who visitor, rate int, now time.Time) (wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	b := v.by[who]
	if b == nil || b.rate != rate {
		v.makeRoomLocked(now)
		b = &visits{left: burst(rate), at: now, rate: rate}
		v.by[who] = b
	}
	b.refill(now)
	if b.left < 1 {
		return time.Duration((1-b.left)/float64(rate)*float64(time.Minute)).Truncate(time.Millisecond) + time.Millisecond
	}
	b.left--
	return 0
}

// makeRoomLocked forgets those who ask for nothing. If nobody does, it forgets all: who floods it from so many
// addresses is bounded by what all have together.
func (v *visitors) makeRoomLocked(now time.Time) {
	if len(v.by) >= maxVisitors {
		for who, b := range v.by {
			if b.refill(now); b.left >= burst(b.rate) {
				delete(v.by, who)
			}
		}
	}
	if v.by == nil || len(v.by) >= maxVisitors {
		v.by = map[visitor]*visits{}
	}
}
