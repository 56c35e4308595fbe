package api

import (
	"net/netip"
	"sync"
	"time"
)

// holds make rejected clients wait, each longer than the last time: Rivet's React bindings connect again at once,
// some hundred times a second, for as long as they are refused.
type holds struct {
	first time.Duration // doubled each time, up to maxHold of it

	mu sync.Mutex // guards the fields below, and what by refers to
	by map[netip.Addr]*held
}

type held struct {
	times int
	last  time.Time
	now   int // of its sockets that wait
}

const (
	maxHold     = 50               // times the first
	maxHeld     = 10_000           // addresses that are remembered
	maxHeldNow  = 64               // sockets of one client that wait at a time
	forgetAfter = 30 * time.Second // an address that was not refused
)

// next returns how long a client at an address is to wait before it is told that it is refused, and what to call
// afterwards. It does not wait if many of its sockets do: each is a descriptor, even when the client is long gone.
func (h *holds) next(client netip.Addr, now time.Time) (wait time.Duration, leave func()) {
	addr := holdAddr(client)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil || len(h.by) >= maxHeld {
		h.by = map[netip.Addr]*held{} // whoever floods it from so many addresses is not slowed by it
	}
	e := h.by[addr]
	if e == nil || now.Sub(e.last) > forgetAfter {
		e = &held{}
		h.by[addr] = e
	}
	e.last = now
	if e.now >= maxHeldNow {
		return 0, func() {}
	}
	wait = h.first << min(e.times, 10)
	e.times++
	e.now++
	return min(wait, maxHold*h.first), func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		e.now--
	}
}

// holdAddr returns what stands for one client: its address, or its network if that has many.
func holdAddr(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
