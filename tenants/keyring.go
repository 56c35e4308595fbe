package tenants

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Keyring signs and checks tokens with the host's keys. The key decides what a token may say, and the host's keys may
// say everything. Safe for concurrent use.
//
// A token is a JWT with HS256 and the claims ns, role, limits, from, sub, iat, exp, iss, aud and jti. Sign and Verify
// are the only places that know its form.
type Keyring struct {
	keys [][]byte // the first signs, all verify
	good verified
}

// NewKeyring returns a keyring of the host's key, at least 32 random bytes. Tokens of old keys are good as long as
// these are given, so that a new key can take over while they end. It copies the keys.
func NewKeyring(key []byte, old ...[]byte) (*Keyring, error) {
	k := &Keyring{}
	for _, key := range append([][]byte{key}, old...) {
		if len(key) < minKeyBytes {
			return nil, fmt.Errorf("tenants: a signing key has at least %d bytes, this one has %d", minKeyBytes, len(key))
		}
		if slices.ContainsFunc(k.keys, func(o []byte) bool { return bytes.Equal(o, key) }) {
			return nil, errors.New("tenants: an old key is the new one, or given twice")
		}
		k.keys = append(k.keys, bytes.Clone(key))
	}
	return k, nil
}

// Format prints no key, whatever the verb.
func (k *Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "tenants.Keyring") }

// Verify returns whom token speaks for at the moment now, without leeway. Every failure is the
// same error to its reader, CodeUnauthenticated; which check failed is in its Cause, for a log at
// debug level, which never holds a part of the token that could be used again.
func (k *Keyring) Verify(token string, now time.Time) (Principal, error) {
	if len(token) > maxTokenBytes {
		return Principal{}, abi.Wrap(abi.CodeUnauthenticated, errors.New("tenants: verify token: too long"))
	}
	id := sha256.Sum256([]byte(token))
	if g, ok := k.good.get(id); ok && g.holds(now) {
		return g.Principal, nil
	}
	g, err := k.verify(token, now)
	if err != nil {
		return Principal{}, abi.Wrap(abi.CodeUnauthenticated, fmt.Errorf("tenants: verify token: %w", err))
	}
	k.good.put(id, g)
	return g.Principal, nil
}

// verify tries each key in turn. Which of them a token's header names is not asked: no header chooses.
func (k *Keyring) verify(token string, now time.Time) (g grant, err error) {
	for _, key := range k.keys {
		g, err = verify(token, now, check{alg: jwt.SigningMethodHS256.Alg(), key: key, issuer: issuer, audience: audience})
		if !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return g, err
		}
	}
	return g, err
}
