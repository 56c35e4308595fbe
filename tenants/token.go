package tenants

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

const (
	minKeyBytes   = 32      // of an HS256 key: as long as its hash (RFC 7518, 3.2)
	maxTokenBytes = 8 << 10 // more fits into no sane header
	issuer        = "vivarium"
	audience      = "vivarium"
)

// maxTime is the end of what a claim may say: later seconds do not survive every reader.
var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Claims is what a new token says.
type Claims struct {
	Namespace ID // may be empty for an operator only
	Role      Role
	Subject   string        // any UTF-8; may be empty
	TTL       time.Duration // at least one second
	Limits    *Limits       // nil for none; an operator has none

	from *Lineage // set by Derive
}

// wireClaims are the claims of a token as JSON. Names match without regard to case here; Verify
// refuses such tokens by other means.
type wireClaims struct {
	Namespace string          `json:"ns,omitempty"`
	Role      Role            `json:"role"`
	Limits    json.RawMessage `json:"limits,omitempty"`
	From      json.RawMessage `json:"from,omitempty"`
	jwt.RegisteredClaims
}

// Names that mean something to us or to the JWT library.
var (
	headerNames = []string{"alg", "typ", "cty", "kid", "crit", "jwk", "jku", "x5u", "x5c", "zip", "enc", "b64"}
	claimNames  = []string{"ns", "role", "limits", "from", "sub", "exp", "nbf", "iat", "iss", "aud", "jti"}
)

// refused are headers that no token of ours has. RFC 7515, 4.1.11: who does not understand what crit lists must refuse,
// and we understand nothing. The next four bring a key along, the rest change what is signed or how.
var refused = []string{"crit", "jwk", "jku", "x5u", "x5c", "zip", "enc", "b64", "cty"}

// Sign returns a new token, valid from now on, with an id of its own.
func (k *Keyring) Sign(c Claims) (string, error) {
	now := time.Now()
	expires := now.Add(c.TTL)
	switch {
	case c.TTL < time.Second || expires.After(maxTime):
		return "", abi.Errorf(abi.CodeInvalidRequest, "a token must last at least a second and end before the year 10000")
	case strings.ToValidUTF8(c.Subject, "") != c.Subject:
		return "", abi.Errorf(abi.CodeInvalidRequest, "the subject is not valid UTF-8")
	}
	if err := checkGrant(c.Role, string(c.Namespace)); err != nil {
		return "", abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	w := wireClaims{
		Namespace: string(c.Namespace),
		Role:      c.Role,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Audience:  jwt.ClaimStrings{audience},
			Subject:   c.Subject,
			ID:        rand.Text(),
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
	}
	if err := c.narrow(&w); err != nil {
		return "", abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, w)
	s, err := t.SignedString(k.keys[0])
	if err != nil {
		return "", fmt.Errorf("tenants: sign token: %w", err)
	}
	if len(s) > maxTokenBytes {
		return "", abi.Errorf(abi.CodeInvalidRequest, "the subject or the limits are too long")
	}
	return s, nil
}

// narrow writes the claims by which a token is less than its role.
func (c *Claims) narrow(w *wireClaims) (err error) {
	if c.from != nil {
		if w.From, err = json.Marshal(c.from); err != nil {
			return err
		}
	}
	if c.Limits == nil {
		return nil
	}
	if err := checkLimits(c.Role, c.Subject, c.Limits); err != nil {
		return err
	}
	w.Limits, err = json.Marshal(c.Limits)
	return err
}
