package badgerkv

import "sync/atomic"

// Stats counts what the committer has put on disk since Open. Commits/Groups is how many deltas,
// destroys and sweeps share a sync.
type Stats struct {
	Groups  uint64 // transactions, each synced once
	Commits uint64
	Bytes   uint64 // of keys and values, at most
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	return Stats{s.stats.groups.Load(), s.stats.commits.Load(), s.stats.bytes.Load()}
}

type counters struct {
	groups, commits, bytes atomic.Uint64
}

func (c *counters) add(commits, bytes int) {
	c.groups.Add(1)
	c.commits.Add(uint64(commits))
	c.bytes.Add(uint64(bytes))
}
