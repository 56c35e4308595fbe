// Limiter is a rate limiter, a token bucket: so many requests at once, and so many a second in the long run.
// There is one actor for each who is limited, a client address or an API key, and asking it is a turn.
// Since turns are one at a time nobody gets a token twice, without a lock or a transaction.
//
// Use it for limits that your users see: messages a minute, attempts to log in. Each that is allowed is a
// commit; each that is refused writes nothing, so a flood costs only turns. Time is the turn's clock, and
// nothing runs in between. The host's own limits protect the host; this one is about your rules.
package main

import (
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// Rule says how much is allowed. It is given when the actor is made.
type Rule struct {
	Burst    int   `json:"burst"`    // at once; zero means 10
	Interval int64 `json:"interval"` // milliseconds until one more is; zero means 1000
}

// Bucket is the actor's state. It has no number of tokens: those that are missing are as many as intervals
// until it is full again.
type Bucket struct {
	Rule
	Full int64 `json:"full"` // milliseconds since 1970
}

// Decision is the answer to a request.
type Decision struct {
	Allowed    bool  `json:"allowed"`
	Remaining  int   `json:"remaining"`  // requests that would be allowed now
	RetryAfter int64 `json:"retryAfter"` // milliseconds until this one would be
}

var _ = guest.Actor("limiter", guest.Def[Bucket]{
	Create: guest.Create(func(c *guest.Ctx[Bucket], r Rule) (Bucket, error) {
		if r.Burst < 0 || r.Burst > 1_000_000 || r.Interval < 0 || r.Interval > 1_000_000 {
			return Bucket{}, guest.UserError("bad_rule", "both are between 0 and 1,000,000")
		}
		if r.Burst == 0 {
			r.Burst = 10
		}
		if r.Interval == 0 {
			r.Interval = 1000
		}
		return Bucket{Rule: r}, nil
	}),
	Actions: guest.Actions{"take": guest.Action(take)},
	// There may be very many of them, each asked now and then.
	Options: guest.Options{SleepTimeout: 5 * time.Second},
})

// take takes so many tokens, or none.
func take(c *guest.Ctx[Bucket], n int) (Decision, error) {
	b := &c.State
	if n < 1 || n > b.Burst {
		return Decision{}, guest.UserError("bad_request", "more than will ever be allowed at once").With(b.Burst)
	}
	now, whole := c.Now().UnixMilli(), int64(b.Burst)*b.Interval
	full := max(b.Full, now)
	after := full + int64(n)*b.Interval
	if wait := after - (now + whole); wait > 0 {
		return Decision{Remaining: int((now + whole - full) / b.Interval), RetryAfter: wait}, nil
	}
	b.Full = after
	return Decision{Allowed: true, Remaining: int((now + whole - after) / b.Interval)}, nil
}

func main() {}
