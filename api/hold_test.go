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
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000, 5000} {
		if got := h.next(netip.MustParseAddr("192.0.2.1"), now); got != want*time.Millisecond {
			t.Errorf("rejection %d waits %v, want %v ms", i, got, int64(want))
		}
	}
	if got := h.next(netip.MustParseAddr("192.0.2.2"), now); got != h.first {
		t.Errorf("another client waits %v", got)
	}
	h.next(netip.MustParseAddr("2001:db8::1"), now)
	if got := h.next(netip.MustParseAddr("2001:db8::2"), now); got != 2*h.first {
		t.Errorf("a neighbour in the same /64 waits %v", got)
	}
	if got := h.next(netip.MustParseAddr("192.0.2.1"), now.Add(forgetAfter+1)); got != h.first {
		t.Errorf("after a quiet time the client waits %v", got)
	}
	for i := range 2 * maxHeld {
		h.next(netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), now)
	}
	if len(h.by) > maxHeld {
		t.Errorf("%d addresses are remembered", len(h.by))
	}
}
