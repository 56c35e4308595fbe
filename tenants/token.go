package tenants

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
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

// Keyring signs and checks tokens with the host's key. The key decides what a token may say, and
// the host's key may say everything. Safe for concurrent use.
//
// A token is a JWT with HS256 and the claims ns, role, limits, from, sub, iat, exp, iss, aud and jti. Sign and
// Verify are the only places that know its form.
type Keyring struct {
	key  []byte
	good verified
}

// NewKeyring returns a keyring of the host's key, at least 32 random bytes, which it copies.
func NewKeyring(key []byte) (*Keyring, error) {
	if len(key) < minKeyBytes {
		return nil, fmt.Errorf("tenants: a signing key has at least %d bytes, this one has %d", minKeyBytes, len(key))
	}
	return &Keyring{key: append([]byte(nil), key...)}, nil
}

// Format prints no key, whatever the verb.
func (k *Keyring) Format(f fmt.State, _ rune) { fmt.Fprint(f, "tenants.Keyring") }

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
	headerNames = []string{"alg", "typ", "cty", "kid", "crit"}
	claimNames  = []string{"ns", "role", "limits", "from", "sub", "exp", "nbf", "iat", "iss", "aud", "jti"}
)

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
	s, err := t.SignedString(k.key)
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
	if err := checkLimits(c.Role, c.Limits); err != nil {
		return err
	}
	w.Limits, err = json.Marshal(c.Limits)
	return err
}

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

// verify works in this order: alphabet, then the signature, and only then what the key's
// owner wrote, read so that no other reader can understand it differently.
func (k *Keyring) verify(token string, now time.Time) (grant, error) {
	if err := checkAlphabet(token); err != nil {
		return grant{}, err
	}
	var c wireClaims
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	if _, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return k.key, nil }); err != nil {
		return grant{}, err
	}
	claims, err := checkDocuments(token)
	if err != nil {
		return grant{}, err
	}
	if err := checkGrant(c.Role, c.Namespace); err != nil {
		return grant{}, err
	}
	for _, t := range []*jwt.NumericDate{c.ExpiresAt, c.IssuedAt, c.NotBefore} {
		// A number beyond int64 has become any time at all by now.
		if t != nil && (t.Unix() < 0 || t.After(maxTime)) {
			return grant{}, errors.New("a time is out of range")
		}
	}
	g := c.grant()
	err = g.narrow(claims)
	return g, err
}

// narrow reads the claims by which a token is less than its role, and says what is wrong with them.
func (g *grant) narrow(claims map[string]json.RawMessage) (err error) {
	if doc, ok := claims["from"]; ok {
		if g.From, err = parseLineage(doc); err != nil {
			return fmt.Errorf("claims: from: %w", err)
		}
	}
	doc, ok := claims["limits"]
	if !ok {
		return nil
	}
	if g.Limits, err = ParseLimits(doc); err == nil {
		err = checkLimits(g.Role, g.Limits)
	}
	if err == nil && g.Limits.Uploads != nil && !validTokenID(g.TokenID) {
		err = errors.New("uploads cannot be counted without a jti")
	}
	if err != nil {
		return fmt.Errorf("claims: limits: %w", err)
	}
	return nil
}

func (c *wireClaims) grant() grant {
	g := grant{Principal: Principal{
		Namespace: ID(c.Namespace),
		Role:      c.Role,
		Subject:   c.Subject,
		TokenID:   c.ID,
		Expires:   c.ExpiresAt.Time,
	}}
	if c.IssuedAt != nil {
		g.Issued = c.IssuedAt.Time
	}
	if c.NotBefore != nil {
		g.notBefore = c.NotBefore.Time
	}
	return g
}

// checkAlphabet comes before anything decodes the token: encoding/base64 skips line breaks, so one
// token would have many spellings.
func checkAlphabet(token string) error {
	for i := range len(token) {
		c := token[i]
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return errors.New("a byte outside of the alphabet")
		}
	}
	return nil
}

// checkDocuments reads header and claims of a token with a good signature once more, strictly, and returns the claims.
func checkDocuments(token string) (map[string]json.RawMessage, error) {
	parts := strings.Split(token, ".")
	header, err := strictSegment(parts[0], headerNames)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	// RFC 7515, 4.1.11: who does not understand what crit lists must refuse. We understand nothing.
	if _, ok := header["crit"]; ok {
		return nil, errors.New("header: crit")
	}
	if typ, ok := header["typ"]; ok && string(typ) != `"JWT"` {
		return nil, errors.New("header: typ is not JWT")
	}
	claims, err := strictSegment(parts[1], claimNames)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	for _, name := range claimNames {
		if string(claims[name]) == "null" {
			return nil, fmt.Errorf("claims: %s is null", name)
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		// The library takes the text "1" for the number 1.
		if strings.HasPrefix(string(claims[name]), `"`) {
			return nil, fmt.Errorf("claims: %s is not a number", name)
		}
	}
	return claims, nil
}

func strictSegment(s string, known []string) (map[string]json.RawMessage, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, err
	}
	return strictObject(b, known...)
}

// checkGrant checks that a role and a namespace go together. Only an operator needs no namespace.
func checkGrant(role Role, ns string) error {
	if !role.Valid() {
		return errors.New("unknown role")
	}
	if ns == "" && role == RoleOperator {
		return nil
	}
	if _, err := ParseID(ns); err != nil {
		return errors.New("the namespace is malformed")
	}
	return nil
}

// checkLimits checks limits and that a role can have any.
func checkLimits(role Role, l *Limits) error {
	if role == RoleOperator {
		return errors.New("an operator has no limits")
	}
	return l.check()
}
