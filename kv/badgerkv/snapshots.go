package badgerkv

import (
	"sort"
	"sync"

	"github.com/vivarium-run/vivarium/kv"
)

// snapshots knows which timestamps are being read, so that the engine keeps what they see. Reads
// begin at the newest timestamp that is synced.
type snapshots struct {
	mu     sync.Mutex
	idle   sync.Cond // on mu: no read is open
	synced uint64
	open   []snapshot // ascending; the first is being read
	closed bool
}

type snapshot struct {
	ts    uint64
	reads int
}

func (s *snapshots) init(ts uint64) {
	s.idle.L = &s.mu
	s.synced = ts
}

// newest returns the newest synced timestamp.
func (s *snapshots) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.synced
}

// publish lets reads see ts, and returns the oldest timestamp that is still needed.
func (s *snapshots) publish(ts uint64) (oldest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.synced = ts
	return s.oldestLocked()
}

// oldest returns the oldest timestamp that is still needed.
func (s *snapshots) oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.oldestLocked()
}

func (s *snapshots) oldestLocked() uint64 {
	if len(s.open) > 0 {
		return s.open[0].ts
	}
	return s.synced
}

// begin opens a read at the newest timestamp. The caller ends it with end.
func (s *snapshots) begin() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, kv.ErrClosed
	}
	if n := len(s.open); n > 0 && s.open[n-1].ts == s.synced {
		s.open[n-1].reads++
	} else {
		s.open = append(s.open, snapshot{s.synced, 1})
	}
	return s.synced, nil
}

func (s *snapshots) end(ts uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.open), func(i int) bool { return s.open[i].ts >= ts })
	s.open[i].reads--
	for len(s.open) > 0 && s.open[0].reads == 0 {
		s.open = s.open[1:]
	}
	if len(s.open) == 0 {
		s.open = nil // so that the array does not creep
		s.idle.Broadcast()
	}
}

// close refuses new reads and waits for the open ones.
func (s *snapshots) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for len(s.open) > 0 {
		s.idle.Wait()
	}
}
