package tenants

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var (
	testKey  = bytes.Repeat([]byte{'k'}, 32)
	otherKey = bytes.Repeat([]byte{'o'}, 32)
	testNow  = time.Unix(1_800_000_000, 0)
)

const (
	goodHeader = `{"alg":"HS256","typ":"JWT"}`
	goodClaims = `{"ns":"acme","role":"admin","sub":"ann","iat":1799999000,"exp":1800000100,"iss":"vivarium","aud":["vivarium"],"jti":"1"}`
)

func seg(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs any two documents, as only the holder of key can.
func forge(newHash func() hash.Hash, key []byte, header, claims string) string {
	text := seg(header) + "." + seg(claims)
	h := hmac.New(newHash, key)
	h.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func signed(header, claims string) string { return forge(sha256.New, testKey, header, claims) }

// claimed returns goodClaims with one text replaced by another.
func claimed(t testing.TB, old, new string) string {
	t.Helper()
	if strings.Count(goodClaims, old) != 1 {
		t.Fatalf("%q is not once in %s", old, goodClaims)
	}
	return signed(goodHeader, strings.Replace(goodClaims, old, new, 1))
}

func testKeyring(t testing.TB) *Keyring {
	t.Helper()
	k, err := NewKeyring(testKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignVerify(t *testing.T) {
	k := testKeyring(t)
	tests := []struct {
		name string
		c    Claims
		ok   bool
	}{
		{"admin", Claims{Namespace: "acme", Role: RoleAdmin, Subject: "ann", TTL: time.Hour}, true},
		{"no subject", Claims{Namespace: "acme", Role: RoleInvoke, Subject: "", TTL: time.Second}, true},
		{"operator", Claims{Namespace: "", Role: RoleOperator, Subject: "root", TTL: time.Hour}, true},
		{"operator of a namespace", Claims{Namespace: "acme", Role: RoleOperator, Subject: "root", TTL: time.Hour}, true},
		{"no namespace", Claims{Namespace: "", Role: RoleAdmin, Subject: "ann", TTL: time.Hour}, false},
		{"malformed namespace", Claims{Namespace: "a/b", Role: RoleAdmin, Subject: "ann", TTL: time.Hour}, false},
		{"malformed namespace of an operator", Claims{Namespace: "A", Role: RoleOperator, Subject: "ann", TTL: time.Hour}, false},
		{"unknown role", Claims{Namespace: "acme", Role: "root", Subject: "ann", TTL: time.Hour}, false},
		{"no role", Claims{Namespace: "acme", Role: "", Subject: "ann", TTL: time.Hour}, false},
		{"no time", Claims{Namespace: "acme", Role: RoleAdmin, Subject: "ann", TTL: 0}, false},
		{"past", Claims{Namespace: "acme", Role: RoleAdmin, Subject: "ann", TTL: -time.Hour}, false},
		{"subject is not UTF-8", Claims{Namespace: "acme", Role: RoleAdmin, Subject: "\xff", TTL: time.Hour}, false},
		{"subject too long", Claims{Namespace: "acme", Role: RoleAdmin, Subject: strings.Repeat("s", 8<<10), TTL: time.Hour}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := time.Now().Truncate(time.Second)
			token, err := k.Sign(tt.c)
			if !tt.ok {
				if abi.CodeOf(err) != abi.CodeInvalidRequest {
					t.Fatalf("Sign = %q, %v, want %v", token, err, abi.CodeInvalidRequest)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := k.Verify(token, before)
			if err != nil {
				t.Fatal(err)
			}
			if p.Namespace != tt.c.Namespace || p.Role != tt.c.Role || p.Subject != tt.c.Subject || p.TokenID == "" {
				t.Errorf("Verify = %+v, want %+v", p, tt.c)
			}
			if p.Issued.Before(before) || p.Expires.Before(p.Issued.Add(tt.c.TTL-time.Second)) {
				t.Errorf("issued %v, expires %v", p.Issued, p.Expires)
			}
			if _, err := k.Verify(token, p.Expires); err == nil {
				t.Error("valid at the moment it expires")
			}
		})
	}
	a, _ := k.Verify(signed(goodHeader, goodClaims), testNow)
	want := Principal{Namespace: "acme", Role: RoleAdmin, Subject: "ann", TokenID: "1", Issued: time.Unix(1799999000, 0), Expires: time.Unix(1800000100, 0)}
	if a != want {
		t.Errorf("Verify = %+v, want %+v", a, want)
	}
}

// TestVerifyAccepts has tokens that look odd and are fine.
func TestVerifyAccepts(t *testing.T) {
	tests := map[string]string{
		"as others write it":          signed(`{"typ":"JWT","kid":"x","alg":"HS256"}`, goodClaims),
		"no typ":                      signed(`{"alg":"HS256"}`, goodClaims),
		"one audience as string":      claimed(t, `["vivarium"]`, `"vivarium"`),
		"two audiences":               claimed(t, `["vivarium"]`, `["other","vivarium"]`),
		"unknown claim":               claimed(t, `"jti":"1"`, `"jti":"1","email":{"a":[1,{"b":null}]}`),
		"nbf is now":                  claimed(t, `"jti":"1"`, `"nbf":1800000000`),
		"no iat, no sub, no jti":      claimed(t, `"sub":"ann","iat":1799999000,`, ``),
		"operator without ns":         claimed(t, `"ns":"acme","role":"admin"`, `"role":"operator"`),
		"operator with empty ns":      claimed(t, `"ns":"acme","role":"admin"`, `"ns":"","role":"operator"`),
		"the issuer's clock is ahead": claimed(t, "1799999000", "1800000060"),
		"nested":                      claimed(t, `"jti":"1"`, `"x":`+strings.Repeat("[", 31)+strings.Repeat("]", 31)),
		"exp with a fraction":         claimed(t, `1800000100`, `1800000100.5`),
		"white space inside":          claimed(t, `"ns":"acme"`, " \"ns\" :\n\"acme\""),
	}
	k := testKeyring(t)
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := k.Verify(token, testNow); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func attacks(t testing.TB) map[string]string {
	good := signed(goodHeader, goodClaims)
	parts := strings.Split(good, ".")
	body := parts[0] + "." + parts[1]
	evil := strings.Replace(goodClaims, "acme", "umbrella", 1)
	return map[string]string{
		"empty":         "",
		"garbage":       "garbage",
		"two dots only": "..",
		"one dot":       ".",
		"three dots":    good + ".",
		"four parts":    good + "." + parts[2],
		"no signature":  body + ".",
		"two parts":     body,
		"huge":          claimed(t, `"ann"`, `"`+strings.Repeat("s", 8<<10)+`"`),
		"huge garbage":  strings.Repeat("A", 1<<20),

		"wrong key":                forge(sha256.New, otherKey, goodHeader, goodClaims),
		"tampered claims":          parts[0] + "." + seg(evil) + "." + parts[2],
		"tampered header":          seg(`{"alg":"HS256","typ":"JWT","kid":"1"}`) + "." + parts[1] + "." + parts[2],
		"signature of another":     body + "." + strings.Split(signed(goodHeader, evil), ".")[2],
		"short signature":          body + "." + parts[2][:20],
		"alg none":                 seg(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg none, with signature": signed(`{"alg":"none"}`, goodClaims),
		"alg None":                 signed(`{"alg":"None"}`, goodClaims),
		"alg HS512":                forge(sha512.New, testKey, `{"alg":"HS512"}`, goodClaims),
		"alg HS512, HS256 within":  signed(`{"alg":"HS512"}`, goodClaims),
		"alg RS256":                signed(`{"alg":"RS256"}`, goodClaims),
		"alg ES256":                signed(`{"alg":"ES256"}`, goodClaims),
		"alg EdDSA":                signed(`{"alg":"EdDSA"}`, goodClaims),
		"alg hs256":                signed(`{"alg":"hs256"}`, goodClaims),
		"alg missing":              signed(`{"typ":"JWT"}`, goodClaims),
		"alg is a list":            signed(`{"alg":["HS256"]}`, goodClaims),
		"alg twice":                signed(`{"alg":"none","alg":"HS256"}`, goodClaims),
		"alg and ALG":              signed(`{"ALG":"none","alg":"HS256"}`, goodClaims),
		"key in the header":        forge(sha256.New, otherKey, `{"alg":"HS256","jwk":{"kty":"oct","k":"`+base64.RawURLEncoding.EncodeToString(otherKey)+`"}}`, goodClaims),
		"jwk, a good signature":    signed(`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, goodClaims),
		"jku, a good signature":    signed(`{"alg":"HS256","jku":"https://evil.example/keys"}`, goodClaims),
		"x5u, a good signature":    signed(`{"alg":"HS256","x5u":"https://evil.example/cert"}`, goodClaims),
		"x5c, a good signature":    signed(`{"alg":"HS256","x5c":["AAAA"]}`, goodClaims),
		"JKU, a good signature":    signed(`{"alg":"HS256","JKU":"https://evil.example/keys"}`, goodClaims),
		"compressed":               signed(`{"alg":"HS256","zip":"DEF"}`, goodClaims),
		"encrypted":                signed(`{"alg":"HS256","enc":"A128GCM"}`, goodClaims),
		"a JWT within":             signed(`{"alg":"HS256","cty":"JWT"}`, goodClaims),
		"b64 without crit":         signed(`{"alg":"HS256","b64":true}`, goodClaims),
		"alg is null":              signed(`{"alg":null}`, goodClaims),
		"alg is long":              signed(`{"alg":"`+strings.Repeat("HS256", 100)+`"}`, goodClaims),
		"kid is a list":            signed(`{"alg":"HS256","kid":["x"]}`, goodClaims),
		"kid is long":              signed(`{"alg":"HS256","kid":"`+strings.Repeat("k", 257)+`"}`, goodClaims),
		"header nested deeply":     signed(`{"alg":"HS256","x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`}`, goodClaims),
		"crit":                     signed(`{"alg":"HS256","crit":["exp"]}`, goodClaims),
		"crit empty":               signed(`{"alg":"HS256","crit":[]}`, goodClaims),
		"crit null":                signed(`{"alg":"HS256","crit":null}`, goodClaims),
		"crit escaped":             signed(`{"alg":"HS256","\u0063rit":["exp"]}`, goodClaims),
		"Crit":                     signed(`{"alg":"HS256","Crit":["exp"]}`, goodClaims),
		"unencoded payload":        signed(`{"alg":"HS256","b64":false,"crit":["b64"]}`, goodClaims),
		"token of another kind":    signed(`{"alg":"HS256","typ":"at+jwt"}`, goodClaims),

		"expired":              claimed(t, "1800000100", "1800000000"),
		"exp missing":          claimed(t, `"exp":1800000100,`, ""),
		"exp null":             claimed(t, "1800000100", "null"),
		"exp is text":          claimed(t, "1800000100", `"1800000100"`),
		"exp zero":             claimed(t, "1800000100", "0"),
		"exp far too large":    claimed(t, "1800000100", "1e300"),
		"exp beyond int64":     claimed(t, "1800000100", "9223372036854775807"),
		"exp beyond float64":   claimed(t, "1800000100", "1e999"),
		"exp with an exponent": claimed(t, "1800000100", "1.8000001e9"),
		"exp with a capital E": claimed(t, "1800000100", "18000001E2"),
		"exp negative":         claimed(t, "1800000100", "-1800000100"),
		"exp of minus zero":    claimed(t, "1800000100", "-0"),
		"exp too precise":      claimed(t, "1800000100", "1800000100.0000000001"),
		"exp too long":         claimed(t, "1800000100", "1800000100000"),
		"exp is a list":        claimed(t, "1800000100", "[1800000100]"),
		"exp is true":          claimed(t, "1800000100", "true"),
		"iat with an exponent": claimed(t, "1799999000", "1.7e9"),
		"iat negative":         claimed(t, "1799999000", "-1"),
		"iat is text":          claimed(t, "1799999000", `"1799999000"`),
		"iat null":             claimed(t, "1799999000", "null"),
		"iat in the future":    claimed(t, "1799999000", "1800000061"),
		"nbf with an exponent": claimed(t, `"jti":"1"`, `"nbf":1e3`),
		"claims nested deeply": claimed(t, `"jti":"1"`, `"x":`+strings.Repeat("[", 2500)+strings.Repeat("]", 2500)),
		"nbf in the future":    claimed(t, `"jti":"1"`, `"nbf":1800000001`),
		"nbf far too large":    claimed(t, `"jti":"1"`, `"nbf":1e300`),
		"nbf is text":          claimed(t, `"jti":"1"`, `"nbf":"1"`),
		"nbf null":             claimed(t, `"jti":"1"`, `"nbf":null`),
		"wrong iss":            claimed(t, `"iss":"vivarium"`, `"iss":"Vivarium"`),
		"iss missing":          claimed(t, `"iss":"vivarium",`, ""),
		"wrong aud":            claimed(t, `["vivarium"]`, `["other"]`),
		"aud missing":          claimed(t, `"aud":["vivarium"],`, ""),
		"aud empty":            claimed(t, `["vivarium"]`, `[]`),
		"aud is a number":      claimed(t, `["vivarium"]`, `[1]`),
		"ns twice":             claimed(t, `"ns":"acme"`, `"ns":"umbrella","ns":"acme"`),
		"ns twice, the same":   claimed(t, `"ns":"acme"`, `"ns":"acme","ns":"acme"`),
		"ns twice, escaped":    claimed(t, `"ns":"acme"`, `"n\u0073":"umbrella","ns":"acme"`),
		"ns and NS":            claimed(t, `"ns":"acme"`, `"ns":"acme","NS":"umbrella"`),
		"NS alone":             claimed(t, `"ns"`, `"NS"`),
		"ns with a long s":     claimed(t, `"ns"`, `"nſ"`),
		"role twice":           claimed(t, `"role":"admin"`, `"role":"read","role":"admin"`),
		"Role alone":           claimed(t, `"role"`, `"Role"`),
		"EXP too":              claimed(t, `"jti":"1"`, `"EXP":1900000000`),
		"unknown claim twice":  claimed(t, `"jti":"1"`, `"x":1,"x":2`),
		"unknown claim folded": claimed(t, `"jti":"1"`, `"x":1,"X":2`),
		"twice inside":         claimed(t, `"jti":"1"`, `"x":{"a":[{"b":1,"b":2}]}`),
		"ns with a slash":      claimed(t, "acme", "acme/../umbrella"),
		"ns in upper case":     claimed(t, "acme", "ACME"),
		"ns with NUL":          claimed(t, "acme", `acme\u0000`),
		"ns with a line break": claimed(t, "acme", `acme\n`),
		"ns of the host":       claimed(t, "acme", "."),
		"ns too long":          claimed(t, "acme", strings.Repeat("a", 64)),
		"ns empty":             claimed(t, "acme", ""),
		"ns missing":           claimed(t, `"ns":"acme",`, ""),
		"ns null":              claimed(t, `"acme"`, "null"),
		"ns null, operator":    claimed(t, `"ns":"acme","role":"admin"`, `"ns":null,"role":"operator"`),
		"ns is a list":         claimed(t, `"acme"`, `["acme"]`),
		"ns is a number":       claimed(t, `"acme"`, `1`),
		"operator, ns wrong":   claimed(t, `"ns":"acme","role":"admin"`, `"ns":"A","role":"operator"`),
		"unknown role":         claimed(t, `"admin"`, `"root"`),
		"role in upper case":   claimed(t, `"admin"`, `"ADMIN"`),
		"role missing":         claimed(t, `"role":"admin",`, ""),
		"role is a number":     claimed(t, `"admin"`, "1"),
		"role is a list":       claimed(t, `"admin"`, `["admin"]`),
		"sub is a number":      claimed(t, `"ann"`, "1"),
		"sub null":             claimed(t, `"ann"`, "null"),
		"sub is not UTF-8":     claimed(t, `"ann"`, "\"\xff\""),
		"claims are a list":    signed(goodHeader, `[]`),
		"claims are null":      signed(goodHeader, `null`),
		"claims are text":      signed(goodHeader, `"x"`),
		"claims are empty":     signed(goodHeader, ``),
		"header is null":       signed(`null`, goodClaims),
		"trailing JSON":        signed(goodHeader, goodClaims+`{}`),
		"trailing bytes":       signed(goodHeader, goodClaims+"x"),
		"byte order mark":      signed(goodHeader, "\ufeff"+goodClaims),

		"padding":            good + "=",
		"padding inside":     parts[0] + "=." + parts[1] + "." + parts[2],
		"line break":         good + "\n",
		"line break inside":  body[:10] + "\n" + body[10:] + "." + parts[2],
		"carriage return":    body + ".\r" + parts[2],
		"space":              " " + good,
		"Bearer":             "Bearer " + good,
		"standard base64":    body + "." + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"loose padding bits": good[:len(good)-1] + string(good[len(good)-1]+1), // same bytes for a lax decoder
		"NUL":                good + "\x00",
	}
}

func TestVerifyAttacks(t *testing.T) {
	k := testKeyring(t)
	if _, err := k.Verify(signed(goodHeader, goodClaims), testNow); err != nil {
		t.Fatalf("the good token is refused: %v", err)
	}
	for name, token := range attacks(t) {
		t.Run(name, func(t *testing.T) {
			p, err := k.Verify(token, testNow)
			var e *abi.Error
			if !errors.As(err, &e) {
				t.Fatalf("Verify = %+v, %v, want an error", p, err)
			}
			if p != (Principal{}) {
				t.Errorf("a principal beside the error: %+v", p)
			}
			if e.Code != abi.CodeUnauthenticated || e.Message != "" || e.Name != "" || e.Metadata != nil {
				t.Errorf("the answer tells which check failed: %+v", e)
			}
			if e.Cause == nil {
				t.Error("no cause for the log")
			}
			for _, part := range strings.Split(token, ".") {
				if len(part) > 16 && strings.Contains(err.Error(), part) {
					t.Errorf("the cause holds a part of the token: %v", err)
				}
			}
		})
	}
}

// TestAttacksOnTokens sends the same to what checks all tokens, which looks at more before a signature, and holds
// each refusal to a time: a stranger is not to keep the host busy.
func TestAttacksOnTokens(t *testing.T) {
	g := newGatehouse(t)
	g.now = testNow
	for name, token := range attacks(t) {
		t.Run(name, func(t *testing.T) {
			g.t = t
			began := time.Now()
			g.bad(token)
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

// TestLaxSignatureSpelling proves that the attack named so is one: a lax decoder reads the same.
func TestLaxSignatureSpelling(t *testing.T) {
	good, evil := signed(goodHeader, goodClaims), attacks(t)["loose padding bits"]
	tail := func(s string) string { return s[strings.LastIndex(s, ".")+1:] }
	a, err1 := base64.RawURLEncoding.DecodeString(tail(good))
	b, err2 := base64.RawURLEncoding.DecodeString(tail(evil))
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) || good == evil {
		t.Errorf("%x, %v and %x, %v, want equal bytes", a, err1, b, err2)
	}
}

func TestKeyring(t *testing.T) {
	if _, err := NewKeyring(testKey[:31]); err == nil {
		t.Error("NewKeyring takes 31 bytes")
	}
	key := bytes.Clone(testKey)
	k, err := NewKeyring(key)
	if err != nil {
		t.Fatal(err)
	}
	clear(key)
	if _, err := k.Verify(signed(goodHeader, goodClaims), testNow); err != nil {
		t.Errorf("the keyring does not own its key: %v", err)
	}
	old, err := NewKeyring(otherKey, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Verify(signed(goodHeader, goodClaims), testNow); err != nil {
		t.Errorf("a token of the old key: %v", err)
	}
	token, err := old.Sign(Claims{Namespace: "acme", Role: RoleRead, TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Verify(token, time.Now()); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	if _, err := k.Verify(token, time.Now()); err == nil {
		t.Error("the old key signs")
	}
	if _, err := NewKeyring(testKey, testKey); err == nil {
		t.Error("one key twice is a rotation")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if s := fmt.Sprintf(verb, k); s != "tenants.Keyring" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

// FuzzVerify holds that Verify neither panics nor accepts what our key has not signed: whatever is
// accepted has a signature that this test computes itself, and is spelled in the one way there is.
func FuzzVerify(f *testing.F) {
	f.Add(signed(goodHeader, goodClaims), goodHeader, goodClaims)
	for _, token := range attacks(f) {
		if len(token) < 1<<10 {
			f.Add(token, goodHeader, goodClaims)
		}
	}
	k := testKeyring(f)
	tokens := newGatehouse(f)
	f.Fuzz(func(t *testing.T, token, header, claims string) {
		if _, err := k.Verify(token, testNow); err == nil {
			i := strings.LastIndex(token, ".")
			h := hmac.New(sha256.New, testKey)
			h.Write([]byte(token[:i]))
			if want := base64.RawURLEncoding.EncodeToString(h.Sum(nil)); token[i+1:] != want {
				t.Errorf("accepted %q, signature should be %q", token, want)
			}
		}
		if p, err := tokens.Verify(t.Context(), token, testNow); err == nil {
			if q, err := k.Verify(token, testNow); err != nil || p.Role != q.Role || p.Namespace != q.Namespace {
				t.Errorf("no key of a namespace is there, and it accepted %q as %+v", token, p)
			}
		}
		// And what our key did sign is still read with care.
		p, err := k.Verify(signed(header, claims), testNow)
		if err != nil {
			return
		}
		if _, bad := ParseID(string(p.Namespace)); !p.Role.Valid() || bad != nil && p.Role != RoleOperator {
			t.Errorf("accepted %s %s as %+v", header, claims, p)
		}
		if !p.Expires.After(testNow) || strings.Contains(strings.ToLower(header), `"crit"`) {
			t.Errorf("accepted %s %s", header, claims)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	token := signed(goodHeader, goodClaims)
	b.Run("first", func(b *testing.B) {
		k := testKeyring(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.verify(token, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		k := testKeyring(b)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Verify(token, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func ExampleKeyring() {
	k, err := NewKeyring([]byte("thirty-two bytes of a random key"))
	if err != nil {
		panic(err)
	}
	token, err := k.Sign(Claims{Namespace: "acme", Role: RoleDeploy, Subject: "ci", TTL: time.Hour})
	if err != nil {
		panic(err)
	}
	p, err := k.Verify(token, time.Now())
	fmt.Println(p.Namespace, p.Role, p.May(RightDeploy), p.May(RightInvoke), err)
	_, err = p.In("umbrella")
	fmt.Println(abi.CodeOf(err))
	// Output:
	// acme deploy true false <nil>
	// namespace/not_found
}
