package tenants

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Keys of a tenant, made once: RSA keys take long.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey  = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) })
	edKey2 = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pemOf(t testing.TB, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// forgeWith signs any two documents with a private key, in the algorithm of its kind.
func forgeWith(key any, header, claims string) string {
	text := seg(header) + "." + seg(claims)
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	switch key := key.(type) {
	case *rsa.PrivateKey:
		sig = must(rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		sig = ed25519.Sign(key, []byte(text))
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// claimsAt are good claims of acme at the moment now.
func claimsAt(now time.Time) string {
	return fmt.Sprintf(`{"ns":"acme","role":"invoke","sub":"ann","iat":%d,"exp":%d,"iss":"vivarium","aud":"vivarium","jti":"1"}`, now.Unix(), now.Unix()+100)
}

// gatehouse is a registry with the namespaces acme and umbrella, and what checks its tokens.
type gatehouse struct {
	*Tokens
	t   testing.TB
	reg *Registry
	now time.Time

	mu      sync.Mutex // guards the fields below
	answer  string     // of each URL; empty fails
	fetches int
}

func newGatehouse(t testing.TB) *gatehouse {
	t.Helper()
	r, _ := newDisk(t).open(t)
	mustNamespace(t, r, "acme", "umbrella")
	g := &gatehouse{t: t, reg: r, now: time.Now()}
	g.Tokens = NewTokens(testKeyring(t), r, func(_ context.Context, ns ID, _ string, max int) ([]byte, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.fetches++
		if g.answer == "" || ns != "acme" || max != maxKeySet {
			return nil, errors.New("nobody answers")
		}
		return []byte(g.answer), nil
	})
	return g
}

func (g *gatehouse) put(ns ID, n NewTokenKey) {
	g.t.Helper()
	if _, _, err := g.reg.PutTokenKey(context.Background(), ns, n); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gatehouse) verify(token string) (Principal, error) {
	return g.Verify(context.Background(), token, g.now)
}

func (g *gatehouse) good(token string) {
	g.t.Helper()
	if _, err := g.verify(token); err != nil {
		g.t.Errorf("a good token: %v", err)
	}
}

func (g *gatehouse) bad(token string) {
	g.t.Helper()
	p, err := g.verify(token)
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != abi.CodeUnauthenticated || e.Message != "" || e.Metadata != nil || e.Cause == nil || p != (Principal{}) {
		g.t.Errorf("Verify = %+v, %v", p, err)
	}
}

func (g *gatehouse) serve(answer string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

func (g *gatehouse) wantFetches(n int) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fetches != n {
		g.t.Errorf("%d fetches, want %d", g.fetches, n)
	}
}

func TestNamespaceKeys(t *testing.T) {
	g := newGatehouse(t)
	g.put("acme", NewTokenKey{ID: "r", PEM: pemOf(t, &rsaKey().PublicKey)})
	g.put("acme", NewTokenKey{ID: "e", PEM: pemOf(t, &ecKey().PublicKey)})
	g.put("acme", NewTokenKey{ID: "d", JWK: []byte(edJWK("ignored", edKey()))})
	for alg, key := range map[string]any{"RS256 r": rsaKey(), "ES256 e": ecKey(), "EdDSA d": edKey()} {
		name, kid, _ := strings.Cut(alg, " ")
		token := forgeWith(key, fmt.Sprintf(`{"alg":%q,"kid":%q}`, name, kid), claimsAt(g.now))
		p, err := g.verify(token)
		if err != nil || p.Namespace != "acme" || p.Role != RoleInvoke || p.Subject != "ann" || p.Signer.ID != kid {
			t.Errorf("%s: %+v, %v", alg, p, err)
		}
		g.good(token) // remembered
	}
	g.good(signed(goodHeader, claimsAt(g.now))) // the host's own go on
	g.wantFetches(0)
}

func edJWK(kid string, key ed25519.PrivateKey) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"use":"sig","alg":"EdDSA","x":%q}`, kid, base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)))
}

// TestNamespaceKeyAttacks has what strangers, other tenants and the tenant itself may try with the keys of acme.
func TestNamespaceKeyAttacks(t *testing.T) {
	g := newGatehouse(t)
	g.put("acme", NewTokenKey{ID: "r", PEM: pemOf(t, &rsaKey().PublicKey)})
	g.put("acme", NewTokenKey{ID: "e", PEM: pemOf(t, &ecKey().PublicKey)})
	g.put("acme", NewTokenKey{ID: "d", PEM: pemOf(t, edKey().Public())})
	g.put("acme", NewTokenKey{ID: "low", PEM: pemOf(t, edKey().Public()), Role: RoleDeploy})
	g.put("acme", NewTokenKey{ID: "idp", PEM: pemOf(t, edKey().Public()), Issuer: "https://id.example", Audience: "shop"})
	g.put("umbrella", NewTokenKey{ID: "u", PEM: pemOf(t, edKey2().Public())})
	claims := claimsAt(g.now)
	with := func(old, new string) string {
		if !strings.Contains(claims, old) {
			t.Fatalf("%s is not in %s", old, claims)
		}
		return strings.Replace(claims, old, new, 1)
	}
	ed := func(header, claims string) string { return forgeWith(edKey(), header, claims) }
	const d = `{"alg":"EdDSA","kid":"d"}`
	good := ed(d, claims)
	g.good(good)
	text := good[:strings.LastIndex(good, ".")]
	derR := must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey))
	pemR := pemOf(t, &rsaKey().PublicKey)
	hs := func(key []byte, header string) string { return forge(sha256.New, key, header, claims) }
	rs512 := func() string {
		text := seg(`{"alg":"RS512","kid":"r"}`) + "." + seg(claims)
		sum := sha512.Sum512([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(must(rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA512, sum[:])))
	}
	pss := func() string {
		text := seg(`{"alg":"PS256","kid":"r"}`) + "." + seg(claims)
		sum := sha256.Sum256([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(must(rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, sum[:], nil)))
	}
	asn1 := func() string {
		text := seg(`{"alg":"ES256","kid":"e"}`) + "." + seg(claims)
		sum := sha256.Sum256([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(must(ecdsa.SignASN1(rand.Reader, ecKey(), sum[:])))
	}
	before := with(fmt.Sprintf(`"iat":%d`, g.now.Unix()), fmt.Sprintf(`"iat":%d`, g.now.Unix()-3600))
	for name, token := range map[string]string{
		"HS256, the PEM as secret":            hs([]byte(pemR), `{"alg":"HS256","kid":"r"}`),
		"HS256, the PEM without its line end": hs([]byte(strings.TrimSpace(pemR)), `{"alg":"HS256","kid":"r"}`),
		"HS256, the DER as secret":            hs(derR, `{"alg":"HS256","kid":"r"}`),
		"HS256, the modulus as secret":        hs(rsaKey().N.Bytes(), `{"alg":"HS256","kid":"r"}`),
		"HS256, the Ed25519 key as secret":    hs(edKey().Public().(ed25519.PublicKey), `{"alg":"HS256","kid":"d"}`),
		"HS256 under an RSA header":           hs(derR, `{"alg":"RS256","kid":"r"}`),
		"none":                                text[:0] + seg(`{"alg":"none","kid":"d"}`) + "." + seg(claims) + ".",
		"RS512":                               rs512(),
		"PS256":                               pss(),
		"ES256 by the RSA key's id":           forgeWith(ecKey(), `{"alg":"ES256","kid":"r"}`, claims),
		"RS256 by the EC key's id":            forgeWith(rsaKey(), `{"alg":"RS256","kid":"e"}`, claims),
		"EdDSA, said to be ES256":             ed(`{"alg":"ES256","kid":"d"}`, claims),
		"Ed25519 as an alg":                   ed(`{"alg":"Ed25519","kid":"d"}`, claims),
		"ECDSA in ASN.1":                      asn1(),
		"ECDSA of zeros":                      seg(`{"alg":"ES256","kid":"e"}`) + "." + seg(claims) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"EdDSA of zeros":                      text + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"EdDSA too short":                     good[:len(good)-4],
		"RSA of zeros":                        seg(`{"alg":"RS256","kid":"r"}`) + "." + seg(claims) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256)),

		"no kid":              ed(`{"alg":"EdDSA"}`, claims),
		"empty kid":           ed(`{"alg":"EdDSA","kid":""}`, claims),
		"unknown kid":         ed(`{"alg":"EdDSA","kid":"x"}`, claims),
		"kid null":            ed(`{"alg":"EdDSA","kid":null}`, claims),
		"kid is a number":     ed(`{"alg":"EdDSA","kid":1}`, claims),
		"kid twice":           ed(`{"alg":"EdDSA","kid":"x","kid":"d"}`, claims),
		"KID":                 ed(`{"alg":"EdDSA","KID":"d"}`, claims),
		"kid is a path":       ed(`{"alg":"EdDSA","kid":"../acme/d"}`, claims),
		"kid of /dev/null":    hs(nil, `{"alg":"HS256","kid":"../../../../dev/null"}`),
		"kid asks SQL":        ed(`{"alg":"EdDSA","kid":"x' UNION SELECT 'd"}`, claims),
		"kid with NUL":        ed(`{"alg":"EdDSA","kid":"d\u0000"}`, claims),
		"kid is long":         ed(`{"alg":"EdDSA","kid":"`+strings.Repeat("d", 4096)+`"}`, claims),
		"kid in another case": ed(`{"alg":"EdDSA","kid":"D"}`, claims),

		"jwk":                         forgeWith(edKey2(), `{"alg":"EdDSA","kid":"d","jwk":`+edJWK("d", edKey2())+`}`, claims),
		"jku":                         forgeWith(edKey2(), `{"alg":"EdDSA","kid":"d","jku":"https://evil.example/keys"}`, claims),
		"x5u":                         forgeWith(edKey2(), `{"alg":"EdDSA","kid":"d","x5u":"https://evil.example/cert"}`, claims),
		"x5c":                         forgeWith(edKey2(), `{"alg":"EdDSA","kid":"d","x5c":["AAAA"]}`, claims),
		"jku beside a good signature": ed(`{"alg":"EdDSA","kid":"d","jku":"https://evil.example/keys"}`, claims),
		"crit":                        ed(`{"alg":"EdDSA","kid":"d","crit":["exp"]}`, claims),
		"b64":                         ed(`{"alg":"EdDSA","kid":"d","b64":false}`, claims),
		"zip":                         ed(`{"alg":"EdDSA","kid":"d","zip":"DEF"}`, claims),
		"JWE":                         ed(`{"alg":"EdDSA","kid":"d","enc":"A256GCM"}`, claims),
		"nested":                      ed(`{"alg":"EdDSA","kid":"d","cty":"JWT"}`, claims),

		"another namespace":               ed(d, with(`"acme"`, `"umbrella"`)),
		"default":                         ed(d, with(`"acme"`, `"default"`)),
		"a namespace that is not":         ed(d, with(`"acme"`, `"absent"`)),
		"no namespace":                    ed(d, with(`"ns":"acme",`, ``)),
		"no namespace, operator":          ed(d, with(`"ns":"acme","role":"invoke"`, `"role":"operator"`)),
		"operator":                        ed(d, with(`"invoke"`, `"operator"`)),
		"ns twice":                        ed(d, with(`"ns":"acme"`, `"ns":"umbrella","ns":"acme"`)),
		"ns in capitals":                  ed(d, with(`"ns"`, `"NS"`)),
		"ns is a path":                    ed(d, with(`"acme"`, `"acme/../umbrella"`)),
		"another's key in this namespace": forgeWith(edKey2(), `{"alg":"EdDSA","kid":"u"}`, claims),
		"another's key under its own id":  forgeWith(edKey2(), d, claims),
		"a role with a right too many":    ed(`{"alg":"EdDSA","kid":"low"}`, claims),
		"admin of a key for deploys":      ed(`{"alg":"EdDSA","kid":"low"}`, with(`"invoke"`, `"admin"`)),
		"our issuer, not the key's":       ed(`{"alg":"EdDSA","kid":"idp"}`, claims),
		"the key's issuer, our audience":  ed(`{"alg":"EdDSA","kid":"idp"}`, with(`"iss":"vivarium"`, `"iss":"https://id.example"`)),
		"another key's issuer":            ed(d, strings.Replace(with(`"iss":"vivarium"`, `"iss":"https://id.example"`), `"aud":"vivarium"`, `"aud":"shop"`, 1)),
		"lineage":                         ed(d, with(`"jti":"1"`, `"jti":"1","from":{"ids":["x"]}`)),
		"counter":                         ed(d, with(`"jti":"1"`, `"jti":"1","limits":{"uploads":1,"counter":{"id":"x","until":1}}`)),
		"unknown limit":                   ed(d, with(`"jti":"1"`, `"jti":"1","limits":{"colours":[]}`)),
		"older than its namespace":        ed(d, before),
		"without iat":                     ed(d, with(fmt.Sprintf(`"iat":%d,`, g.now.Unix()), ``)),
		"the host's, older":               signed(goodHeader, before),
		"the host's, without iat":         signed(goodHeader, with(fmt.Sprintf(`"iat":%d,`, g.now.Unix()), ``)),
		"expired":                         ed(d, with(fmt.Sprintf(`"exp":%d`, g.now.Unix()+100), fmt.Sprintf(`"exp":%d`, g.now.Unix()))),
		"exp with an exponent":            ed(d, with(fmt.Sprintf(`"exp":%d`, g.now.Unix()+100), `"exp":4e9`)),
		"negative iat":                    ed(d, with(fmt.Sprintf(`"iat":%d`, g.now.Unix()), `"iat":-1`)),
		"nested JSON":                     ed(d, with(`"jti":"1"`, `"jti":"1","x":`+strings.Repeat("[", 3_000)+strings.Repeat("]", 2_999))),
		"all names":                       seg(`{"alg":"EdDSA","kid":"d"}`) + "." + seg(`{"a":1`+strings.Repeat(`,"a":1`, 900)+`}`) + ".AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			g.bad(token)
			g.bad(token)
		})
	}
	g.t = t
	idp := strings.Replace(with(`"iss":"vivarium"`, `"iss":"https://id.example"`), `"aud":"vivarium"`, `"aud":["x","shop"]`, 1)
	g.good(ed(`{"alg":"EdDSA","kid":"idp"}`, idp))
	g.good(ed(`{"alg":"EdDSA","kid":"low"}`, with(`"invoke"`, `"deploy"`)))
	g.good(forgeWith(edKey2(), `{"alg":"EdDSA","kid":"u"}`, with(`"acme"`, `"umbrella"`)))
}

// TestKeysThatGo holds that what a key signed, and what was derived of that, ends with the key.
func TestKeysThatGo(t *testing.T) {
	g := newGatehouse(t)
	ctx := context.Background()
	key := NewTokenKey{ID: "d", PEM: pemOf(t, edKey().Public())}
	other := NewTokenKey{ID: "d", PEM: pemOf(t, edKey2().Public())}
	low := key
	low.Role = RoleRead
	token := forgeWith(edKey(), `{"alg":"EdDSA","kid":"d"}`, claimsAt(g.now))
	g.put("acme", key)
	p, err := g.verify(token)
	if err != nil {
		t.Fatal(err)
	}
	out, err := testKeyring(t).Derive(p, Claims{Namespace: "acme"}, g.now)
	if err != nil {
		t.Fatal(err)
	}
	derived, err := g.verify(out.Token)
	if err != nil || derived.From.Key.ID != "d" {
		t.Fatalf("%+v, %v", derived, err)
	}
	again, err := testKeyring(t).Derive(derived, Claims{Namespace: "acme"}, g.now)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{token, out.Token, again.Token}
	for _, step := range []struct {
		change func()
		ok     bool
	}{
		{func() {}, true},
		{func() { g.put("acme", other) }, false},
		{func() { g.put("acme", key) }, true},
		{func() { g.put("acme", low) }, false},
		{func() { g.put("acme", key) }, true},
		{func() {
			if err := g.reg.DeleteTokenKey(ctx, "acme", "d"); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		step.change()
		for i, token := range all {
			if _, err := g.verify(token); (err == nil) != step.ok {
				t.Errorf("token %d: %v, want %v", i, err, step.ok)
			}
		}
	}
	wantCode(t, g.reg.DeleteTokenKey(ctx, "acme", "d"), abi.CodeNotFound)
}

func TestTokenKeyRecords(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	ctx := context.Background()
	rsa1024 := must(rsa.GenerateKey(rand.Reader, 1024))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	even := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	three := &rsa.PublicKey{N: rsaKey().N, E: 3}
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).Lsh(big.NewInt(1), 8192), 0, 1), E: 65537}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(edKey()))}))
	good := pemOf(t, edKey().Public())
	for name, n := range map[string]NewTokenKey{
		"no id":               {PEM: good},
		"id is a path":        {ID: "../k", PEM: good},
		"nothing":             {ID: "k"},
		"two of them":         {ID: "k", PEM: good, URL: "https://id.example/keys"},
		"operator":            {ID: "k", PEM: good, Role: RoleOperator},
		"unknown role":        {ID: "k", PEM: good, Role: "root"},
		"issuer of controls":  {ID: "k", PEM: good, Issuer: "a\nb"},
		"long audience":       {ID: "k", PEM: good, Audience: strings.Repeat("a", 513)},
		"garbage":             {ID: "k", PEM: "x"},
		"text before":         {ID: "k", PEM: "x\n" + good},
		"text behind":         {ID: "k", PEM: good + "x"},
		"two blocks":          {ID: "k", PEM: good + good},
		"too long":            {ID: "k", PEM: strings.Repeat(" ", 17<<10) + good},
		"private key":         {ID: "k", PEM: private},
		"certificate":         {ID: "k", PEM: strings.ReplaceAll(good, "PUBLIC KEY", "CERTIFICATE")},
		"small RSA":           {ID: "k", PEM: pemOf(t, &rsa1024.PublicKey)},
		"even modulus":        {ID: "k", PEM: pemOf(t, even)},
		"exponent 3":          {ID: "k", PEM: pemOf(t, three)},
		"huge RSA":            {ID: "k", PEM: pemOf(t, huge)},
		"P-384":               {ID: "k", PEM: pemOf(t, &p384.PublicKey)},
		"JWK list":            {ID: "k", JWK: []byte(`[]`)},
		"JWK of a secret":     {ID: "k", JWK: []byte(`{"kty":"oct","k":"AAAA"}`)},
		"private JWK":         {ID: "k", JWK: []byte(strings.Replace(edJWK("k", edKey()), `"kty"`, `"d":"AAAA","kty"`, 1))},
		"JWK twice":           {ID: "k", JWK: []byte(strings.Replace(edJWK("k", edKey()), `"kty"`, `"x":"AAAA","kty"`, 1))},
		"JWK for encryption":  {ID: "k", JWK: []byte(strings.Replace(edJWK("k", edKey()), `"sig"`, `"enc"`, 1))},
		"JWK of another alg":  {ID: "k", JWK: []byte(strings.Replace(edJWK("k", edKey()), `"EdDSA"`, `"ES256"`, 1))},
		"JWK too short":       {ID: "k", JWK: []byte(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`)},
		"point off the curve": {ID: "k", JWK: []byte(`{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`)},
		"RSA of nothing":      {ID: "k", JWK: []byte(`{"kty":"RSA","n":"","e":"AQAB"}`)},
		"RSA, long exponent":  {ID: "k", JWK: []byte(`{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(rsaKey().N.Bytes()) + `","e":"AQAAAAAB"}`)},
		"http":                {ID: "k", URL: "http://id.example/keys"},
		"file":                {ID: "k", URL: "file:///etc/passwd"},
		"URL with a user":     {ID: "k", URL: "https://a:b@id.example/keys"},
		"URL with a fragment": {ID: "k", URL: "https://id.example/keys#x"},
		"URL without a host":  {ID: "k", URL: "https:///keys"},
		"long URL":            {ID: "k", URL: "https://id.example/" + strings.Repeat("k", 512)},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := r.PutTokenKey(ctx, Default, n)
			wantCode(t, err, abi.CodeInvalidRequest)
			if strings.Contains(err.Error(), "AAAA") {
				t.Errorf("the error tells of the key: %v", err)
			}
		})
	}
	for i := range maxTokenKeys + 1 {
		n := NewTokenKey{ID: fmt.Sprint("k", i), PEM: good}
		if i >= maxTokenKeys-maxKeyURLs-1 && i < maxTokenKeys {
			n = NewTokenKey{ID: n.ID, URL: "https://id.example/keys"}
		}
		_, created, err := r.PutTokenKey(ctx, Default, n)
		if full := i == maxTokenKeys-1 || i == maxTokenKeys; full && i == maxTokenKeys-1 != (abi.CodeOf(err) == abi.CodeInvalidRequest) || !full && (err != nil || !created) {
			t.Errorf("key %d: %v, %v", i, created, err)
		}
	}
	_, created, err := r.PutTokenKey(ctx, Default, NewTokenKey{ID: "k0", PEM: good, Role: RoleRead})
	if created || err != nil {
		t.Errorf("in place of another: %v, %v", created, err)
	}
	_, _, err = r.PutTokenKey(ctx, "absent", NewTokenKey{ID: "k", PEM: good})
	wantCode(t, err, abi.CodeNamespaceNotFound)
	want, _ := json.Marshal(r.TokenKeys(Default))
	closeAll()
	r, _ = d.open(t)
	if got, _ := json.Marshal(r.TokenKeys(Default)); string(got) != string(want) || len(got) < 1000 {
		t.Errorf("reopened: %s\nbefore: %s", got, want)
	}
}

// TestKeySets follows the keys behind a URL through time.
func TestKeySets(t *testing.T) {
	g := newGatehouse(t)
	g.put("acme", NewTokenKey{ID: "idp", URL: "https://id.example/keys"})
	one := forgeWith(edKey(), `{"alg":"EdDSA","kid":"one"}`, strings.Replace(claimsAt(g.now), fmt.Sprint(g.now.Unix()+100), fmt.Sprint(g.now.Unix()+100_000), 1))
	two := forgeWith(edKey2(), `{"alg":"EdDSA","kid":"two"}`, strings.Replace(claimsAt(g.now), fmt.Sprint(g.now.Unix()+100), fmt.Sprint(g.now.Unix()+100_000), 1))
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	start := g.now
	at := func(d time.Duration) { g.now = start.Add(d) }

	g.bad(one) // nobody answers
	g.wantFetches(1)
	g.serve(set(edJWK("one", edKey())))
	at(59 * time.Second)
	g.bad(one) // not again within a minute
	g.wantFetches(1)
	at(time.Minute)
	g.good(one)
	g.good(one)
	g.wantFetches(2)
	g.bad(two) // unknown: once a minute at most
	g.wantFetches(2)
	at(2*time.Minute - time.Second)
	g.bad(two)
	g.wantFetches(2)
	at(2 * time.Minute)
	g.bad(two)
	g.bad(two)
	g.wantFetches(3)
	g.serve(set(edJWK("one", edKey()), edJWK("two", edKey2())))
	at(3 * time.Minute)
	g.good(two)
	g.wantFetches(4)
	at(13*time.Minute - time.Second)
	g.good(one) // fresh, for ten minutes
	g.wantFetches(4)

	g.serve("") // down: what is there goes on for an hour
	at(13 * time.Minute)
	g.good(one)
	g.good(two)
	g.wantFetches(5)
	at(63*time.Minute - time.Second)
	g.good(one)
	at(63 * time.Minute)
	g.bad(one)
	at(64 * time.Minute)
	g.serve(set(edJWK("two", edKey2()))) // one was taken out
	g.good(two)
	g.bad(one)
	for name, doc := range map[string]string{
		"not JSON": `x`, "a list": `[]`, "no keys": `{}`, "null": `{"keys":null}`, "text": `{"keys":"x"}`, "KEYS": `{"KEYS":[]}`, "keys twice": `{"keys":[],"keys":[` + edJWK("one", edKey()) + `]}`,
		"one id twice":    set(edJWK("one", edKey()), edJWK("one", edKey2())),
		"a private key":   set(strings.Replace(edJWK("one", edKey()), `"kty"`, `"d":"AAAA","kty"`, 1)),
		"a broken key":    set(edJWK("one", edKey()), `{"kty":"OKP","crv":"Ed25519","kid":"x","x":"AAAA"}`),
		"a small RSA key": set(`{"kty":"RSA","kid":"r","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(must(rsa.GenerateKey(rand.Reader, 1024)).N.Bytes()) + `"}`),
	} {
		if keys, err := parseKeySet([]byte(doc)); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	many := make([]string, maxSetKeys+1)
	for i := range many {
		many[i] = edJWK(fmt.Sprint(i), edKey())
	}
	if _, err := parseKeySet([]byte(set(many...))); err == nil {
		t.Error("33 keys are taken")
	}
	keys, err := parseKeySet([]byte(set(append(many[:maxSetKeys-4], edJWK("", edKey()), `{"kty":"oct","kid":"s"}`, `{"kty":"EC","crv":"P-521","kid":"p"}`, strings.Replace(edJWK("e", edKey()), `"sig"`, `"enc"`, 1))...)))
	if err != nil || len(keys) != maxSetKeys-4 {
		t.Errorf("%d keys, %v: what is for other uses is not passed over", len(keys), err)
	}
}

// TestKeySetHammer has many strangers ask for keys that are not there, and one with a good token.
func TestKeySetHammer(t *testing.T) {
	g := newGatehouse(t)
	g.put("acme", NewTokenKey{ID: "idp", URL: "https://id.example/keys"})
	g.serve(`{"keys":[` + edJWK("one", edKey()) + `]}`)
	good := forgeWith(edKey(), `{"alg":"EdDSA","kid":"one"}`, claimsAt(g.now))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 50 {
				g.bad(forgeWith(edKey2(), fmt.Sprintf(`{"alg":"EdDSA","kid":"%d-%d"}`, i, n), claimsAt(g.now)))
				g.good(good)
			}
		})
	}
	wg.Wait()
	g.wantFetches(1)
}
