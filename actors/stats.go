package actors

import (
	"sync/atomic"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/stats"
)

// counters are what a host has done so far, of all namespaces together. Nothing in them has a name that somebody else
// chose.
type counters struct {
	turns    [abi.KindPublish + 1]stats.Table // by what the guest was asked, zero if it was not, and by code, zero if it succeeded
	took     stats.Times                      // from the beginning of a turn until its guest had run
	gas      atomic.Uint64
	full     atomic.Uint64 // requests that found a full mailbox
	loops    atomic.Uint64
	late     stats.Times // schedules, from their moment until their actor took them up
	couriers atomic.Int64
	cutLogs  atomic.Uint64
	uploads  stats.Table // by code; zero for a new version
	repeats  atomic.Uint64
}

// ran counts a turn that has run, and failed if err is not nil. Its commit is not part of it.
func (c *counters) ran(t *turn, err error) {
	c.took.Since(t.begun)
	c.turns[t.asked].Add(int(abi.CodeOf(err)))
}

// kindNames are those of turns for people. Zero is a turn of the host's own, or one that was refused before its guest ran.
var kindNames = [abi.KindPublish + 1]string{
	"host", "action", "create", "wake", "sleep", "destroy", "connect", "disconnect", "request", "gone", "open", "message", "close",
	"queue", "task", "upgrade", "subscribe", "publish",
}

// Turn is a kind of turn and how such turns ended: the group of a code, or "ok".
type Turn struct{ Kind, Outcome string }

// Stats is what a Host holds at one moment and has done so far.
type Stats struct {
	Awake, Instances, MaxInstances int
	WaitInstance                   int // turns that wait for a place for their instance
	Draining                       bool

	Turns          map[Turn]uint64
	TurnTimes      stats.Spread // until the guest had run: with waits for a processor, without the commit
	Gas            uint64
	MailboxesFull  uint64 // requests that were refused for it
	Load           Load
	CrashLoops     uint64       // that began
	InCrashLoop    int          // actors that are left alone now
	ScheduleDelays stats.Spread // from a schedule's moment until its actor took it up
	Couriers       int64        // that work on tasks now

	Uploads      map[string]uint64 // by code, "new" or "same"
	Fetches      map[string]uint64 // by code, "answered" or "cancelled"
	FetchesOpen  int
	LinesMissed  uint64 // lines and events that readers were too slow for
	LinesLeftOut uint64 // lines of turns that logged too much
}

// Stats returns what the host holds and has done.
func (h *Host) Stats() Stats {
	c := &h.stats
	s := Stats{
		MaxInstances: h.instances.max, WaitInstance: h.instances.queued(),
		Turns: c.allTurns(), TurnTimes: c.took.Read(), Gas: c.gas.Load(), MailboxesFull: c.full.Load(),
		CrashLoops: c.loops.Load(), InCrashLoop: h.crashes.looping(h.now()), ScheduleDelays: c.late.Read(), Couriers: c.couriers.Load(),
		Uploads:     map[string]uint64{"same": c.repeats.Load()},
		LinesMissed: h.logs.missed.Load() + h.events.missed.Load(), LinesLeftOut: c.cutLogs.Load(),
	}
	s.Awake, s.Instances = h.Awake()
	s.Load = h.Load()
	s.Draining = h.isDraining()
	c.uploads.Each(func(code int, n uint64) { s.Uploads[codeName(code, "new")] += n })
	s.Fetches, s.FetchesOpen = h.egress.Stats()
	return s
}

func (c *counters) allTurns() map[Turn]uint64 {
	all := map[Turn]uint64{}
	for kind := range c.turns {
		c.turns[kind].Each(func(code int, n uint64) {
			outcome := "ok"
			if code != 0 {
				outcome = abi.Code(code).Group()
			}
			all[Turn{kindNames[kind], outcome}] += n
		})
	}
	return all
}

// codeName is the code of a number, or what stands for success.
func codeName(code int, ok string) string {
	if code == 0 {
		return ok
	}
	return abi.Code(code).String()
}

// countUpload counts one upload.
func (c *counters) countUpload(created bool, err error) {
	if err == nil && !created {
		c.repeats.Add(1)
		return
	}
	c.uploads.Add(int(abi.CodeOf(err)))
}
