package badgerkv

import (
	"sync/atomic"

	"github.com/vivarium-run/vivarium/internal/stats"
)

// Stats is what the committer has put on disk since Open, and how the store stands. Commits/Groups is how many
// deltas, destroys and sweeps share a sync.
type Stats struct {
	Groups  uint64 // transactions, each synced once
	Commits uint64
	Bytes   uint64 // of keys and values, at most
	Syncs   stats.Spread

	Waiting   int   // jobs in the queue
	DiskBytes int64 // that the engine's files take
	FreeBytes int64 // of the disk, when it was last looked at; less than zero if nobody looks
	MinFree   int64
	ReadOnly  bool
	Failed    bool
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	c := Stats{
		Groups: s.stats.groups.Load(), Commits: s.stats.commits.Load(), Bytes: s.stats.bytes.Load(), Syncs: s.stats.syncs.Read(),
		DiskBytes: usedSpace(s.config.Dir), FreeBytes: s.space.free.Load(), MinFree: s.space.min,
		ReadOnly: s.space.level.Load() != roomy, Failed: s.Err() != nil,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Waiting = s.queue.len()
	return c
}

type counters struct {
	groups, commits, bytes atomic.Uint64
	syncs                  stats.Times // of a transaction, until it is synced
}

func (c *counters) add(commits, bytes int) {
	c.groups.Add(1)
	c.commits.Add(uint64(commits))
	c.bytes.Add(uint64(bytes))
}
