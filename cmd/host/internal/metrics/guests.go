package metrics

import "github.com/vivarium-run/vivarium/internal/stats"

// guests are what running Wasm takes.
var guests = []*family{
	gauge("host_run_slots", "Guests that can run at one time", func(s *snapshot) int { return s.sandbox.Slots }),
	gauge("host_run_slot_waiters", "Guests that wait to run", func(s *snapshot) int { return s.sandbox.Waiting }),
	times("host_run_slot_wait_seconds", "Time that a guest waited before it ran, or ran on", func(s *snapshot) stats.Spread { return s.sandbox.SlotWaits }),
	gauge("host_chore_waiters", "Pieces of the host's work on uploads that wait for their turn", func(s *snapshot) int { return s.sandbox.Chores }),
	gauge("host_memories", "Linear memories, of instances and shells", func(s *snapshot) int { return s.sandbox.Memories }),
	gauge("host_shells", "Instances that wait for an actor", func(s *snapshot) int { return s.sandbox.Shells }),
	gauge("host_versions", "Versions of modules that are in memory", func(s *snapshot) int { return s.sandbox.Versions }),
	gauge("host_images", "Images of versions that are in memory", func(s *snapshot) int { return s.sandbox.Images }),
	gauge("host_mappings", "Mappings of the kernel for images and memories", func(s *snapshot) int { return s.sandbox.Mappings }),
	gauge("host_mapped_bytes", "Address space of these mappings, far above the RAM in use", func(s *snapshot) int64 { return s.sandbox.MappedBytes }),
	counters("host_compiles_total", "Compile workers that have ended, by outcome: ok, cancelled or why there is no code", "outcome", func(s *snapshot) map[string]uint64 { return s.sandbox.Compiles }),
	times("host_compile_seconds", "Time that a compile worker took", func(s *snapshot) stats.Spread { return s.sandbox.Compiled }),
	{
		name: "host_sleeping_memories", kind: "gauge", labels: []string{"place"}, help: "Memories of sleeping actors that are kept, by place",
		values: func(s *snapshot, add func(float64, ...string)) {
			add(float64(s.sandbox.SleepingRAM), "ram")
			add(float64(s.sandbox.SleepingDisk), "disk")
		},
	},
	{
		name: "host_sleeping_memory_bytes", kind: "gauge", labels: []string{"place"}, help: "Bytes that they take, by place",
		values: func(s *snapshot, add func(float64, ...string)) {
			add(float64(s.sandbox.SleepingRAMBytes), "ram")
			add(float64(s.sandbox.SleepingDiskBytes), "disk")
		},
	},
	{
		name: "host_wakes_total", kind: "counter", labels: []string{"memory"}, help: "Instances that were made for an actor, by whether its memory had been kept",
		values: func(s *snapshot, add func(float64, ...string)) {
			add(float64(s.sandbox.WakesKept), "kept")
			add(float64(s.sandbox.WakesFresh), "fresh")
		},
	},
}
