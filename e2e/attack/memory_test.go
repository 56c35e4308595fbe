package attack

import (
	"testing"
	"time"
)

// Bounds on the memory of its own that a host without work holds above what it held before the attacks. The budget
// is 64 MiB in 30 s; 4 to 10 MiB in 3 s were measured. The short form runs beside other packages, whose
// load may keep its host from a look around in time, so there only a leak fails.
const (
	backTime  = 30 * time.Second
	budgetRSS = 64 << 20
	shortRSS  = 128 << 20
)

// settleTime is within what a host gives back what its own start has left.
const settleTime = 12 * time.Second

// settled returns what the host holds. The long form waits for the least that it comes to, or the host's
// start would hide what the attacks leave.
func (h *host) settled() (least holding) {
	least = h.holds()
	if !*long {
		return least
	}
	for began := time.Now(); time.Since(began) < settleTime; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-h.Done:
			h.alive(h.t)
		}
		if now := h.holds(); now.own < least.own {
			least = now
		}
	}
	return least
}

// memoryBack wants the host's memory back near what it was.
func (h *host) memoryBack(t *testing.T, before holding) {
	most := int64(budgetRSS)
	if !*long {
		most = shortRSS
	}
	memory = h.memoryAfter(t, before)
	if memory.after > before.own+most {
		t.Errorf("the host holds %d MiB more than before, want at most %d", (memory.after-before.own)>>20, most>>20)
	}
}

// memoryAfter waits until the memory is near what it was, or the time for that is over.
func (h *host) memoryAfter(t *testing.T, before holding) memoryFigures {
	began := time.Now()
	var now holding
	for now = h.holds(); now.own > before.own+budgetRSS && time.Since(began) < backTime; now = h.holds() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-h.Done:
			h.alive(t)
		}
	}
	took := time.Since(began).Round(100 * time.Millisecond)
	t.Logf("after %v the host has %d MiB:%s; before the attacks it had %d MiB:%s", took, now.RSS()>>20, now.kinds(), before.RSS()>>20, before.kinds())
	return memoryFigures{before.own, now.own, took}
}

// memory is for the table.
var memory memoryFigures

type memoryFigures struct {
	before, after int64 // bytes
	took          time.Duration
}
