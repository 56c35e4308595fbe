package tenants

import "time"

// bucket is an allowance that fills by rate a second up to burst. It may be overdrawn: what it lacks is paid back
// by time. A bucket without a rate holds nobody up. The zero bucket is full, once set has been called.
type bucket struct {
	rate, burst float64
	level       float64
	at          time.Time // level is of then
}

// set changes rate and burst, at a moment from which they hold. A burst of zero is one second's worth.
func (b *bucket) set(rate, burst int64, now time.Time) {
	b.fill(now)
	fresh := b.at.IsZero() || b.rate == 0
	b.rate, b.burst = float64(rate), float64(burst)
	if burst == 0 {
		b.burst = b.rate
	}
	if b.level = min(b.level, b.burst); fresh {
		b.level = b.burst
	}
	b.at = now
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 && b.rate > 0 {
		b.level = min(b.burst, b.level+b.rate*d.Seconds())
		b.at = now
	}
}

// wait returns how long it takes until the level is at least want, zero if it is.
func (b *bucket) wait(want float64, now time.Time) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.fill(now)
	if b.level >= min(want, b.burst) {
		return 0
	}
	d := (min(want, b.burst) - b.level) / b.rate
	if d > maxWait.Seconds() {
		return maxWait
	}
	return max(time.Duration(d*float64(time.Second)), time.Millisecond)
}

// maxWait bounds what a bucket says of the future.
const maxWait = 24 * time.Hour

// spend takes n, whether it is there or not.
func (b *bucket) spend(n int64, now time.Time) {
	if b.rate > 0 {
		b.fill(now)
		b.level -= float64(n)
	}
}

// take takes n if it is there, or says when it will be.
func (b *bucket) take(n int64, now time.Time) time.Duration {
	d := b.wait(float64(n), now)
	if d == 0 {
		b.spend(n, now)
	}
	return d
}
