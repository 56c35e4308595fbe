package tenants

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// check is what a token is held to: a key with its one algorithm, and for whom it must be.
type check struct {
	alg              string
	key              any // of the type that alg needs
	issuer, audience string
}

// verify works in this order: the header, then the signature, and only then what the key's owner wrote, read so that
// no other reader can understand it differently.
func verify(token string, now time.Time, by check) (grant, error) {
	if _, err := readHeader(token); err != nil {
		return grant{}, err
	}
	var c wireClaims
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{by.alg}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(by.issuer),
		jwt.WithAudience(by.audience),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	if _, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return by.key, nil }); err != nil {
		return grant{}, err
	}
	claims, err := checkClaims(token)
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
	if g.Issued.After(now.Add(maxAhead)) {
		return grant{}, errors.New("it is of the future")
	}
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
		err = checkLimits(g.Role, g.Subject, g.Limits)
	}
	if err == nil && (g.Limits.Uploads != nil || g.Publishable()) && !validTokenID(g.TokenID) {
		err = errors.New("without a jti uploads cannot be counted, nor a token revoked that everybody has")
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

// maxAhead is how far the clock of whoever issues a token may be ahead of ours.
const maxAhead = time.Minute

// header is the first part of a token. Nothing in it is trusted: it says which check a token wants, and the key
// whether it gets that.
type header struct{ alg, kid string }

// readHeader reads a token's header, strictly, before anything is known of it. A token has three parts.
func readHeader(token string) (h header, err error) {
	if err := checkAlphabet(token); err != nil {
		return h, err
	}
	first, rest, _ := strings.Cut(token, ".")
	if strings.Count(rest, ".") != 1 {
		return h, errors.New("not three parts")
	}
	members, err := strictSegment(first, headerNames)
	if err != nil {
		return h, fmt.Errorf("header: %w", err)
	}
	for _, name := range refused {
		if _, ok := members[name]; ok {
			return h, fmt.Errorf("header: %s", name)
		}
	}
	if typ, ok := members["typ"]; ok && string(typ) != `"JWT"` {
		return h, errors.New("header: typ is not JWT")
	}
	for name, into := range map[string]*string{"alg": &h.alg, "kid": &h.kid} {
		m, ok := members[name]
		if ok && (json.Unmarshal(m, into) != nil || string(m) == "null" || len(*into) > maxKeyID) {
			return h, fmt.Errorf("header: %s is malformed", name)
		}
	}
	return h, nil
}

// claimedNamespace returns the namespace that a token says it is for, whose keys are to check that.
func claimedNamespace(token string) (ID, error) {
	claims, err := strictSegment(strings.Split(token, ".")[1], claimNames)
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	var ns string
	if json.Unmarshal(claims["ns"], &ns) != nil {
		return "", errors.New("claims: ns is malformed")
	}
	return ParseID(ns)
}

// plainTime is how a time is written: a number of seconds, maybe with a fraction. Exponents and signs are for those
// who try what readers make of them.
var plainTime = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,9})?$`)

// checkClaims reads the claims of a token with a good signature once more, strictly, and returns them.
func checkClaims(token string) (map[string]json.RawMessage, error) {
	claims, err := strictSegment(strings.Split(token, ".")[1], claimNames)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	for _, name := range claimNames {
		if string(claims[name]) == "null" {
			return nil, fmt.Errorf("claims: %s is null", name)
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if t, ok := claims[name]; ok && !plainTime.Match(t) {
			return nil, fmt.Errorf("claims: %s is not a plain number", name)
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

// checkLimits checks limits and that a token of a role and for a subject can have them.
func checkLimits(role Role, subject string, l *Limits) error {
	switch {
	case role == RoleOperator:
		return errors.New("an operator has no limits")
	case l.Origins != nil && (role != RoleInvoke || subject != ""):
		return errors.New("a publishable token has the role invoke, and no subject: it is everybody's")
	}
	return l.check()
}
