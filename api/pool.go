package api

import "sync"

// pool is what there is only so much of, handed out by who has it: a namespace, for instance. Each may have as much as is
// then still free. So one alone gets half of it, two get a third each, and there is always some left for the next.
type pool[K comparable] struct {
	max int64

	mu   sync.Mutex // guards the fields below
	used int64
	by   map[K]int64 // of those who have some
}

// take takes n for who, or nothing and returns false.
func (p *pool[K]) take(who K, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by[who] > p.max-p.used-n {
		return false
	}
	p.addLocked(who, n)
	return true
}

// owe takes n for who even if that is too much: it is there already, so others have to wait until it is given back.
func (p *pool[K]) owe(who K, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addLocked(who, n)
}

// give gives n back.
func (p *pool[K]) give(who K, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addLocked(who, -n)
}

func (p *pool[K]) addLocked(who K, n int64) {
	if p.by == nil {
		p.by = map[K]int64{}
	}
	p.used += n
	if p.by[who] += n; p.by[who] == 0 {
		delete(p.by, who)
	}
}

// taken returns how much is in use.
func (p *pool[K]) taken() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}
