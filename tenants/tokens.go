package tenants

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Tokens checks all tokens: those of the host's keys, and those of the keys that namespaces registered. The key
// decides what a token may say: a namespace's key is looked up within that namespace only, signs for it only, and at
// most what its registration allows. Safe for concurrent use.
type Tokens struct {
	keys  *Keyring
	reg   *Registry
	fetch FetchKeys
	good  verified // of namespaces' keys

	watches watches
}

// NewTokens returns what checks the tokens of the host's keys and of the namespaces in a registry. Without fetch,
// keys behind URLs check nothing.
func NewTokens(keys *Keyring, reg *Registry, fetch FetchKeys) *Tokens {
	if fetch == nil {
		fetch = func(context.Context, ID, string, int) ([]byte, error) {
			return nil, errors.New("this host fetches no keys")
		}
	}
	t := &Tokens{keys: keys, reg: reg, fetch: fetch, watches: watches{all: map[ID]map[*watched]struct{}{}}}
	reg.listen(t.recheck)
	return t
}

// Signer names the namespace's key that a token was signed with.
type Signer struct {
	ID    string `json:"id"`    // the kid
	Thumb string `json:"thumb"` // of the key, so that another one with the same id is another one
}

// Verify returns whom a token speaks for at the moment now. Its errors are those of Keyring.Verify, for all that can be
// wrong. It may wait for keys to be fetched, but not once ctx has ended.
func (t *Tokens) Verify(ctx context.Context, token string, now time.Time) (Principal, error) {
	p, err := t.verify(ctx, token, now)
	if err == nil {
		err = t.stands(p, now, t.fetched(ctx))
	}
	var known *abi.Error
	switch {
	case err == nil:
		return p, nil
	case errors.As(err, &known) && known.Code == abi.CodeUnauthenticated:
		return Principal{}, err
	}
	return Principal{}, abi.Wrap(abi.CodeUnauthenticated, fmt.Errorf("tenants: verify token: %w", err))
}

func (t *Tokens) verify(ctx context.Context, token string, now time.Time) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, errors.New("too long")
	}
	id := sha256.Sum256([]byte(token))
	if g, ok := t.keys.good.get(id); ok && g.holds(now) {
		return g.Principal, nil
	}
	if g, ok := t.good.get(id); ok && g.holds(now) && t.same(ctx, &g, now) {
		return g.Principal, nil
	}
	h, err := readHeader(token)
	if err != nil {
		return Principal{}, err
	}
	if h.alg == jwt.SigningMethodHS256.Alg() {
		return t.keys.Verify(token, now)
	}
	g, err := t.verifyForeign(ctx, token, h, now)
	if err != nil {
		return Principal{}, err
	}
	t.good.put(id, g)
	return g.Principal, nil
}

// verifyForeign checks a token with the keys that its namespace has under its kid: several if several URLs have one.
func (t *Tokens) verifyForeign(ctx context.Context, token string, h header, now time.Time) (grant, error) {
	ns, err := claimedNamespace(token)
	if err != nil {
		return grant{}, err
	}
	err = errors.New("its namespace has no such key")
	for _, c := range t.candidates(ctx, ns, h.kid, now) {
		var g grant
		if g, err = c.verify(token, h, now); err == nil {
			g.Signer = &Signer{h.kid, c.key.thumb()}
			return g, nil
		}
	}
	return grant{}, err
}

// candidate is a key that a token may be of.
type candidate struct {
	source *source
	key    *publicKey
}

func (c candidate) verify(token string, h header, now time.Time) (grant, error) {
	if h.alg != c.key.alg {
		return grant{}, errors.New("the algorithm is not the key's")
	}
	g, err := verify(token, now, check{alg: c.key.alg, key: c.key.key, issuer: c.source.Issuer, audience: c.source.Audience})
	switch {
	case err != nil:
		return grant{}, err
	case !c.allows(g.Role):
		return grant{}, errors.New("the key may not sign for this role")
	case g.From != nil || g.Limits != nil && g.Limits.Counter != nil:
		return grant{}, errors.New("only the host says what a token comes from")
	}
	g.source = c.source
	return g, nil
}

// allows reports whether a token of the key may have a role.
func (c candidate) allows(r Role) bool {
	return r != RoleOperator && roleRights[r]&^roleRights[c.source.Role] == 0
}

// candidates returns the keys of a namespace with an id. Keys behind URLs are fetched if they are stale, or if nobody
// has one with the id.
func (t *Tokens) candidates(ctx context.Context, ns ID, kid string, now time.Time) (list []candidate) {
	tenant, err := t.reg.tenant(ns)
	if err != nil {
		return nil
	}
	keys := tenant.gate.Load().keys
	if s := keys[kid]; s != nil && s.public != nil {
		return []candidate{{s, s.public}}
	}
	var unsure []*source
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		s := keys[id]
		if s.set == nil {
			continue
		}
		k, sure := s.set.look(kid, now)
		if k != nil && !sure {
			t.refresh(ctx, ns, s, now)
			k, _ = s.set.look(kid, now)
		}
		if k != nil {
			list = append(list, candidate{s, k})
		} else {
			unsure = append(unsure, s)
		}
	}
	if list != nil {
		return list
	}
	for _, s := range unsure {
		t.refresh(ctx, ns, s, now)
		if k, _ := s.set.look(kid, now); k != nil {
			list = append(list, candidate{s, k})
		}
	}
	return list
}

// same reports whether a grant's key is still registered, with the same rules.
func (t *Tokens) same(ctx context.Context, g *grant, now time.Time) bool {
	return slices.ContainsFunc(t.candidates(ctx, g.Namespace, g.Signer.ID, now), func(c candidate) bool {
		return c.source == g.source && c.key.thumb() == g.Signer.Thumb
	})
}

// Prepare fetches the keys behind a URL that was just registered.
func (t *Tokens) Prepare(ctx context.Context, ns ID, id string, now time.Time) {
	tenant, err := t.reg.tenant(ns)
	if err != nil {
		return
	}
	if s := tenant.gate.Load().keys[id]; s != nil && s.set != nil {
		t.refresh(ctx, ns, s, now)
	}
}

// refresh fetches the keys behind a URL again. What watches a token of one that has gone is told.
func (t *Tokens) refresh(ctx context.Context, ns ID, s *source, now time.Time) {
	if s.set.refresh(ctx, ns, t.fetch, now) {
		t.recheck(ns)
	}
}
