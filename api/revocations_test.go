package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestRevocations(t *testing.T) {
	f := newFixture(t)
	i := newIssuer(t, "ours")
	f.do("PUT", "/namespaces/default/keys/ours", mustJSON(object{"pem": i.pem(t)}))
	admin, other, op := f.as(tenants.RoleAdmin), f.as(tenants.RoleAdmin, "other"), f.as(tenants.RoleOperator, "")
	const path = "/namespaces/default/revocations"
	revoke := func(as, path string, body object) answer { return f.do("POST", path, mustJSON(body), as) }
	works := func(token string) bool {
		return f.do("GET", "/namespaces/default/revocations", "", "Authorization: Bearer "+token).status != 401
	}
	soon := time.Now().Add(time.Hour).UnixMilli()

	one, two := f.token(tenants.RoleInvoke), f.token(tenants.RoleInvoke)
	if a := revoke(admin, path, object{"token": one}); a.status != 200 || !strings.Contains(a.body, `"token_id":`) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if works(one) || !works(two) {
		t.Error("not that one token was revoked")
	}
	revoke(admin, path, object{"token": one}).wantError(t, 400, "guard", "invalid_request") // it is none any more
	p, err := f.keys.Verify(two, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	revoke(admin, path, object{"token_id": p.TokenID, "expires_ts": soon})
	if works(two) {
		t.Error("a token is not revoked by its id")
	}
	ours := i.token(`{"ns":"default","role":"invoke","jti":"a"}`)
	unnamed := i.token(`{"ns":"default","role":"invoke"}`)
	if !works(ours) || !works(unnamed) {
		t.Fatal("a token of the namespace's key is not good")
	}
	revoke(admin, path, object{"token": unnamed}).wantError(t, 400, "guard", "invalid_request")
	revoke(admin, path, object{"key_id": "ours", "expires_ts": soon})
	if works(ours) || works(unnamed) {
		t.Error("a revoked key is still good")
	}

	foreign, operator := f.token(tenants.RoleAdmin, "other"), f.token(tenants.RoleOperator, "")
	for name, body := range map[string]object{
		"of another namespace": {"token": foreign}, "an operator's": {"token": operator}, "garbage": {"token": "x.y.z"},
		"nothing": {}, "two": {"token_id": "a", "key_id": "b", "expires_ts": soon}, "no time": {"token_id": "a"}, "past": {"token_id": "a", "expires_ts": 1},
		"a time too far": {"token_id": "a", "expires_ts": int64(1) << 60}, "odd id": {"token_id": "a\n", "expires_ts": soon}, "unknown": {"id": "a"},
	} {
		if a := revoke(admin, path, body); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	revoke(other, path, object{"token_id": "a", "expires_ts": soon}).wantError(t, 404, "namespace", "not_found")
	revoke(f.as(tenants.RoleDeploy), path, object{"token_id": "a", "expires_ts": soon}).wantError(t, 403, "auth", "forbidden")
	revoke(admin, "/revocations", object{"token_id": "a", "expires_ts": soon}).wantError(t, 403, "auth", "forbidden")
	revoke(op, "/revocations", object{"key_id": "a", "expires_ts": soon}).wantError(t, 400, "guard", "invalid_request")
	if !works(foreign) || !works(operator) {
		t.Fatal("a stranger's token was revoked")
	}
	revoke(op, "/revocations", object{"token": operator})
	revoke(op, "/revocations", object{"token": foreign}) // operators end whose they like
	if works(operator) || works(foreign) {
		t.Error("what an operator revokes goes on")
	}
	var list struct{ Revocations []revocationBody }
	if err := json.Unmarshal([]byte(f.do("GET", path, "").body), &list); err != nil || len(list.Revocations) != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	f.do("GET", "/namespaces/other/revocations", "", other).wantBody(t, 200, `{"revocations":[]}`)
}

// TestRevokedTokensEndWhatGoesOn has each kind of what outlives a request under a token, and under another one.
func TestRevokedTokensEndWhatGoesOn(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	sign := func(c tenants.Claims) (string, tenants.Principal) {
		c.Namespace, c.TTL = tenants.Default, time.Hour
		token, err := l.keys.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := l.keys.Verify(token, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return token, p
	}
	token, who := sign(tenants.Claims{Role: tenants.RoleAdmin})
	out, err := l.keys.Derive(who, tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	stays, _ := sign(tenants.Claims{Role: tenants.RoleInvoke})
	id := l.Actor(tenants.Default, "script", "a").String()
	conn := dial(t, l.url+"/gateway/"+id+"/connect", rivet, "Authorization: Bearer "+out.Token)
	other := l.Actor(tenants.Default, "raw", "a")
	raw := dial(t, l.url+"/gateway/"+other.String()+"/websocket", nil, "Authorization: Bearer "+token)
	kept := dial(t, l.url+"/gateway/"+id+"/connect", rivet, "Authorization: Bearer "+stays)
	conn.want(msgInit)
	kept.want(msgInit)
	kvtest.Eventually(t, "the raw socket is open", func() bool {
		list, err := l.Host.Connections(t.Context(), other)
		return err == nil && len(list) == 1
	})
	r, err := http.NewRequest("GET", "http"+strings.TrimPrefix(l.url, "ws")+"/actors/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()

	began := time.Now()
	if _, err := l.Registry.Revoke(t.Context(), tenants.Default, tenants.Revocation{TokenID: who.TokenID, Until: who.Expires}); err != nil {
		t.Fatal(err)
	}
	conn.want("close 4401 auth.token_revoked")
	raw.want("close 4401 auth.token_revoked")
	var text strings.Builder
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		text.WriteString(s.Text() + "\n")
	}
	if !strings.Contains(text.String(), "event: end\ndata: {\"reason\":\"token_revoked\"}") {
		t.Errorf("the stream of events ended with %q", text.String())
	}
	if d := time.Since(began); d > 5*time.Second { // a second, and what a loaded machine takes
		t.Errorf("it took %v", d)
	}
	kept.send(msgAction(1, "nop", "[]"))
	kept.want(`{"body":{"tag":"ActionResponse",…`)
}
