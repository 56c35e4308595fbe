package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// maxLineage bounds how often a token can be derived from one that was derived.
const maxLineage = 8

// Lineage is where a token comes from that was derived: it ends when one of its ancestors does. It is immutable.
type Lineage struct {
	IDs []string `json:"ids"`           // of its ancestors, the first one first
	Key *Signer  `json:"key,omitempty"` // of the first one, if a namespace's key signed that
}

// parseLineage reads the claim "from".
func parseLineage(doc json.RawMessage) (*Lineage, error) {
	if _, err := strictObject(doc, "ids", "key"); err != nil {
		return nil, err
	}
	var l Lineage
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if d.Decode(&l) != nil || len(l.IDs) < 1 || len(l.IDs) > maxLineage {
		return nil, errors.New("not a lineage")
	}
	if slices.ContainsFunc(l.IDs, func(id string) bool { return !validTokenID(id) }) {
		return nil, errors.New("a token id is malformed")
	}
	return &l, nil
}

// lineage returns where a token comes from that is derived from p's.
func (p Principal) lineage() *Lineage {
	l := &Lineage{}
	if p.From != nil {
		*l = *p.From
	}
	if p.Signer != nil {
		l.Key = p.Signer
	}
	l.IDs = append(slices.Clone(l.IDs), p.TokenID)
	return l
}

// Derive returns the claims of a token that the holder of p's token gives away. What want leaves out is p's; what it
// has may only be less: a role with no other rights, an end no later, and in each dimension limits within p's. The
// subject is p's, too, unless p has RightAdmin: who speaks for a namespace vouches for its users.
//
// What would be more is CodeForbidden, and says in what. A token without an id cannot be derived from, since to revoke
// it would not end what came of it.
func (p Principal) Derive(want Claims, now time.Time) (Claims, error) {
	switch {
	case !validTokenID(p.TokenID):
		return want, abi.Errorf(abi.CodeInvalidRequest, "a token derives from a token that has an id")
	case p.From != nil && len(p.From.IDs) >= maxLineage:
		return want, abi.Errorf(abi.CodeForbidden, "the token was derived %d times already", maxLineage)
	}
	if p.Publishable() {
		return want, abi.Errorf(abi.CodeForbidden, "a publishable token is everybody's: nothing derives from it")
	}
	publishable := want.Limits != nil && want.Limits.Origins != nil
	if want.Role == "" {
		want.Role = p.Role
	}
	if want.Subject == "" && !publishable {
		want.Subject = p.Subject
	}
	rest := p.Expires.Sub(now)
	if want.TTL == 0 {
		want.TTL = rest
	}
	switch {
	case !want.Role.Valid():
		return want, abi.Errorf(abi.CodeInvalidRequest, "unknown role")
	case roleRights[want.Role]&^roleRights[p.Role] != 0:
		return want, errWider("role")
	case p.Role != RoleOperator && want.Namespace != p.Namespace:
		return want, errWider("namespace")
	case want.Subject != p.Subject && want.Subject != "" && !p.May(RightAdmin):
		return want, errWider("subject")
	case want.TTL > rest:
		return want, errWider("ttl")
	}
	var err error
	want.from = p.lineage()
	want.Limits, err = p.narrow(want.Limits)
	return want, err
}

func errWider(what string) error {
	return abi.Errorf(abi.CodeForbidden, "the new token would be allowed more than the old one: %s", what).
		With(map[string]string{"dimension": what})
}

// narrow returns limits l within those of p.
func (p Principal) narrow(l *Limits) (*Limits, error) {
	if l != nil {
		if err := l.check(); err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "%v", err)
		}
		if l.Counter != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a counter is not chosen")
		}
	}
	outer := p.Limits
	if outer == nil {
		return l, nil
	}
	if l == nil {
		l = &Limits{}
	}
	next := *l
	next.NoLive = l.NoLive || outer.NoLive
	for _, list := range []struct {
		name         string
		inner, outer []string
		into         *[]string
		within       func(entry, of string) bool
	}{
		{"actors", l.Actors, outer.Actors, &next.Actors, equal},
		{"keys", l.Keys, outer.Keys, &next.Keys, func(k, of string) bool { return begins(Key(k), of) }},
		{"actions", l.Actions, outer.Actions, &next.Actions, sameDoor},
		{"modules", l.Modules, outer.Modules, &next.Modules, equal},
	} {
		got, ok := within(list.inner, list.outer, list.within)
		if !ok {
			return nil, errWider(list.name)
		}
		*list.into = got
	}
	var ok bool
	if next.UploadBytes, ok = atMost(l.UploadBytes, outer.UploadBytes); !ok {
		return nil, errWider("upload_bytes")
	}
	if next.Uploads, ok = atMost(l.Uploads, outer.Uploads); !ok {
		return nil, errWider("uploads")
	}
	if outer.Uploads != nil { // counted together, or to derive would be to begin again
		id, until := p.counter()
		next.Counter = &Counter{id, until.Unix()}
	}
	return &next, nil
}

func equal(a, b string) bool { return a == b }

func sameDoor(a, b string) bool {
	x, _ := parseDoor(a)
	y, _ := parseDoor(b)
	return x == y
}

// within returns inner, or outer if there is none, and whether each entry is within one of outer.
func within(inner, outer []string, in func(entry, of string) bool) ([]string, bool) {
	switch {
	case outer == nil:
		return inner, true
	case inner == nil:
		return outer, true
	}
	for _, e := range inner {
		if !slices.ContainsFunc(outer, func(o string) bool { return in(e, o) }) {
			return nil, false
		}
	}
	return inner, true
}

// atMost returns inner, or outer if there is none, and whether it is no more than outer.
func atMost[N int | int64](inner, outer *N) (*N, bool) {
	switch {
	case outer == nil:
		return inner, true
	case inner == nil:
		return outer, true
	}
	return inner, *inner <= *outer
}

// Issued is a new token.
type Issued struct {
	Token   string
	ID      string // what it is revoked by
	Expires time.Time
}

// Derive signs the token that p.Derive describes.
func (k *Keyring) Derive(p Principal, want Claims, now time.Time) (Issued, error) {
	c, err := p.Derive(want, now)
	if err != nil {
		return Issued{}, err
	}
	token, err := k.Sign(c)
	if err != nil {
		return Issued{}, err
	}
	child, err := k.Verify(token, time.Now())
	if err != nil {
		return Issued{}, fmt.Errorf("tenants: a token of our own: %w", err)
	}
	return Issued{token, child.TokenID, child.Expires}, nil
}
