package badgerkv

// bounds are those of one group.
type bounds struct {
	jobs  int
	cost  cost
	mixed int // bytes while several classes wait
}

const (
	groupJobs  = 512
	groupMixed = 1 << 20
	// classShare is the part of a mixed group that one class may fill.
	classShare = 4
)

// queue holds the jobs that wait for a group, by class. It is plain state: the store's mutex
// guards it.
//
// Classes take turns, one job each, and the jobs of a class keep their order, so those of a lease
// do. While several classes wait a group stays small and a class gets a quarter of its bytes: a
// class that floods the queue costs the others one small sync, not its backlog.
type queue struct {
	classes map[string]*classQueue
	ring    []*classQueue // those with jobs; the first has the next turn
}

type classQueue struct {
	name string
	jobs []*job
	used int // bytes in the group that is being filled
}

func (q *queue) empty() bool { return len(q.ring) == 0 }

// len returns how many jobs wait.
func (q *queue) len() (n int) {
	for _, c := range q.ring {
		n += len(c.jobs)
	}
	return n
}

func (q *queue) push(j *job) {
	name := j.lease.Space.Class()
	c := q.classes[name]
	if c == nil {
		if q.classes == nil {
			q.classes = make(map[string]*classQueue)
		}
		c = &classQueue{name: name}
		q.classes[name] = c
		q.ring = append(q.ring, c)
	}
	c.jobs = append(c.jobs, j)
}

// take removes the next group. A job that is above what it may share of a group comes alone, when
// its class is the first to have its turn.
func (q *queue) take(b bounds) []*job {
	limit, share := b.cost, b.cost.bytes
	if len(q.ring) > 1 {
		limit.bytes = min(limit.bytes, b.mixed)
		share = limit.bytes / classShare
	}
	var group []*job
	var used cost
	var full, served []*classQueue // classes whose next job did not fit: for lack of room, of share
	for len(q.ring) > 0 && len(group) < b.jobs {
		c := q.ring[0]
		q.ring = q.ring[1:]
		j := c.jobs[0]
		next := cost{used.bytes + j.cost.bytes, used.entries + j.cost.entries}
		alone := j.cost.bytes > share || j.cost.exceeds(limit)
		if len(group) > 0 {
			if alone || next.exceeds(limit) {
				full = append(full, c)
				continue
			}
			if c.used+j.cost.bytes > share {
				served = append(served, c)
				continue
			}
		}
		group, used = append(group, j), next
		c.used += j.cost.bytes
		c.jobs[0] = nil
		if c.jobs = c.jobs[1:]; len(c.jobs) > 0 {
			q.ring = append(q.ring, c)
		} else {
			delete(q.classes, c.name)
		}
		if alone {
			break
		}
	}
	// Who found no room goes first next time, so that a large job's turn comes.
	q.ring = append(append(full, q.ring...), served...)
	for _, c := range q.ring {
		c.used = 0
	}
	return group
}
