package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that Go holds without need goes back to the system once the process is nearly idle: what a burst of
// uploads or of guests leaves would otherwise stay for minutes, because the collector runs by growth and
// an idle process does not grow. A host is hardly ever quite idle: one client that calls a hundred times a
// second is a tenth of a processor. It is done only after some growth, since it costs a collection.
const (
	memoryTick  = 2 * time.Second
	memoryWorth = 16 << 20        // bytes that have come since the last time, at least
	memoryPause = 5 * time.Second // between two times
	idleShare   = 4               // idle is less than a quarter of the processors
	idleTicks   = 2               // by then actors have given back what they do not need, a second after their last turn

	// A collection halves the stacks of goroutines that wait, and the last one is FreeOSMemory's: from the 32 KiB of a turn to 4.
	stackHalvings = 2
)

// memoryState decides when memory is given back. It is a plain function of what it is shown.
type memoryState struct {
	cpu   time.Duration // of the process, at the tick before
	began bool
	idle  int       // ticks in a row at which it was idle
	floor int64     // bytes held after the last time
	next  time.Time // not before
}

// tick reports whether to give memory back now. cpu is what the process has used in all, held the bytes
// that Go has of the system's. What of them is garbage only a collection can tell, so growth decides.
func (s *memoryState) tick(now time.Time, cpu time.Duration, held int64) bool {
	if s.began && cpu-s.cpu < memoryTick*time.Duration(processors())/idleShare {
		s.idle++
	} else {
		s.idle = 0
	}
	s.cpu, s.began, s.floor = cpu, true, min(s.floor, held)
	return s.idle >= idleTicks && held-s.floor >= memoryWorth && !now.Before(s.next)
}

// done notes what is held after giving back.
func (s *memoryState) done(now time.Time, cpu time.Duration, held int64) {
	s.cpu, s.next, s.floor = cpu, now.Add(memoryPause), held
}

// returnMemory gives memory back whenever the process is idle, until stop is closed.
func returnMemory(stop <-chan struct{}) {
	t := time.NewTicker(memoryTick)
	defer t.Stop()
	var s memoryState
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		if s.tick(time.Now(), processTime(), heldMemory()) {
			for range stackHalvings {
				runtime.GC()
			}
			debug.FreeOSMemory()
			s.done(time.Now(), processTime(), heldMemory())
		}
	}
}

// heldMemory returns the bytes of heap, used or not, that Go has not given back.
func heldMemory() (held int64) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	for _, x := range s {
		held += int64(x.Value.Uint64())
	}
	return held
}
