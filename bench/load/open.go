package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Open is an open loop: requests leave at a rate, whether those before are answered or not, as they do from many clients
// that know nothing of each other.
type Open struct {
	Addr     string   // IP and port of the server; loopback only
	Conns    int      // in [1, 1024]; a request for which none is free is missed
	Rate     float64  // a second
	Requests [][]byte // whole HTTP/1.1 requests, in turn
	Duration time.Duration
}

// Answer is one answer of an open loop.
type Answer struct {
	Sent   time.Duration // since the beginning
	Took   time.Duration // from the moment at which the request was due
	Status int
}

// OpenResult is what an open loop did.
type OpenResult struct {
	Answers []Answer // in no order
	Missed  int      // requests that did not leave, since no connection was free: the generator's fault
	Broken  int      // connections that ended without an answer
	First   error    // of those that broke
	Elapsed time.Duration
}

// openTick is how often requests leave, all those that are due.
const openTick = time.Millisecond

// openRun is one run of an Open.
type openRun struct {
	Open
	ctx     context.Context
	begun   time.Time
	jobs    chan job
	mu      sync.Mutex // guards answers and first
	answers []Answer
	first   error
	broken  atomic.Int64
}

// job is a request that is to leave.
type job struct {
	request []byte
	due     time.Time
}

// Run runs the loop for at most a minute, and waits for the answers that are then still to come.
func (o Open) Run(ctx context.Context) (OpenResult, error) {
	if o.Conns < 1 || o.Conns > maxConns || o.Duration <= 0 || o.Duration > maxDuration || len(o.Requests) == 0 || !(o.Rate > 0 && o.Rate*o.Duration.Seconds() <= maxRequests) {
		return OpenResult{}, fmt.Errorf("load: %v a second over %d connections for %v", o.Rate, o.Conns, o.Duration)
	}
	r := &openRun{Open: o, ctx: ctx, jobs: make(chan job)}
	var wg sync.WaitGroup
	for range o.Conns {
		c, err := dial(ctx, o.Addr)
		if err != nil {
			close(r.jobs)
			wg.Wait()
			return OpenResult{}, fmt.Errorf("load: connect: %w", err)
		}
		wg.Go(func() { r.serve(c) }) // ends with jobs
	}
	r.begun = time.Now()
	missed := r.send()
	close(r.jobs)
	wg.Wait()
	return OpenResult{r.answers, missed, int(r.broken.Load()), r.first, time.Since(r.begun)}, ctx.Err()
}

// send hands out the requests when they are due, and returns how many nobody could take.
func (r *openRun) send() (missed int) {
	tick := time.NewTicker(openTick)
	defer tick.Stop()
	for n := 0; r.ctx.Err() == nil; <-tick.C {
		passed := time.Since(r.begun)
		for due := min(passed, r.Duration).Seconds() * r.Rate; float64(n) < due; n++ {
			select {
			case r.jobs <- job{r.Requests[n%len(r.Requests)], r.begun.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))}:
			default:
				missed++
			}
		}
		if passed >= r.Duration {
			break
		}
	}
	return missed
}

// serve is one connection's loop.
func (r *openRun) serve(c *conn) {
	defer func() { c.Close() }()
	for j := range r.jobs {
		_ = c.SetDeadline(time.Now().Add(answerTime)) // fails only if it is closed
		status, err := c.ask(j.request)
		if err == nil {
			r.mu.Lock()
			r.answers = append(r.answers, Answer{j.due.Sub(r.begun), time.Since(j.due), status})
			r.mu.Unlock()
			continue
		}
		r.broke(err)
		c.Close()
		if next, err := dial(r.ctx, r.Addr); err == nil {
			c = next
		}
	}
}

func (r *openRun) broke(err error) {
	r.broken.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
}
