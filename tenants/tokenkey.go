package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// TokenKey is a public key that a namespace registered, or a URL of some. What it signs speaks for that namespace and
// for no other, at most as Role.
type TokenKey struct {
	ID       string    `json:"id"`               // the kid of its tokens; of a URL a name, for its keys have ids of their own
	Public   []byte    `json:"public,omitempty"` // PKIX; empty with a URL
	URL      string    `json:"url,omitempty"`    // of a JSON Web Key Set
	Issuer   string    `json:"issuer"`           // the claim iss of its tokens
	Audience string    `json:"audience"`         // must be in the claim aud
	Role     Role      `json:"role"`             // most that its tokens may be
	Created  time.Time `json:"created"`
}

// Bounds on a namespace's keys. Over them a change is CodeInvalidRequest.
const (
	maxTokenKeys = 32
	maxKeyURLs   = 4
	maxKeyURL    = 512 // bytes
	maxIssuer    = 512 // bytes, of an audience too
)

// NewTokenKey is what a namespace says of a key that it registers. One of PEM, JWK and URL is set.
type NewTokenKey struct {
	ID               string
	PEM              string
	JWK              []byte
	URL              string // https
	Issuer, Audience string // empty means that of our own tokens
	Role             Role   // empty means admin
}

// source checks n and returns what becomes of it.
func (n *NewTokenKey) source() (*source, error) {
	k := &TokenKey{ID: n.ID, URL: n.URL, Issuer: n.Issuer, Audience: n.Audience, Role: n.Role, Created: now()}
	if k.Issuer == "" {
		k.Issuer = issuer
	}
	if k.Audience == "" {
		k.Audience = audience
	}
	if k.Role == "" {
		k.Role = RoleAdmin
	}
	var public *publicKey
	var err error
	switch {
	case count(n.PEM != "", n.JWK != nil, n.URL != "") != 1:
		err = errors.New("a key is given by one of pem, jwk and url")
	case n.PEM != "":
		public, err = parsePEM(n.PEM)
	case n.JWK != nil:
		public, _, err = parseJWK(n.JWK)
	}
	if err != nil {
		return nil, err
	}
	if public != nil {
		k.Public = public.der
	}
	return newSource(k)
}

func count(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// check returns what is wrong with k.
func (k *TokenKey) check() error {
	switch {
	case !ValidName(k.ID):
		return fmt.Errorf("the key's id is not valid: 1 to %d of A-Z, a-z, 0-9, _, . and -", abi.MaxActorName)
	case len(k.Issuer) > maxIssuer || len(k.Audience) > maxIssuer || k.Issuer == "" || k.Audience == "" || !plainText(k.Issuer+k.Audience):
		return fmt.Errorf("issuer and audience are 1 to %d bytes of UTF-8 without control characters", maxIssuer)
	case !k.Role.Valid() || k.Role == RoleOperator:
		return errors.New("a namespace's key signs at most as admin")
	case (k.URL == "") == (k.Public == nil):
		return errors.New("a key is a public key or a URL")
	case k.URL != "":
		return checkKeyURL(k.URL)
	}
	_, err := parsePKIX(k.Public)
	return err
}

// checkKeyURL checks the form; where it leads is looked at when it is fetched.
func checkKeyURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxKeyURL || !plainText(s) || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(s, "#") {
		return fmt.Errorf("a URL of keys is https, without a user, and has at most %d bytes", maxKeyURL)
	}
	return nil
}

// source is a registered key as it checks tokens. It lives as long as the registration.
type source struct {
	TokenKey
	public *publicKey // nil with a URL
	set    *keySet    // nil without one
}

func newSource(k *TokenKey) (*source, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	s := &source{TokenKey: *k}
	if k.URL != "" {
		s.set = &keySet{url: k.URL}
		return s, nil
	}
	var err error
	s.public, err = parsePKIX(k.Public)
	return s, err
}

func tokenKeyKey(id string) []byte { return []byte("k" + id) }

// addKey takes a stored key.
func (g *gate) addKey(item kv.Item) error {
	var k TokenKey
	if err := json.Unmarshal(item.Value, &k); err != nil {
		return err
	}
	if string(tokenKeyKey(k.ID)) != string(item.Key) {
		return errors.New("the record has another name than its key")
	}
	s, err := newSource(&k)
	if err != nil {
		return err
	}
	g.keys[k.ID] = s
	return nil
}

// PutTokenKey registers a key in place of one that has its id. It returns what is there then, durable, and whether it
// is new; tokens of a key that was there are no longer good.
func (r *Registry) PutTokenKey(ctx context.Context, ns ID, n NewTokenKey) (k TokenKey, created bool, err error) {
	s, err := n.source()
	if err != nil {
		return k, false, abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	t, err := r.tenant(ns)
	if err != nil {
		return k, false, err
	}
	err = t.change(ctx, func(g *gate) ([]kv.Op, error) {
		_, had := g.keys[s.ID]
		created = !had
		g.keys[s.ID] = s
		urls := 0
		for _, other := range g.keys {
			urls += count(other.set != nil)
		}
		if len(g.keys) > maxTokenKeys || urls > maxKeyURLs {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a namespace has at most %d keys, %d of them URLs", maxTokenKeys, maxKeyURLs)
		}
		op, err := record(tokenKeyKey(s.ID), s.TokenKey)
		return []kv.Op{op}, err
	})
	if err == nil {
		r.changed(ns)
	}
	return s.TokenKey, created, err
}

// DeleteTokenKey forgets a key, durably, and with it what it signed. An unknown one is CodeNotFound.
func (r *Registry) DeleteTokenKey(ctx context.Context, ns ID, id string) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	err = t.change(ctx, func(g *gate) ([]kv.Op, error) {
		if _, ok := g.keys[id]; !ok {
			return nil, abi.Errorf(abi.CodeNotFound, "the namespace has no such key")
		}
		delete(g.keys, id)
		return []kv.Op{{Key: tokenKeyKey(id)}}, nil
	})
	if err == nil {
		r.changed(ns)
	}
	return err
}

// TokenKeys returns a namespace's keys in order of their ids; none for an unknown namespace.
func (r *Registry) TokenKeys(ns ID) []TokenKey {
	t, err := r.tenant(ns)
	if err != nil {
		return nil
	}
	var list []TokenKey
	keys := t.gate.Load().keys
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		list = append(list, keys[id].TokenKey)
	}
	return list
}

// FetchedKeys returns what is known of the keys behind a URL: their ids in no order, when it answered last, and why it
// did not answer since. It is nothing for another key.
func (r *Registry) FetchedKeys(ns ID, id string) (kids []string, fetched time.Time, problem string) {
	t, err := r.tenant(ns)
	if err != nil {
		return nil, fetched, ""
	}
	if s := t.gate.Load().keys[id]; s != nil && s.set != nil {
		return s.set.state()
	}
	return nil, fetched, ""
}
