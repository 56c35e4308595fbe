package api

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// sockets are those of a server, so that it can end them.
type sockets struct {
	mu   sync.Mutex // guards all and gone
	all  map[*socket]struct{}
	gone bool
	wg   sync.WaitGroup // counts those that are served
}

// add takes up a socket. It reports false if the server stops: the socket is then told so.
func (s *sockets) add(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*socket]struct{}{}
	}
	s.all[k] = struct{}{}
	s.wg.Add(1)
	if s.gone {
		k.goAway()
	}
	return !s.gone
}

func (s *sockets) remove(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, k)
	s.wg.Done()
}

// count returns how many are served.
func (s *sockets) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// goAway ends all within a time: not at once, since their clients come back.
func (s *sockets) goAway(within time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	for k := range s.all {
		time.AfterFunc(rand.N(within), k.goAway)
	}
}

// wait returns when none is served any more. When ctx ends first it cuts those that are left.
func (s *sockets) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the last socket
		defer close(done)
		s.wg.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.all {
		k.kill()
	}
	return context.Cause(ctx)
}
