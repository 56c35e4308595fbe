package metrics

import "github.com/vivarium-run/vivarium/internal/stats"

// store is what is on disk.
var store = []*family{
	times("host_commit_seconds", "Time of a transaction until it is synced", func(s *snapshot) stats.Spread { return s.store.Syncs }),
	counter("host_commit_groups_total", "Transactions, each synced once", func(s *snapshot) uint64 { return s.store.Groups }),
	counter("host_commit_deltas_total", "Deltas, destructions and steps of the sweeper in them", func(s *snapshot) uint64 { return s.store.Commits }),
	counter("host_commit_bytes_total", "Bytes of keys and values in them, at most", func(s *snapshot) uint64 { return s.store.Bytes }),
	gauge("host_commit_waiters", "Deltas that wait for a transaction", func(s *snapshot) int { return s.store.Waiting }),
	gauge("host_store_bytes", "Bytes that the store's files take on the disk", func(s *snapshot) int64 { return s.store.DiskBytes }),
	gauge("host_disk_free_bytes", "Free bytes of the data's disk, -1 with --min-free 0", func(s *snapshot) int64 { return s.store.FreeBytes }),
	gauge("host_disk_min_free_bytes", "Free bytes below which nothing is written", func(s *snapshot) int64 { return s.store.MinFree }),
	gauge("host_store_read_only", "1 while the disk is full and nothing is written", func(s *snapshot) int { return yes(s.store.ReadOnly) }),
	gauge("host_store_failed", "1 when the store does not know what it wrote, and the process is about to end", func(s *snapshot) int { return yes(s.store.Failed) }),
}

// self is the host as a whole.
var self = []*family{
	gauge("host_draining", "1 while the host stops", func(s *snapshot) int { return yes(s.actors.Draining) }),
	{
		name: "host_build_info", kind: "gauge", labels: []string{"version"}, help: "1, with the version of the host",
		values: func(s *snapshot, add func(float64, ...string)) { add(1, s.version) },
	},
}
