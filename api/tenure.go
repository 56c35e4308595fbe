package api

import (
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/tenants"
)

// Why what goes on under a token ends.
const (
	tokenExpired = "token_expired"
	tokenRevoked = "token_revoked"
	// Not the token has ended but the namespace in which it was used.
	namespaceDeleted = "namespace_deleted"
)

// tenure calls end with a reason when a token ends, by its time or by revocation, or the namespace in which it is used: once,
// and maybe at once. End must not block. Stop frees it.
func (s *Server) tenure(who tenants.Principal, in tenants.ID, end func(reason string)) (stop func()) {
	if who.Expires.IsZero() { // there is no token
		return func() {}
	}
	var once sync.Once
	first := func(reason string) { once.Do(func() { end(reason) }) }
	unwatch := s.tokens.Watch(who, in, func() {
		if _, err := s.cfg.Registry.Namespace(in); err != nil {
			first(namespaceDeleted)
			return
		}
		first(tokenRevoked)
	})
	timer := time.AfterFunc(who.Expires.Sub(s.now()), func() { first(tokenExpired) })
	return func() {
		timer.Stop()
		unwatch()
	}
}

// tokenEnds returns a channel that gets the reason when a token ends. Stop frees it.
func (s *Server) tokenEnds(who tenants.Principal, in tenants.ID) (ended <-chan string, stop func()) {
	c := make(chan string, 1)
	return c, s.tenure(who, in, func(reason string) { c <- reason })
}
