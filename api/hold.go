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

	mu sync.Mutex // guards by
	by map[netip.Addr]*held
}

type held struct {
	times int
	last  time.Time
}

const (
	maxHold     = 50               // times the first
	maxHeld     = 10_000           // addresses that are remembered
	forgetAfter = 30 * time.Second // an address that was not refused
)

// next returns how long a client at an address is to wait before it is told that it is refused.
func (h *holds) next(client netip.Addr, now time.Time) time.Duration {
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
	wait := h.first << min(e.times, 10)
	e.times++
	return min(wait, maxHold*h.first)
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
