package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// Memory is given back when the process is idle and has grown, and not again at once.
func TestMemoryIsGivenBackAtIdle(t *testing.T) {
	busy := memoryTick * time.Duration(processors()) / idleShare
	quiet := busy - 1
	const grown = memoryWorth
	type step struct {
		used time.Duration // since the step before
		held int64
		want bool
		left int64 // held afterwards, if memory is given back
	}
	tests := map[string][]step{
		"the first tick knows nothing": {{quiet, grown, false, 0}, {quiet, grown, false, 0}, {quiet, grown, true, 0}},
		"busy":                         {{0, grown, false, 0}, {busy, grown, false, 0}, {quiet, grown, false, 0}, {busy, grown, false, 0}, {quiet, grown, false, 0}, {quiet, grown, true, 0}},
		"little":                       {{0, grown - 1, false, 0}, {quiet, grown - 1, false, 0}, {quiet, grown - 1, false, 0}},
		"not again within the pause":   {{0, grown, false, 0}, {0, grown, false, 0}, {0, grown, true, 0}, {0, grown, false, 0}, {0, grown, false, 0}, {0, grown, true, 0}},
		"not again for what is live": {{0, 9 * grown, false, 0}, {0, 9 * grown, false, 0}, {0, 9 * grown, true, 9 * grown}, {0, 9 * grown, false, 0}, {0, 9 * grown, false, 0}, {0, 9 * grown, false, 0}, {0, 9 * grown, false, 0},
			{0, 9 * grown, false, 0}, {0, 9 * grown, false, 0}, {0, 10 * grown, true, 9 * grown}},
		"from the lowest since": {{0, 9 * grown, false, 0}, {0, 9 * grown, false, 0}, {0, 9 * grown, true, 9 * grown}, {0, 2 * grown, false, 0}, {0, 2 * grown, false, 0}, {0, 2 * grown, false, 0}, {0, 2 * grown, false, 0}, {0, 3 * grown, true, 2 * grown}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var s memoryState
			now, cpu := time.Unix(1_700_000_000, 0), time.Hour
			for i, st := range steps {
				now, cpu = now.Add(memoryTick), cpu+st.used
				got := s.tick(now, cpu, st.held)
				if got != st.want {
					t.Fatalf("step %d: %v, want %v", i, got, st.want)
				}
				if got {
					s.done(now, cpu, st.left)
				}
			}
		})
	}
}

// What a burst leaves goes back to the system without another allocation.
func TestMemoryOfABurst(t *testing.T) {
	debug.FreeOSMemory()
	before := heldMemory()
	burst := make([][]byte, 128)
	for i := range burst {
		burst[i] = make([]byte, 1<<20)
		burst[i][0] = 1
	}
	held := heldMemory()
	runtime.KeepAlive(burst)   // or a collection could come first
	if held < before+100<<20 { // something else may have gone meanwhile
		t.Fatalf("held are %d bytes with a burst of 128 MiB, before it %d", held, before)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); returnMemory(stop) }()
	defer func() { close(stop); <-done }()
	for deadline := time.Now().Add(time.Minute); heldMemory() > before+64<<20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("held are still %d bytes, before it were %d", heldMemory(), before)
		}
	}
}
