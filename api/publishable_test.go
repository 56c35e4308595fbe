package api

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

const page = "https://app.example"

// publishable returns limits for pages of page, of so many requests a minute.
func publishable(rate int, actors ...string) *tenants.Limits {
	return &tenants.Limits{Actors: actors, Origins: []string{page, "https://two.example"}, Rate: &rate}
}

func (f *fixture) published(l *tenants.Limits) string {
	f.t.Helper()
	return "Authorization: Bearer " + f.sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, TTL: time.Hour, Limits: l})
}

func TestPublishableTokensVisit(t *testing.T) {
	f := newFixture(t)
	id := f.actor("room", "a").String()
	as := f.published(publishable(6_000, "room"))
	call := func(header ...string) answer {
		return f.do("POST", "/gateway/"+id+"/action/x", `{"args":[]}`, append(header, as)...)
	}
	for name, tt := range map[string]struct {
		header []string
		ok     bool
	}{
		"its page":          {[]string{"Origin: " + page}, true},
		"its other page":    {[]string{"Origin: https://two.example"}, true},
		"no page":           {nil, false},
		"a referrer":        {[]string{"Referer: " + page + "/"}, false},
		"another page":      {[]string{"Origin: https://evil.example"}, false},
		"null":              {[]string{"Origin: null"}, false},
		"empty":             {[]string{"Origin: "}, false},
		"two":               {[]string{"Origin: " + page, "Origin: " + page}, false},
		"a list":            {[]string{"Origin: " + page + " https://evil.example"}, false},
		"another scheme":    {[]string{"Origin: http://app.example"}, false},
		"another port":      {[]string{"Origin: " + page + ":8443"}, false},
		"a longer name":     {[]string{"Origin: " + page + ".evil.example"}, false},
		"a name before":     {[]string{"Origin: https://evil.app.example"}, false},
		"in another case":   {[]string{"Origin: HTTPS://app.example"}, false},
		"with a slash":      {[]string{"Origin: " + page + "/"}, false},
		"its page, no CORS": {[]string{"Origin: " + page, "Sec-Fetch-Mode: no-cors"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := call(tt.header...)
			if tt.ok && a.status != 200 {
				t.Errorf("got %d %s", a.status, a.body)
			}
			if !tt.ok {
				a.wantError(t, 403, "auth", "forbidden_origin")
			}
		})
	}
	from := "Origin: " + page
	other := f.actor("user", "a").String()
	f.do("POST", "/gateway/"+other+"/action/x", `{"args":[]}`, from, as).wantError(t, 404, "actor", "not_found")
	f.do("PUT", "/actors", `{"name":"user"}`, from, as).wantError(t, 403, "auth", "forbidden")
	f.do("GET", "/actors/"+id+"/state", "", from, as).wantError(t, 403, "auth", "forbidden")
	f.do("DELETE", "/actors/"+id, "", from, as).wantError(t, 403, "auth", "forbidden")
	f.do("POST", "/namespaces/default/tokens", `{}`, from, as).wantError(t, 403, "auth", "forbidden")
	f.do("GET", "/namespaces", "", from, as).wantError(t, 403, "auth", "forbidden")
	if a := f.do("OPTIONS", "/gateway/"+id+"/action/x", "", "no token", from, "Access-Control-Request-Method: POST"); a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
}

func TestPublishableTokensAreRateLimited(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	id := f.actor("room", "a").String()
	one, two := f.published(publishable(12, "room")), f.published(publishable(12, "room"))
	call := func(as string) answer {
		return f.do("POST", "/gateway/"+id+"/action/x", `{"args":[]}`, "Origin: "+page, as)
	}
	for range 2 { // ten seconds' worth at once
		if a := call(one); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	a := call(one)
	a.wantError(t, 429, "guard", "rate_limit")
	if a.header.Get("Retry-After") != "6" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if a := call(two); a.status != 200 {
		t.Errorf("another token: %d %s", a.status, a.body)
	}
	f.do("POST", "/gateway/"+id+"/action/x", `{"args":[]}`, f.as(tenants.RoleInvoke)).wantBody(t, 200, `{"output":[]}`)
	now = now.Add(5 * time.Second)
	if a := call(one); a.status != 200 {
		t.Errorf("after a while: %d %s", a.status, a.body)
	}
	call(one).wantError(t, 429, "guard", "rate_limit")
	if n := len(f.host.calls); n != 5 {
		t.Errorf("%d calls reached the actor", n)
	}
}

func TestVisitors(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	addr := func(i int) visitor {
		return visitor{"acme", "t", netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})}
	}
	var v visitors
	for range 20 {
		if wait := v.take(addr(0), 120, now); wait != 0 {
			t.Fatalf("within the burst: %v", wait)
		}
	}
	if wait := v.take(addr(0), 120, now); wait < 500*time.Millisecond || wait > 502*time.Millisecond {
		t.Errorf("wait %v, want half a second", wait)
	}
	if v.take(addr(0), 120, now.Add(-time.Hour)) == 0 {
		t.Error("a clock that goes back gives more")
	}
	if v.take(addr(0), 120, now.Add(501*time.Millisecond)) != 0 || v.take(addr(0), 120, now.Add(501*time.Millisecond)) == 0 {
		t.Error("after the wait there is one")
	}
	n := 0
	for range 10_000 { // one a minute, for an hour of impatience
		now = now.Add(360 * time.Millisecond)
		if v.take(addr(1), 1, now) == 0 {
			n++
		}
	}
	if n < 60 || n > 61 {
		t.Errorf("%d in an hour, of one a minute", n)
	}
	for i := range 5 * maxVisitors {
		v.take(addr(i+2), 120, now)
		if len(v.by) > maxVisitors {
			t.Fatalf("%d are remembered", len(v.by))
		}
	}
}

// TestPublishableTokensOfManyAddresses bounds what a token costs when nobody can be told apart.
func TestPublishableTokensOfManyAddresses(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	q := &request{server: f.srv, ns: tenants.Default}
	q.who = tenants.Principal{Namespace: tenants.Default, TokenID: "t", Limits: publishable(60, "room")}
	n := 0
	for i := range 20_000 {
		q.Request = f.request("GET", "/", nil, "no token")
		q.Request.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)
		if f.srv.countVisit(q) == nil {
			n++
		}
	}
	if want := clientsAtOnce * 10; n != want {
		t.Errorf("%d requests of 20,000 addresses at once, want %d", n, want)
	}
}

func TestPublishableTokensOverASocket(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	token, err := l.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, TTL: time.Hour, Limits: publishable(18, "script", "raw")})
	if err != nil {
		t.Fatal(err)
	}
	url := l.url + "/gateway/script/connect?rvt-method=getOrCreate&rvt-key=a"
	now := time.Now()
	l.srv.now = func() time.Time { return now }
	protocols := append([]string{"rivet_token." + token}, rivet...)
	dial(t, url, protocols, "Origin: https://evil.example").want(msgError("auth", "forbidden_origin"), "close 1011 auth.forbidden_origin")
	dial(t, url, protocols).want(msgError("auth", "forbidden_origin"))
	c := dial(t, url, protocols, "Origin: "+page)
	c.want(msgInit) // one of three
	for i := range 2 {
		c.send(msgAction(i, "nop", "[]"))
		c.want(fmt.Sprintf(`{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","%d"],…`, i))
	}
	c.send(msgAction(2, "nop", "[]"))
	c.want(msgError("guard", "rate_limit")) // and the connection stays
	c.send(msgSubscribe("x", true))
	c.want(msgError("guard", "rate_limit"), "close 1011 guard.rate_limit")
	dial(t, url, protocols, "Origin: "+page).want(msgError("guard", "rate_limit"), "close 1011 guard.rate_limit")
	raw := strings.Replace(url, "script/connect", "raw/websocket", 1)
	dial(t, raw, []string{"rivet_token." + token, "x"}, "Origin: "+page).want("close 1011 guard.rate_limit")
}
