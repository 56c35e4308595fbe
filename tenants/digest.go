package tenants

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Digest is the SHA-256 of a module's bytes. It is comparable.
type Digest [sha256.Size]byte

// ParseDigest reads the text form: 64 lower-case hexadecimal digits and nothing else.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) == hex.EncodedLen(len(d)) {
		if _, err := hex.Decode(d[:], []byte(s)); err == nil && d.String() == s {
			return d, nil
		}
	}
	return Digest{}, abi.Errorf(abi.CodeInvalidRequest, "a digest is %d lower-case hexadecimal digits", hex.EncodedLen(len(d)))
}

// String returns the text form.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDigest.
func (d *Digest) UnmarshalText(b []byte) error {
	p, err := ParseDigest(string(b))
	if err == nil {
		*d = p
	}
	return err
}
