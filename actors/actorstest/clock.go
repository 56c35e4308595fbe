package actorstest

import (
	"sync"
	"time"
)

// Clock is a wall clock that moves only when it is told to, for actors.Config.Now. The host is to be told,
// too: see actors.Host.Look.
type Clock struct {
	mu sync.Mutex // guards t
	t  time.Time
}

// NewClock returns a clock that shows some moment.
func NewClock() *Clock { return ClockAt(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)) }

// ClockAt returns a clock that shows a moment of the caller's choice.
func ClockAt(t time.Time) *Clock { return &Clock{t: t} }

// Now returns the moment that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
