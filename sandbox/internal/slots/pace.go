package slots

import (
	"math"
	"time"
)

// pace is how fast runs of a class have ended lately, while others of it waited. They share a slot by small pieces, so those
// that began together end together: only an average over time says anything.
type pace struct {
	runs float64       // that have ended, each counting the less the longer ago
	took time.Duration // what passed meanwhile, counting the same
	last time.Time     // when one ended, if others waited then; else zero
}

// memory is how long ago what ended counts a third.
const memory = 500 * time.Millisecond

// maxPaces bounds the classes that are remembered at a time.
const maxPaces = 4_096

// Ended tells that a run of a class is over.
func (s *Slots) Ended(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, now := s.paces[name], time.Now()
	if !p.last.IsZero() {
		p.note(now.Sub(p.last))
	}
	if p.last = now; s.classes[name] == nil {
		p.last = time.Time{} // the next may take its time
	}
	if len(s.paces) >= maxPaces || s.paces == nil {
		s.paces = map[string]pace{}
	}
	s.paces[name] = p
}

// Forget drops the pace of a class that is no more: what gets its name next has its own.
func (s *Slots) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.paces, name)
}

func (p *pace) note(passed time.Duration) {
	left := math.Exp(-float64(passed) / float64(memory))
	p.runs = p.runs*left + 1
	p.took = time.Duration(float64(p.took)*left) + passed
}

// every returns how often a run ends; zero if it is not known.
func (p *pace) every() float64 { return float64(p.took) / max(p.runs, 1) }

// few is how many runs of a class, for each slot, may wait however long they take.
const few = 4

// longRun is how long none of a class has ended when that counts, too: or of long runs the first would have to end
// before it is known that they are long.
const longRun = 64 * time.Millisecond

// Expect returns how long a run of a class would wait that began now: until those of its class have ended that wait already, at
// the pace of late. ahead are runs that each come before it and wait as long; zero is none. A class of which nobody or
// only a few wait expects nothing, whatever the others do.
func (s *Slots) Expect(name string, ahead int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.classes[name]
	if c == nil || c.left*(ahead+1) < few*s.all {
		return 0
	}
	p := s.paces[name]
	wait := time.Duration(float64(c.left) * p.every())
	if none := min(time.Since(c.since), time.Since(p.last)); none > longRun {
		wait = max(wait, none)
	}
	return wait * time.Duration(ahead+1)
}
