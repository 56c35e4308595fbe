package tenants

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Bounds on public keys. A smaller RSA key can be broken, a larger one takes long to check with.
const (
	minRSA      = 2048 // bits
	maxRSA      = 8192
	minExponent = 1<<16 + 1
	maxExponent = 1<<31 - 1
	maxKeyText  = 16 << 10 // bytes of a key as PEM or JWK
)

// publicKey is a key that checks tokens, with the one algorithm that it is for.
type publicKey struct {
	alg string // RS256, ES256 or EdDSA
	key any    // *rsa.PublicKey, *ecdsa.PublicKey of P-256 or ed25519.PublicKey
	der []byte // as PKIX
}

// thumb is what two keys differ in if they differ.
func (k *publicKey) thumb() string {
	sum := sha256.Sum256(k.der)
	return hex.EncodeToString(sum[:16])
}

// newPublicKey checks a key and says what it is for.
func newPublicKey(key crypto.PublicKey) (*publicKey, error) {
	k := &publicKey{key: key}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("an RSA key has %d to %d bits, this one has %d", minRSA, maxRSA, bits)
		}
		if key.E < minExponent || key.E > maxExponent || key.E%2 == 0 || key.N.Bit(0) == 0 {
			return nil, errors.New("the numbers of the RSA key are not those of a safe one")
		}
		k.alg = "RS256"
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return nil, errors.New("an EC key is of the curve P-256")
		}
		k.alg = "ES256"
	case ed25519.PublicKey:
		k.alg = "EdDSA"
	default:
		return nil, errors.New("the key is neither RSA nor EC of P-256 nor Ed25519")
	}
	var err error
	k.der, err = x509.MarshalPKIXPublicKey(key)
	return k, err
}

// parsePKIX reads a key as it is stored.
func parsePKIX(der []byte) (*publicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("not a public key")
	}
	k, err := newPublicKey(key)
	if err == nil && !bytes.Equal(k.der, der) {
		err = errors.New("a public key in an odd spelling")
	}
	return k, err
}

// parsePEM reads one public key and nothing else.
func parsePEM(text string) (*publicKey, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("a key has at most %d bytes", maxKeyText)
	}
	text = strings.TrimSpace(text)
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil || !strings.HasPrefix(text, "-----BEGIN") || strings.TrimSpace(string(rest)) != "":
		return nil, errors.New("not one block of PEM")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errPrivate
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("the PEM block is %.32q, not PUBLIC KEY", block.Type)
	}
	return parsePKIX(block.Bytes)
}

var (
	errPrivate   = errors.New("this is a private key: keep it to yourself, and use another one now that it was sent")
	errOtherUse  = errors.New("the key is not for signatures that this host checks")
	jwkNames     = []string{"kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "d", "k", "p", "q", "dp", "dq", "qi", "oth"}
	privateParts = []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth"}
)

// jwk is a JSON Web Key (RFC 7517), as far as it is looked at.
type jwk struct {
	Type, Use, Alg, ID, Curve, X, Y, N, E string
	Ops                                   []string
}

// parseJWK reads a public key and its id. A key that is not for signatures is errOtherUse.
func parseJWK(doc []byte) (*publicKey, string, error) {
	if len(doc) > maxKeyText {
		return nil, "", fmt.Errorf("a key has at most %d bytes", maxKeyText)
	}
	members, err := strictObject(doc, jwkNames...)
	if err != nil {
		return nil, "", err
	}
	for _, name := range privateParts {
		if _, ok := members[name]; ok {
			return nil, "", errPrivate
		}
	}
	var j jwk
	for name, into := range map[string]any{
		"kty": &j.Type, "use": &j.Use, "alg": &j.Alg, "kid": &j.ID, "crv": &j.Curve, "x": &j.X, "y": &j.Y, "n": &j.N, "e": &j.E, "key_ops": &j.Ops,
	} {
		if m, ok := members[name]; ok && json.Unmarshal(m, into) != nil {
			return nil, "", fmt.Errorf("the member %s has the wrong type", name)
		}
	}
	k, err := j.public()
	if err != nil {
		return nil, "", err
	}
	if j.Use != "" && j.Use != "sig" || j.Alg != "" && j.Alg != k.alg || j.Ops != nil && !slices.Contains(j.Ops, "verify") {
		return nil, "", errOtherUse
	}
	return k, j.ID, nil
}

func (j *jwk) public() (*publicKey, error) {
	switch {
	case j.Type == "RSA":
		return j.rsa()
	case j.Type == "EC" && j.Curve == "P-256":
		x, err1 := fixed(j.X, 32)
		y, err2 := fixed(j.Y, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil, errors.New("the point is not on the curve")
		}
		return newPublicKey(key)
	case j.Type == "OKP" && j.Curve == "Ed25519":
		x, err := fixed(j.X, ed25519.PublicKeySize)
		if err != nil {
			return nil, err
		}
		return newPublicKey(ed25519.PublicKey(x))
	}
	return nil, errOtherUse
}

func (j *jwk) rsa() (*publicKey, error) {
	n, err1 := base64.RawURLEncoding.Strict().DecodeString(j.N)
	e, err2 := base64.RawURLEncoding.Strict().DecodeString(j.E)
	if err1 != nil || err2 != nil || len(n) == 0 || len(e) == 0 || n[0] == 0 || len(e) > 4 {
		return nil, errors.New("the numbers of the RSA key are malformed")
	}
	return newPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())})
}

// fixed decodes a member that has a number of bytes.
func fixed(s string, n int) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != n {
		return nil, errors.New("a coordinate has the wrong length")
	}
	return b, nil
}
