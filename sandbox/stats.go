package sandbox

import (
	"maps"
	"slices"

	"github.com/vivarium-run/vivarium/internal/stats"
)

// Stats is what a sandbox holds at one moment and has done so far.
type Stats struct {
	Memories    int // linear memories, of instances and shells
	Shells      int // instances that wait for an actor
	Images      int
	Versions    int // that are prepared, or on the way to it
	Mappings    int
	MappedBytes int64 // address space, far above the RAM in use

	Slots     int          // guests that can run at one time
	Waiting   int          // guests that wait for a slot
	SlotWaits stats.Spread // of each who got one, zero for who did not wait
	Chores    int          // that wait for their turn

	Compiles map[string]uint64 // runs of compile workers by how they ended: "ok" or a kind of failure
	Compiled stats.Spread      // how long they took

	// Sleeping memories: how many are kept and how large they are as they are kept, and what wakes found of them.
	SleepingRAM, SleepingDisk           int
	SleepingRAMBytes, SleepingDiskBytes int64
	WakesKept, WakesFresh               int64
}

// Stats returns what the sandbox holds and has done.
func (s *Sandbox) Stats() Stats {
	a, d := s.arena.Stats(), s.deltas.Stats()
	c := Stats{
		Memories: a.Memories, Images: a.Images, Mappings: a.Mappings, MappedBytes: a.MappedBytes,
		Slots: s.cfg.Slots, Waiting: s.slots.Waiting(), SlotWaits: s.slots.Waits(), Chores: s.chores.Waiting(),
		SleepingRAM: d.RAMEntries, SleepingDisk: d.DiskEntries, SleepingRAMBytes: d.RAMBytes, SleepingDiskBytes: d.DiskBytes,
		WakesKept: d.RAMHits + d.DiskHits, WakesFresh: d.Misses + d.Failed,
	}
	c.Compiles, c.Compiled = s.compiler.Stats()
	versions := s.all()
	c.Versions = len(versions)
	for _, v := range versions {
		c.Shells += v.idleShells()
	}
	return c
}

// all returns the versions in memory.
func (s *Sandbox) all() []*Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.versions))
}

func (v *Version) idleShells() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.shells)
}
