package tenants

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Vault seals and opens what namespaces keep secret, under keys that lie outside of the data folder. The zero
// value, and nil, has no key. It is immutable.
type Vault struct {
	keys []vaultKey // the first one seals, each opens
}

// vaultKey is a key with its name, which is stored beside what it sealed.
type vaultKey struct {
	id    string
	bytes []byte
}

// NewVault returns a vault that seals with key, and opens what key or one of the old ones sealed.
func NewVault(key []byte, old ...[]byte) (*Vault, error) {
	v := &Vault{}
	for _, k := range append([][]byte{key}, old...) {
		if len(k) < minKeyBytes {
			return nil, fmt.Errorf("tenants: a key for secrets has %d bytes, it needs at least %d", len(k), minKeyBytes)
		}
		id, err := hkdf.Key(sha256.New, k, nil, "vivarium: the id of a key for secrets", 8)
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, vaultKey{hex.EncodeToString(id), k})
	}
	return v, nil
}

// place is what a sealed value belongs to. Moved to another place, or with another place written beside it, it
// does not open.
type place struct {
	Namespace ID       `json:"namespace"`
	Name      string   `json:"name"`
	Host      string   `json:"host"`
	Modules   []string `json:"modules"`
	Version   int      `json:"version"`
}

// errSealed is why a value does not open. It says no more, since nobody can know more.
var errSealed = errors.New("it was sealed with another key, or changed since")

// seal returns value sealed with the first key, and that key's id. The caller has seen to it that there is one.
func (v *Vault) seal(p place, value []byte) (id string, sealed []byte, err error) {
	k := v.keys[0]
	err = k.with(p, func(a cipher.AEAD, bound []byte) error {
		sealed = a.Seal(nil, nil, value, bound) // after a nonce of its own, which is random
		return nil
	})
	return k.id, sealed, err
}

// open returns what was sealed with the key of an id, for the caller to wipe.
func (v *Vault) open(p place, id string, sealed []byte) (value []byte, err error) {
	for _, k := range v.keys {
		if k.id == id {
			err = k.with(p, func(a cipher.AEAD, bound []byte) (err error) {
				value, err = a.Open(nil, nil, sealed, bound)
				return err
			})
			if err == nil {
				return value, nil
			}
		}
	}
	return nil, errSealed
}

// with calls f with the cipher of a place, and what binds values to that. Each namespace has a key of its own,
// which lives for the call.
func (k vaultKey) with(p place, f func(a cipher.AEAD, bound []byte) error) error {
	bound, err := json.Marshal(p)
	if err != nil {
		return err
	}
	key, err := hkdf.Key(sha256.New, k.bytes, nil, "vivarium: secrets of "+string(p.Namespace), 32)
	if err != nil {
		return err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	return f(a, bound)
}

// empty reports whether there is no key.
func (v *Vault) empty() bool { return v == nil || len(v.keys) == 0 }

// seals reports whether id is that of the key which seals.
func (v *Vault) seals(id string) bool { return !v.empty() && v.keys[0].id == id }
