package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Broadcast is messages that one socket sends and all others get. Up to Window of them are on their way at once: the
// next one leaves when everybody has the oldest.
type Broadcast struct {
	Publisher   *Socket
	Subscribers []*Socket
	Window      int // in [1, 1024]

	// Say appends the frame of the n-th message, from 0.
	Say func(b []byte, n int) []byte
	// Heard returns the message that each subscriber must get for it, byte for byte.
	Heard func(n int) []byte
	// Answered judges what the publisher is answered, which is valid during the call.
	Answered func(n int, message []byte) error

	next int // how many messages were sent
}

// Run sends messages for at most a minute and returns when the last one was delivered. Its Result counts deliveries:
// each has the time from the publisher's write to the subscriber's read. It stops at the first error.
func (b *Broadcast) Run(ctx context.Context, d time.Duration) (Result, error) {
	if b.Window < 1 || b.Window > maxConns || d <= 0 || d > maxDuration || len(b.Subscribers) == 0 {
		return Result{}, fmt.Errorf("load: window %d for %v to %d subscribers", b.Window, d, len(b.Subscribers))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := append([]*Socket{b.Publisher}, b.Subscribers...)
	stop, err := guard(ctx, d, all)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	r := &broadcastRun{Broadcast: b, ctx: ctx, fail: cancel, first: b.next, shots: make([]atomic.Pointer[shot], 2*b.Window), landed: make(chan struct{}, b.Window)}
	latencies := make([][]time.Duration, len(b.Subscribers))
	var wg sync.WaitGroup
	for i, s := range b.Subscribers {
		wg.Go(func() { latencies[i] = r.hear(s) }) // ends with the run
	}
	wg.Go(r.answers) // the same
	begun := time.Now()
	r.publish(begun.Add(d))
	elapsed := time.Since(begun)
	r.over.Store(true)
	interrupt(all)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return newResult(nil, 0, 1), fmt.Errorf("load: %w", err)
	}
	return newResult(latencies, elapsed, 0), nil
}

// broadcastRun is one run of a Broadcast.
type broadcastRun struct {
	*Broadcast
	ctx    context.Context
	fail   context.CancelCauseFunc
	first  int                    // message
	shots  []atomic.Pointer[shot] // those on their way, by number
	landed chan struct{}          // a shot that everybody has
	over   atomic.Bool            // nothing is on its way, and nobody is to read on
}

// shot is a message on its way.
type shot struct {
	sent time.Time
	want []byte
	left atomic.Int64 // who has not got it: the subscribers, and the publisher its answer
}

func (r *broadcastRun) shot(n int) *atomic.Pointer[shot] { return &r.shots[n%len(r.shots)] }

// publish sends until the end, and returns when everything has arrived.
func (r *broadcastRun) publish(end time.Time) {
	flying := 0
	for {
		for flying < r.Window && time.Now().Before(end) {
			s := &shot{want: r.Heard(r.next)}
			s.left.Store(int64(len(r.Subscribers)) + 1)
			r.Publisher.out = r.Say(r.Publisher.out[:0], r.next)
			s.sent = time.Now()
			r.shot(r.next).Store(s)
			r.next++
			flying++
			if err := r.Publisher.Send(r.Publisher.out); err != nil {
				r.fail(fmt.Errorf("publish: %w", err))
			}
		}
		if flying == 0 {
			return
		}
		select {
		case <-r.landed:
			flying--
		case <-r.ctx.Done():
			return
		}
	}
}

// hear is a subscriber's.
func (r *broadcastRun) hear(s *Socket) []time.Duration {
	var latencies []time.Duration
	r.each(s, func(n int, message []byte) error {
		shot := r.shot(n).Load()
		if shot == nil || !bytes.Equal(message, shot.want) {
			return fmt.Errorf("a subscriber got %q as message %d", message, n)
		}
		latencies = append(latencies, time.Since(shot.sent))
		r.land(shot)
		return nil
	})
	return latencies
}

// answers is the publisher's.
func (r *broadcastRun) answers() {
	r.each(r.Publisher, func(n int, message []byte) error {
		shot := r.shot(n).Load()
		if shot == nil {
			return fmt.Errorf("an answer that nobody asked for: %q", message)
		}
		if err := r.Answered(n, message); err != nil {
			return err
		}
		r.land(shot)
		return nil
	})
}

// each calls f with a socket's messages and their numbers, until the end of the run or an error.
func (r *broadcastRun) each(s *Socket, f func(n int, message []byte) error) {
	for n := r.first; ; n++ {
		message, err := s.Read()
		if r.over.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err == nil {
			err = f(n, message)
		}
		if err != nil {
			r.fail(err)
			return
		}
	}
}

// land counts one who has a message.
func (r *broadcastRun) land(s *shot) {
	if s.left.Add(-1) == 0 {
		r.landed <- struct{}{} // never waits: no more than the window are on their way
	}
}
