// Package load sends prepared requests to a server on this machine and times the answers.
//
// It owns connections, pace and time; what a request says and whether an answer is right is the
// caller's. Its one invariant: a Result counts an answer as acknowledged only if the caller's Check
// took it, and a load in which anything else happened is an error.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Config is a load: a closed loop, in which each connection has one request on its way.
type Config struct {
	Addr     string   // IP and port of the server; loopback only
	Conns    int      // in [1, 1024]
	Requests [][]byte // whole HTTP/1.1 requests

	// Duration is how long the requests are repeated, at most a minute. Zero means that each is
	// sent once.
	Duration time.Duration
	// Cut is when a load that sends each request once sends no more of them. Zero means never.
	Cut time.Duration
	// Tries is how often a request is sent that is answered with a status of 500 or more. Zero means once.
	Tries int
	// Limit is when a load that has not ended fails. Zero means five minutes.
	Limit time.Duration

	// Check gets the body of each answer with status 2xx, valid during the call, with the indexes
	// of its connection and request. It runs on the connection's goroutine. Nil takes any body.
	Check func(conn, request int, body []byte) error
}

const (
	maxConns    = 1024
	maxDuration = time.Minute
	maxRequests = 1 << 22 // of one load; more end it early
)

func (c *Config) setDefaults() {
	if c.Limit == 0 {
		c.Limit = 5 * time.Minute
	}
	if c.Check == nil {
		c.Check = func(int, int, []byte) error { return nil }
	}
}

func (c *Config) validate() error {
	switch {
	case c.Conns < 1 || c.Conns > maxConns:
		return fmt.Errorf("load: %d connections, not 1 to %d", c.Conns, maxConns)
	case len(c.Requests) < 1 || len(c.Requests) > maxRequests:
		return fmt.Errorf("load: %d requests, not 1 to %d", len(c.Requests), maxRequests)
	case c.Duration < 0 || c.Duration > maxDuration:
		return fmt.Errorf("load: duration %v, not 0 to %v", c.Duration, maxDuration)
	}
	return nil
}

// loader is a load that runs.
type loader struct {
	Config
	conns     []*conn
	latencies [][]time.Duration // by connection
	end       time.Time         // when no further request is sent; zero is never
	next      atomic.Int64      // request of a load that sends each once
	errs      atomic.Int64
	firstErr  atomic.Pointer[error]
}

// Run runs a load. It stops at the first error, which it returns with the Result until then; an
// end of ctx is an error, too.
func Run(ctx context.Context, c Config) (Result, error) {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return Result{}, err
	}
	l := &loader{Config: c, conns: make([]*conn, c.Conns), latencies: make([][]time.Duration, c.Conns)}
	defer l.close()
	limit := time.Now().Add(c.Limit)
	for i := range l.conns {
		nc, err := dial(ctx, c.Addr)
		if err != nil {
			return Result{}, fmt.Errorf("load: connect: %w", err)
		}
		l.conns[i] = nc
		if err := nc.SetDeadline(limit); err != nil {
			return Result{}, fmt.Errorf("load: %w", err)
		}
	}
	stop := context.AfterFunc(ctx, l.interrupt)
	defer stop()
	begun := time.Now()
	if d := max(c.Duration, c.Cut); d > 0 {
		l.end = begun.Add(d)
	}
	var wg sync.WaitGroup
	for i := range l.conns {
		wg.Go(func() { l.run(i) }) // ends with the load, its first error or its limit
	}
	wg.Wait()
	r := newResult(l.latencies, time.Since(begun), int(l.errs.Load()))
	if err := l.firstErr.Load(); err != nil {
		return r, fmt.Errorf("load: %w", errors.Join(*err, ctx.Err()))
	}
	return r, nil
}

// run is one connection's loop.
func (l *loader) run(conn int) {
	for sent := 0; l.errs.Load() == 0; sent++ {
		request, ok := l.pick(conn, sent)
		if !ok {
			return
		}
		begun := time.Now()
		body, err := l.ask(conn, request)
		took := time.Since(begun)
		if err == nil {
			err = l.Check(conn, request, body)
		}
		if err != nil {
			l.firstErr.CompareAndSwap(nil, &err)
			l.errs.Add(1)
			return
		}
		l.latencies[conn] = append(l.latencies[conn], took)
	}
}

// ask sends a request, and again if that is wanted.
func (l *loader) ask(conn, request int) (body []byte, err error) {
	for try := 1; ; try++ {
		var status statusError
		if body, err = l.conns[conn].do(l.Requests[request]); try >= l.Tries || !errors.As(err, &status) || status.code < 500 {
			return body, err
		}
		time.Sleep(time.Duration(try) * tryPause)
	}
}

// tryPause is how long a request waits that is sent again, longer each time.
const tryPause = 50 * time.Millisecond

// pick returns the index of a connection's next request, or false at the end of the load.
func (l *loader) pick(conn, sent int) (int, bool) {
	if !l.end.IsZero() && time.Now().After(l.end) {
		return 0, false
	}
	if l.Duration == 0 {
		i := int(l.next.Add(1)) - 1
		return i, i < len(l.Requests)
	}
	if sent >= maxRequests/l.Conns {
		return 0, false
	}
	// A prime apart, so that connections walk the requests from places of their own.
	return (conn*7919 + sent) % len(l.Requests), true
}

// interrupt ends what the connections wait for.
func (l *loader) interrupt() {
	for _, c := range l.conns {
		c.SetDeadline(time.Unix(1, 0)) // fails only if it is closed already
	}
}

func (l *loader) close() {
	for _, c := range l.conns {
		if c != nil {
			c.Close() // nothing is on its way
		}
	}
}
