package tenants

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Allowance is what a namespace may use, and a count of what it does. What it is asked costs a short lock or less.
// Safe for concurrent use.
//
// What is known before the work is done is taken first: a request, an event, a connection. Gas and written bytes are
// known only afterwards: there must be some left before, and what was used is taken then. So each turn that runs
// at the same time may overdraw the bucket once, by a quantum of gas or by one delta, and what is overdrawn is
// paid back by time.
type Allowance struct {
	used   counters      // since it was stored
	since  counters      // since the process began
	bounds atomic.Bool   // something bounds gas
	line   chan struct{} // held by the turn that waits for gas; the others wait in line for it
	most   atomic.Pointer[Quotas]

	mu          sync.Mutex // guards the fields below
	gas         bucket
	written     bucket
	requests    bucket
	events      bucket
	connections int64
	memory      int64
	month       month
	tallies     map[ActorID]*Tally
}

// month is what was used in a calendar month (UTC) of what is bounded by it.
type month struct {
	of                   int // months since year 0
	gas, written, egress int64
}

func monthOf(t time.Time) int {
	t = t.UTC()
	return t.Year()*12 + int(t.Month()) - 1
}

// end returns how long the month goes on.
func (m *month) end(now time.Time) time.Duration {
	return time.Date(m.of/12, time.Month(m.of%12+2), 1, 0, 0, 0, 0, time.UTC).Sub(now)
}

// turn makes m the month of now.
func (m *month) turn(now time.Time) {
	if of := monthOf(now); of != m.of {
		*m = month{of: of}
	}
}

func newAllowance() *Allowance {
	a := &Allowance{line: make(chan struct{}, 1), tallies: map[ActorID]*Tally{}}
	a.most.Store(&Quotas{})
	return a
}

// set changes the quotas.
func (a *Allowance) set(q Quotas) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gas.set(q[QuotaGasPerSecond], q[QuotaGasBurst], now)
	a.written.set(q[QuotaWrittenPerSecond], q[QuotaWrittenBurst], now)
	a.requests.set(q[QuotaRequestsPerSecond], q[QuotaRequestsBurst], now)
	a.events.set(q[QuotaEventsPerSecond], q[QuotaEventsBurst], now)
	a.most.Store(&q)
	a.bounds.Store(q[QuotaGasPerSecond] > 0 || q[QuotaGasPerMonth] > 0)
}

// Limit returns a quota, zero if there is no bound.
func (a *Allowance) Limit(q Quota) int64 { return (*a.most.Load())[q] }

// Weight returns the namespace's share when there is not enough for all, at least 1.
func (a *Allowance) Weight() int { return int(max(a.Limit(QuotaWeight), 1)) }

// Add counts n of m for the namespace alone.
func (a *Allowance) Add(m Metric, n int64) {
	a.used[m].Add(n)
	a.since[m].Add(n)
}

// Tally returns what counts for an actor, until Done.
func (a *Allowance) Tally(id ActorID) *Tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tallies[id]
	if t == nil {
		t = &Tally{of: a, id: id}
		a.tallies[id] = t
	}
	t.held++
	return t
}

// SpendGas takes gas that was used, whether it was there or not, and counts it.
func (a *Allowance) SpendGas(n int64) {
	a.Add(UsedGas, n)
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gas.spend(n, now)
	a.month.turn(now)
	a.month.gas += n
}

// Gas returns nil if there is gas, or the error of there being none: of the month, or of the second and when there
// will be some. The usual answer takes no lock.
func (a *Allowance) Gas() error {
	_, err := a.lackOfGas()
	return err
}

// lackOfGas returns nil if there is gas, or why not; and how long until there is some, zero if it is too long to wait.
func (a *Allowance) lackOfGas() (time.Duration, error) {
	if !a.bounds.Load() {
		return 0, nil
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.monthLocked(QuotaGasPerMonth, &a.month.gas, now); err != nil {
		return 0, err
	}
	if d := a.gas.wait(1, now); d > 0 {
		return d, OverQuota(QuotaGasPerSecond, a.Limit(QuotaGasPerSecond), int64(a.gas.burst-a.gas.level), d)
	}
	return 0, nil
}

// AwaitGas waits until there is gas, behind those who wait already. It returns CodeQuota if there will be none
// before ctx ends, at once if that is certain.
func (a *Allowance) AwaitGas(ctx context.Context) error {
	d, err := a.lackOfGas()
	if err == nil || !inTime(ctx, d) {
		return err
	}
	select {
	case a.line <- struct{}{}:
		defer func() { <-a.line }()
	case <-ctx.Done():
		return err
	}
	for {
		if d, err = a.lackOfGas(); err == nil || !inTime(ctx, d) {
			return err
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// inTime reports whether d, if it is worth waiting for, is over before ctx ends.
func inTime(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return d > 0 && ctx.Err() == nil && (!ok || time.Until(deadline) > d)
}

// monthLocked refuses more of what a month has used up.
func (a *Allowance) monthLocked(name Quota, used *int64, now time.Time) error {
	a.month.turn(now)
	if most := a.Limit(name); most > 0 && *used >= most {
		return OverQuota(name, most, *used, a.month.end(now))
	}
	return nil
}

// resume takes up what of the month was used before this process.
func (a *Allowance) resume(u Used, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.month.turn(now)
	a.month.gas += u[UsedGas]
	a.month.written += u[UsedWritten]
	a.month.egress += u[UsedEgress]
}

// Request takes one request, or says when there may be another.
func (a *Allowance) Request() error {
	if most := a.Limit(QuotaRequestsPerSecond); most > 0 {
		if err := a.take(&a.requests, QuotaRequestsPerSecond, most); err != nil {
			return err
		}
	}
	a.Add(UsedRequests, 1)
	return nil
}

// Event takes one event that is broadcast. The caller counts it in its tally.
func (a *Allowance) Event() error {
	if most := a.Limit(QuotaEventsPerSecond); most > 0 {
		return a.take(&a.events, QuotaEventsPerSecond, most)
	}
	return nil
}

func (a *Allowance) take(b *bucket, name Quota, most int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := b.take(1, time.Now()); d > 0 {
		return OverQuota(name, most, int64(b.burst), d)
	}
	return nil
}

// MayWrite returns nil if a turn may write, or why not.
func (a *Allowance) MayWrite() error {
	perSecond, perMonth := a.Limit(QuotaWrittenPerSecond), a.Limit(QuotaWrittenPerMonth)
	if perSecond == 0 && perMonth == 0 {
		return nil
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.monthLocked(QuotaWrittenPerMonth, &a.month.written, now); err != nil {
		return err
	}
	if d := a.written.wait(1, now); d > 0 {
		return OverQuota(QuotaWrittenPerSecond, perSecond, int64(a.written.burst-a.written.level), d)
	}
	return nil
}

// Wrote takes what a turn has written. The caller counts it in its tally.
func (a *Allowance) Wrote(bytes int64) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written.spend(bytes, now)
	a.month.turn(now)
	a.month.written += bytes
}

// MayFetch returns nil if guests may exchange more with other servers, or why not.
func (a *Allowance) MayFetch() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.monthLocked(QuotaEgressPerMonth, &a.month.egress, time.Now())
}

// Fetched takes bytes that were exchanged. The caller counts them in its tally.
func (a *Allowance) Fetched(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.month.turn(time.Now())
	a.month.egress += bytes
}

// Connect takes a connection, which Disconnect gives back.
func (a *Allowance) Connect() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if most := a.Limit(QuotaConnections); most > 0 && a.connections >= most {
		return OverQuota(QuotaConnections, most, a.connections, 0)
	}
	a.connections++
	return nil
}

// Disconnect gives a connection back.
func (a *Allowance) Disconnect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connections--
}

// TakeMemory takes bytes of the memory of live instances, which FreeMemory gives back. With must they are taken
// whether they are there or not.
func (a *Allowance) TakeMemory(bytes int64, must bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if most := a.Limit(QuotaMemory); !must && most > 0 && a.memory+bytes > most {
		return OverQuota(QuotaMemory, most, a.memory, time.Second)
	}
	a.memory += bytes
	return nil
}

// FreeMemory gives memory back.
func (a *Allowance) FreeMemory(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.memory -= bytes
}

// Memory returns how much is taken.
func (a *Allowance) Memory() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.memory
}

// Connections returns how many there are.
func (a *Allowance) Connections() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.connections
}
