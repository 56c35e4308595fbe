package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// gate is what a namespace knows of the tokens that may enter, and of the secrets that may leave, at one moment. It
// is immutable: a change makes another one, so readers take no lock.
type gate struct {
	keys    map[string]*source     // by id
	revoked map[string]Revocation  // by name
	uploads map[string]uploadCount // by the id of a token
	secrets map[string]*Secret     // by name
}

// book is a gate with the ledger that it is written in.
type book struct {
	// ledger is the space; who holds it may replace gate.
	ledger *ledger
	// gate is what the space holds of tokens and secrets. It never holds what is not on disk.
	gate atomic.Pointer[gate]
}

// uploadCount is how many uploads were tried with a token that may do so many, and those derived from it.
type uploadCount struct {
	Token string    `json:"token"`
	Used  int       `json:"used"`
	Until time.Time `json:"until"` // the token has ended then
}

// Bounds on what a namespace keeps of tokens. Over them a change is CodeForbidden.
const (
	maxUploadCounts = 10_000
	maxSweep        = 64 // records of ended tokens that one change deletes
)

func newGate() *gate {
	return &gate{keys: map[string]*source{}, revoked: map[string]Revocation{}, uploads: map[string]uploadCount{}, secrets: map[string]*Secret{}}
}

// clone returns a copy that may be changed until it is stored.
func (g *gate) clone() *gate {
	return &gate{keys: maps.Clone(g.keys), revoked: maps.Clone(g.revoked), uploads: maps.Clone(g.uploads), secrets: maps.Clone(g.secrets)}
}

// add takes a record of the registry's space.
func (g *gate) add(item kv.Item) error {
	switch item.Key[0] {
	case 'k':
		return g.addKey(item)
	case 'r':
		return g.addRevocation(item)
	case 's':
		return g.addSecret(item)
	case 'u':
		var u uploadCount
		if err := json.Unmarshal(item.Value, &u); err != nil {
			return err
		}
		if string(uploadKey(u.Token)) != string(item.Key) || !validTokenID(u.Token) || u.Used < 0 {
			return errors.New("malformed count of uploads")
		}
		g.uploads[u.Token] = u
		return nil
	}
	return errors.New("unknown kind of record")
}

// sweep forgets what is about ended tokens, and returns the ops that delete it: a few, for there are more changes to
// come.
func (g *gate) sweep(now time.Time) (ops []kv.Op) {
	for id, u := range g.uploads {
		if len(ops) == maxSweep {
			return ops
		}
		if !now.Before(u.Until) {
			delete(g.uploads, id)
			ops = append(ops, kv.Op{Key: uploadKey(id)})
		}
	}
	for name, v := range g.revoked {
		if len(ops) == maxSweep {
			return ops
		}
		if !now.Before(v.Until) {
			delete(g.revoked, name)
			ops = append(ops, kv.Op{Key: revocationKey(name)})
		}
	}
	return ops
}

func uploadKey(id string) []byte { return []byte("u" + id) }

// record returns the op that stores a record of a gate.
func record(key []byte, v any) (kv.Op, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return kv.Op{}, abi.Wrap(abi.CodeInternal, err)
	}
	return kv.Op{Key: key, Value: b}, nil
}

// change replaces the gate, durably: f changes a copy and returns what stores that.
func (b *book) change(ctx context.Context, f func(*gate) ([]kv.Op, error)) error {
	if err := b.ledger.lock(ctx); err != nil {
		return err
	}
	defer b.ledger.unlock()
	next := b.gate.Load().clone()
	ops, err := f(next)
	if err != nil || len(ops) == 0 {
		return err
	}
	if err := b.ledger.commitLocked(ctx, ops); err != nil {
		return err
	}
	b.gate.Store(next)
	return nil
}

// CountUpload counts an upload that p begins, durable when it returns: what becomes of it does not matter, for its
// bytes were taken and compiled. Once p's limit is reached it is CodeForbidden.
func (r *Registry) CountUpload(ctx context.Context, ns ID, p Principal) error {
	if p.Limits == nil || p.Limits.Uploads == nil {
		return nil
	}
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	id, until := p.counter()
	return t.change(ctx, func(g *gate) ([]kv.Op, error) {
		ops := g.sweep(time.Now())
		u, ok := g.uploads[id]
		switch {
		case u.Used >= *p.Limits.Uploads:
			return nil, abi.Errorf(abi.CodeForbidden, "the token's %d uploads are used up", *p.Limits.Uploads)
		case !ok && len(g.uploads) >= maxUploadCounts:
			return nil, abi.Errorf(abi.CodeForbidden, "the namespace counts the uploads of %d tokens already", maxUploadCounts)
		case !ok:
			u = uploadCount{Token: id, Until: until}
		}
		u.Used++
		g.uploads[id] = u
		op, err := record(uploadKey(id), u)
		return append(ops, op), err
	})
}

// counter returns what p's uploads are counted by, and until when.
func (p Principal) counter() (id string, until time.Time) {
	if c := p.Limits.Counter; c != nil {
		return c.ID, time.Unix(c.Until, 0).UTC()
	}
	return p.TokenID, p.Expires.UTC()
}
