package tenants

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// watches are what goes on under a token after its check: sockets and streams. They are found by the namespace of the
// token, so that a change in one costs nothing in others.
type watches struct {
	mu  sync.Mutex // guards all
	all map[ID]map[*watched]struct{}
}

type watched struct {
	who Principal
	in  ID // the namespace that it goes on in, which is another for an operator
	end func()
}

// Watch calls end, once and without waiting for it, if p's token ends before its time for what goes on under it in a
// namespace: when it, an ancestor or its key is revoked, the key goes, or the namespace is deleted. That may be at once, and
// while stop runs. End must not block. The end of the token's time is the caller's to see.
func (t *Tokens) Watch(p Principal, in ID, end func()) (stop func()) {
	w := &watched{p, in, sync.OnceFunc(end)}
	t.watches.mu.Lock()
	group := t.watches.all[p.Namespace]
	if group == nil {
		group = map[*watched]struct{}{}
		t.watches.all[p.Namespace] = group
	}
	group[w] = struct{}{}
	t.watches.mu.Unlock()
	// It may have ended since its check, before it was watched.
	t.look([]*watched{w}, time.Now())
	return func() {
		t.watches.mu.Lock()
		defer t.watches.mu.Unlock()
		delete(group, w)
		if len(group) == 0 && len(t.watches.all[p.Namespace]) == 0 {
			delete(t.watches.all, p.Namespace)
		}
	}
}

// recheck looks at all tokens of a namespace, or at all if it is empty.
func (t *Tokens) recheck(ns ID) {
	var list []*watched
	t.watches.mu.Lock()
	for id, group := range t.watches.all {
		if ns != "" && id != ns {
			continue
		}
		for w := range group {
			list = append(list, w)
		}
	}
	t.watches.mu.Unlock()
	t.look(list, time.Now())
}

func (t *Tokens) look(list []*watched, now time.Time) {
	for _, w := range list {
		if _, err := t.reg.tenant(w.in); err != nil || t.stands(w.who, now, t.known) != nil {
			w.end()
		}
	}
}

// known returns the keys of a namespace with an id, without a fetch.
func (t *Tokens) known(ns ID, kid string, now time.Time) (list []candidate) {
	tenant, err := t.reg.tenant(ns)
	if err != nil {
		return nil
	}
	keys := tenant.gate.Load().keys
	if s := keys[kid]; s != nil && s.public != nil {
		return []candidate{{s, s.public}}
	}
	for _, s := range keys {
		if s.set == nil {
			continue
		}
		if k, _ := s.set.look(kid, now); k != nil {
			list = append(list, candidate{s, k})
		}
	}
	return list
}

// keysOf returns the keys of a namespace with an id at a moment.
type keysOf func(ns ID, kid string, now time.Time) []candidate

// fetched is keysOf for a request, which can wait.
func (t *Tokens) fetched(ctx context.Context) keysOf {
	return func(ns ID, kid string, now time.Time) []candidate { return t.candidates(ctx, ns, kid, now) }
}

// stands returns an error if p's token, which is good in itself, has ended before its time.
func (t *Tokens) stands(p Principal, now time.Time, keys keysOf) error {
	if t.reg.host.gate.Load().revokes(&p) {
		return errors.New("it is revoked")
	}
	tenant, err := t.reg.tenant(p.Namespace)
	if err != nil {
		return nil // whether a namespace exists is not said here
	}
	if tenant.gate.Load().revokes(&p) {
		return errors.New("it is revoked")
	}
	// The namespace may have had the name of one that was deleted. Its tokens must not work in this one; those that are
	// older than the namespace are for another. Default was never another.
	if p.Role != RoleOperator && p.Namespace != Default && p.Issued.Before(tenant.Created.Truncate(time.Second)) {
		return errors.New("it is older than its namespace")
	}
	signer := p.Signer
	if p.From != nil && p.From.Key != nil {
		signer = p.From.Key
	}
	if signer == nil {
		return nil
	}
	if !slices.ContainsFunc(keys(p.Namespace, signer.ID, now), func(c candidate) bool {
		return c.key.thumb() == signer.Thumb && c.allows(p.Role)
	}) {
		return errors.New("the key that it comes from is gone")
	}
	return nil
}
