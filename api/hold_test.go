package api

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestHolds(t *testing.T) {
	h := holds{first: 100 * time.Millisecond}
	now := time.Unix(1000, 0)
	next := func(addr string, now time.Time) time.Duration {
		wait, leave := h.next(netip.MustParseAddr(addr), now)
		leave()
		return wait
	}
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000, 5000} {
		if got := next("192.0.2.1", now); got != want*time.Millisecond {
			t.Errorf("rejection %d waits %v, want %v ms", i, got, int64(want))
		}
	}
	if got := next("192.0.2.2", now); got != h.first {
		t.Errorf("another client waits %v", got)
	}
	next("2001:db8::1", now)
	if got := next("2001:db8::2", now); got != 2*h.first {
		t.Errorf("a neighbour in the same /64 waits %v", got)
	}
	if got := next("192.0.2.1", now.Add(forgetAfter+1)); got != h.first {
		t.Errorf("after a quiet time the client waits %v", got)
	}
	for i := range 2 * maxHeld {
		next(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if len(h.by) > maxHeld {
		t.Errorf("%d addresses are remembered", len(h.by))
	}
}

// Of one client only so many sockets are held at a time; the others are told at once.
func TestHeldAtOnce(t *testing.T) {
	h := holds{first: time.Second}
	addr, now := netip.MustParseAddr("192.0.2.1"), time.Unix(1000, 0)
	var leaves []func()
	for i := range maxHeldNow {
		wait, leave := h.next(addr, now)
		if leaves = append(leaves, leave); wait == 0 {
			t.Fatalf("socket %d does not wait", i)
		}
	}
	if wait, leave := h.next(addr, now); wait != 0 {
		t.Errorf("one too many waits %v", wait)
	} else {
		leave()
	}
	if wait, _ := h.next(netip.MustParseAddr("192.0.2.2"), now); wait != h.first {
		t.Errorf("another client waits %v", wait)
	}
	leaves[0]()
	if wait, _ := h.next(addr, now); wait != maxHold*h.first {
		t.Errorf("when one has gone the next waits %v", wait)
	}
}
