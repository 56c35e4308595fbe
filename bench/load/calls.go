package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Calls are requests over WebSockets, in a closed loop: each socket has Window of them on their way, and they are
// answered in their order.
type Calls struct {
	Sockets []*Socket
	Window  int // in [1, 1024]

	// Request appends the frame of a socket's n-th request, from 0.
	Request func(b []byte, socket, n int) []byte
	// Check judges the message that answers it, which is valid during the call. It runs on the socket's goroutine.
	Check func(socket, n int, message []byte) error

	next []int // by socket: how many requests it has sent
}

// Run repeats the requests for at most a minute. It stops at the first error, which it returns with the Result until
// then. Another run goes on counting.
func (c *Calls) Run(ctx context.Context, d time.Duration) (Result, error) {
	if c.Window < 1 || c.Window > maxConns || d <= 0 || d > maxDuration {
		return Result{}, fmt.Errorf("load: window %d for %v", c.Window, d)
	}
	if c.next == nil {
		c.next = make([]int, len(c.Sockets))
	}
	stop, err := guard(ctx, d, c.Sockets)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	latencies := make([][]time.Duration, len(c.Sockets))
	begun := time.Now()
	r := &callRun{Calls: c, end: begun.Add(d)}
	var wg sync.WaitGroup
	for i := range c.Sockets {
		wg.Go(func() { latencies[i] = r.loop(i) }) // ends with the run or its first error
	}
	wg.Wait()
	result := newResult(latencies, time.Since(begun), int(r.errs.Load()))
	if err := r.first.Load(); err != nil {
		return result, fmt.Errorf("load: %w", errors.Join(*err, ctx.Err()))
	}
	return result, nil
}

// callRun is one run of Calls.
type callRun struct {
	*Calls
	end   time.Time
	errs  atomic.Int64
	first atomic.Pointer[error]
}

// loop is one socket's.
func (r *callRun) loop(socket int) []time.Duration {
	l := callLoop{callRun: r, socket: socket, s: r.Sockets[socket], sent: make([]time.Time, r.Window)}
	if err := l.run(); err != nil {
		r.first.CompareAndSwap(nil, &err)
		r.errs.Add(1)
	}
	return l.latencies
}

type callLoop struct {
	*callRun
	socket    int
	s         *Socket
	sent      []time.Time // by request, modulo the window
	unread    int         // requests on their way
	latencies []time.Duration
}

func (l *callLoop) run() error {
	l.fill()
	for l.unread > 0 && l.errs.Load() == 0 {
		// What is answered at once is asked anew at once: a request for each write would measure the client.
		if len(l.s.out) > 0 && !l.s.waiting() {
			if err := l.s.Send(l.s.out); err != nil {
				return err
			}
			l.s.out = l.s.out[:0]
		}
		message, err := l.s.Read()
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		n := l.next[l.socket] - l.unread
		took := time.Since(l.sent[n%l.Window])
		if err := l.Check(l.socket, n, message); err != nil {
			return err
		}
		l.latencies = append(l.latencies, took)
		l.unread--
		l.fill()
	}
	return nil
}

// fill prepares requests up to the window, until the end of the run.
func (l *callLoop) fill() {
	for now := time.Now(); l.unread < l.Window && now.Before(l.end) && len(l.latencies) < maxRequests/len(l.Sockets); l.unread++ {
		n := l.next[l.socket]
		l.s.out = l.Request(l.s.out, l.socket, n)
		l.sent[n%l.Window] = now
		l.next[l.socket]++
	}
}

// guard bounds what sockets may wait: by the time of a run, and by ctx. The caller is to call stop.
func guard(ctx context.Context, d time.Duration, sockets []*Socket) (stop func() bool, err error) {
	limit := time.Now().Add(d + answerTime)
	for _, s := range sockets {
		if err := s.c.SetDeadline(limit); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
	}
	return context.AfterFunc(ctx, func() { interrupt(sockets) }), nil
}

// interrupt ends what sockets wait for.
func interrupt(sockets []*Socket) {
	for _, s := range sockets {
		_ = s.c.SetDeadline(time.Unix(1, 0)) // fails only if it is closed already
	}
}
