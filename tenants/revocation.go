package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Revocation ends a token, or all that a key has signed, before its time; and with it what was derived. One of TokenID
// and KeyID is set.
type Revocation struct {
	TokenID string    `json:"token_id,omitempty"` // the claim jti
	KeyID   string    `json:"key_id,omitempty"`   // the kid of a key of the namespace, for one that its URL still has
	Until   time.Time `json:"until"`              // it is forgotten then: what it ends has ended by itself
	Created time.Time `json:"created"`
}

// maxRevocations bounds those of a namespace, and those of the host. Over it a change is CodeInvalidRequest.
const maxRevocations = 10_000

// name is how a revocation is found: no id of a token is that of a key.
func (v *Revocation) name() string {
	if v.KeyID != "" {
		return revokedKey(v.KeyID)
	}
	return revokedToken(v.TokenID)
}

func revokedKey(id string) string   { return "k" + id }
func revokedToken(id string) string { return "t" + id }

func (v *Revocation) check() error {
	switch {
	case (v.TokenID == "") == (v.KeyID == ""):
		return errors.New("a revocation is of a token or of a key")
	case v.TokenID != "" && !validTokenID(v.TokenID), v.KeyID != "" && (len(v.KeyID) > maxKeyID || !plainText(v.KeyID)):
		return errors.New("the id is malformed")
	case v.Until.After(maxTime):
		return errors.New("the time is after the year 9999")
	}
	return nil
}

func revocationKey(name string) []byte { return []byte("r" + name) }

// addRevocation takes a stored revocation.
func (g *gate) addRevocation(item kv.Item) error {
	var v Revocation
	if err := json.Unmarshal(item.Value, &v); err != nil {
		return err
	}
	if string(revocationKey(v.name())) != string(item.Key) {
		return errors.New("the record has another name than its key")
	}
	g.revoked[v.name()] = v
	return v.check()
}

// revokes reports whether g ends p's token.
func (g *gate) revokes(p *Principal) bool {
	if len(g.revoked) == 0 {
		return false
	}
	names := []string{revokedToken(p.TokenID)}
	if p.Signer != nil {
		names = append(names, revokedKey(p.Signer.ID))
	}
	if p.From != nil {
		for _, id := range p.From.IDs {
			names = append(names, revokedToken(id))
		}
		if p.From.Key != nil {
			names = append(names, revokedKey(p.From.Key.ID))
		}
	}
	return slices.ContainsFunc(names, func(n string) bool { _, ok := g.revoked[n]; return ok })
}

// Revoke ends a token or a key's tokens in a namespace, or anywhere if ns is empty. It is durable when it returns, and
// acts on the next request; what watches a token that has ended is told before. One that is there already is kept for
// longer, never for less.
func (r *Registry) Revoke(ctx context.Context, ns ID, v Revocation) (Revocation, error) {
	v.Created, v.Until = now(), v.Until.UTC()
	if err := v.check(); err != nil {
		return v, abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	b, err := r.book(ns)
	if err != nil {
		return v, err
	}
	err = b.change(ctx, func(g *gate) ([]kv.Op, error) {
		ops := g.sweep(v.Created)
		if old, ok := g.revoked[v.name()]; ok && !old.Until.Before(v.Until) {
			v = old
			return ops, nil
		}
		g.revoked[v.name()] = v
		if len(g.revoked) > maxRevocations {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "there are %d revocations that still matter: change the key instead", maxRevocations)
		}
		op, err := record(revocationKey(v.name()), v)
		return append(ops, op), err
	})
	if err == nil {
		r.changed(ns)
	}
	return v, err
}

// Revocations returns those of a namespace that still matter, or the host's if ns is empty, in order of their ids.
func (r *Registry) Revocations(ns ID) []Revocation {
	b, err := r.book(ns)
	if err != nil {
		return nil
	}
	list := []Revocation{}
	for _, v := range b.gate.Load().revoked {
		if now().Before(v.Until) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b Revocation) int { return strings.Compare(a.name(), b.name()) })
	return list
}
