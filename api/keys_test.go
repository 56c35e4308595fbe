package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// issuer is a tenant's own, with an Ed25519 key.
type issuer struct {
	id     string
	public ed25519.PublicKey
	key    ed25519.PrivateKey
}

func newIssuer(t testing.TB, id string) *issuer {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{id, public, key}
}

func (i *issuer) pem(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(i.public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (i *issuer) jwk() string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, i.id, base64.RawURLEncoding.EncodeToString(i.public))
}

// token signs claims, to which the times are added.
func (i *issuer) token(claims string) string {
	return i.undated(strings.TrimSuffix(claims, "}") + fmt.Sprintf(`,"iat":%d}`, time.Now().Unix()))
}

// undated is token without a time of issue.
func (i *issuer) undated(claims string) string {
	seg := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	claims = strings.TrimSuffix(claims, "}") + fmt.Sprintf(`,"iss":"vivarium","aud":"vivarium","exp":%d}`, time.Now().Add(time.Hour).Unix())
	text := seg(fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, i.id)) + "." + seg(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(i.key, []byte(text)))
}

func (i *issuer) as(claims string) string { return "Authorization: Bearer " + i.token(claims) }

func TestKeysOfANamespace(t *testing.T) {
	f := newFixture(t)
	i := newIssuer(t, "ours")
	path := "/namespaces/default/keys/ours"
	admin := i.as(`{"ns":"default","role":"admin","sub":"eve","jti":"1"}`)
	f.do("GET", "/actors", "", admin).wantError(t, 401, "auth", "unauthenticated")
	a := f.do("PUT", path, mustJSON(object{"pem": i.pem(t)}))
	if a.status != 201 || !strings.Contains(a.body, `"issuer":"vivarium","audience":"vivarium","role":"admin"`) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := f.do("PUT", path, `{"jwk":`+i.jwk()+`}`); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a := f.do("PUT", "/actors", `{"name":"room"}`, admin); a.status != 200 || f.host.creates[0].Caller != "eve" {
		t.Errorf("got %d %s, %+v", a.status, a.body, f.host.creates)
	}
	f.do("GET", "/actors?namespace=other", "", admin).wantError(t, 404, "namespace", "not_found")
	for _, claims := range []string{`{"ns":"other","role":"admin"}`, `{"ns":"default","role":"operator"}`, `{"role":"operator"}`} {
		f.do("GET", "/actors", "", i.as(claims)).wantError(t, 401, "auth", "unauthenticated")
	}
	if a := f.do("GET", "/namespaces/default/keys", "", admin); a.status != 200 || !strings.Contains(a.body, `"id":"ours"`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
	f.do("GET", "/namespaces/other/keys", "", f.as(tenants.RoleAdmin, "other")).wantBody(t, 200, `{"keys":[]}`)
	for name, body := range map[string]string{
		"nothing": `{}`, "unknown member": `{"pem":"x","kid":"y"}`, "not PEM": `{"pem":"x"}`, "http": `{"url":"http://id.example/keys"}`,
		"operator": mustJSON(object{"pem": i.pem(t), "role": "operator"}), "null": `{"jwk":null}`,
	} {
		if a := f.do("PUT", path, body); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	f.do("PUT", "/namespaces/default/keys/a%2Fb", mustJSON(object{"pem": i.pem(t)})).wantError(t, 400, "guard", "invalid_request")
	f.do("DELETE", path, "").wantBody(t, 200, `{}`)
	f.do("DELETE", path, "").wantError(t, 404, "api", "not_found")
	f.do("GET", "/actors", "", admin).wantError(t, 401, "auth", "unauthenticated")
	limited := f.limited(tenants.RoleAdmin, &tenants.Limits{})
	f.do("GET", "/namespaces/default/keys", "", limited).wantError(t, 403, "auth", "forbidden")
	f.do("PUT", path, mustJSON(object{"pem": i.pem(t)}), limited).wantError(t, 403, "auth", "forbidden")
	f.do("DELETE", path, "", limited).wantError(t, 403, "auth", "forbidden")
}

// TestKeysBehindAURL has a provider of identities on a real server, and a client with a token of it.
func TestKeysBehindAURL(t *testing.T) {
	i := newIssuer(t, "2026-01")
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, i.jwk())
	}))
	t.Cleanup(srv.Close)
	l := openLive(t, actorstest.Options{Config: func(c *actors.Config) {
		c.AllowLoopback, c.Roots = []string{strings.TrimPrefix(srv.URL, "https://")}, x509.NewCertPool()
		c.Roots.AddCert(srv.Certificate())
	}})
	put := func(id, url string) string {
		r, err := http.NewRequest("PUT", "http"+strings.TrimPrefix(l.url, "ws")+"/namespaces/default/keys/"+id, strings.NewReader(mustJSON(object{"url": url, "role": "invoke"})))
		if err != nil {
			t.Fatal(err)
		}
		token, err := l.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleAdmin, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a, err := (&fixture{t: t}).try(r)
		if err != nil || a.status != 201 {
			t.Fatalf("%d %s, %v", a.status, a.body, err)
		}
		return a.body
	}
	if got := put("idp", srv.URL+"/keys"); !strings.Contains(got, `"keys":["2026-01"]`) || strings.Contains(got, "problem") {
		t.Errorf("registered: %s", got)
	}
	if got := put("inside", "https://10.0.0.1/keys"); !strings.Contains(got, `"problem":"the address is private"`) {
		t.Errorf("registered: %s", got)
	}
	path := l.url + "/gateway/script/connect?rvt-method=getOrCreate&rvt-key=a"
	dial(t, path, rivet, i.as(`{"ns":"default","role":"invoke","sub":"ann"}`)).want(msgInit)
	dial(t, path, rivet, i.as(`{"ns":"default","role":"admin","sub":"ann"}`)).want(msgError("auth", "unauthenticated"))
	dial(t, path, rivet, newIssuer(t, "2026-01").as(`{"ns":"default","role":"invoke","sub":"ann"}`)).want(msgError("auth", "unauthenticated"))
}
