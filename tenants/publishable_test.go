package tenants

import (
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestPublishableTokens(t *testing.T) {
	k := testKeyring(t)
	page := func(change func(*Claims)) Claims {
		c := Claims{Namespace: "acme", Role: RoleInvoke, TTL: time.Hour, Limits: &Limits{Actors: []string{"room"}, Origins: []string{"https://app.example"}}}
		if change != nil {
			change(&c)
		}
		return c
	}
	token, err := k.Sign(page(nil))
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Verify(token, time.Now())
	if err != nil || !p.Publishable() || p.Rate() != DefaultRate || !p.Visits("https://app.example") || p.Visits("https://app.example.evil") || p.Visits("") {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := k.Derive(p, Claims{Namespace: "acme"}, time.Now()); abi.CodeOf(err) != abi.CodeForbidden {
		t.Errorf("derived: %v", err)
	}
	origins := func(list ...string) func(*Claims) { return func(c *Claims) { c.Limits.Origins = list } }
	for name, tt := range map[string]struct {
		change func(*Claims)
		ok     bool
	}{
		"with a port":       {origins("https://app.example:8443"), true},
		"loopback":          {origins("http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000", "http://localhost"), true},
		"with a rate":       {func(c *Claims) { c.Limits.Rate = ptr(1) }, true},
		"read":              {func(c *Claims) { c.Role = RoleRead }, false},
		"admin":             {func(c *Claims) { c.Role = RoleAdmin }, false},
		"deploy":            {func(c *Claims) { c.Role = RoleDeploy }, false},
		"a subject":         {func(c *Claims) { c.Subject = "ann" }, false},
		"no actors":         {func(c *Claims) { c.Limits.Actors = nil }, false},
		"an empty list":     {func(c *Claims) { c.Limits.Actors = []string{} }, false},
		"no origins":        {origins([]string{}...), false},
		"rate alone":        {func(c *Claims) { c.Limits.Origins, c.Limits.Rate = nil, ptr(1) }, false},
		"rate of zero":      {func(c *Claims) { c.Limits.Rate = ptr(0) }, false},
		"rate too high":     {func(c *Claims) { c.Limits.Rate = ptr(maxRate + 1) }, false},
		"any origin":        {origins("*"), false},
		"wildcard":          {origins("https://*.example"), false},
		"null":              {origins("null"), false},
		"empty":             {origins(""), false},
		"http":              {origins("http://app.example"), false},
		"http, looks local": {origins("http://localhost.evil.example"), false},
		"with a slash":      {origins("https://app.example/"), false},
		"with a path":       {origins("https://app.example/x"), false},
		"with a user":       {origins("https://a@app.example"), false},
		"with a query":      {origins("https://app.example?x"), false},
		"default port":      {origins("https://app.example:443"), false},
		"capitals":          {origins("https://App.example"), false},
		"no host":           {origins("https://"), false},
		"port alone":        {origins("https://:8443"), false},
		"extension":         {origins("chrome-extension://abc"), false},
		"too many":          {origins(strings.Split(strings.Repeat("https://app.example ", maxOrigins)+"https://app.example", " ")...), false},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.change == nil {
				t.Fatal("no change")
			}
			c := page(tt.change)
			if name == "no origins" {
				c.Limits.Origins = []string{}
			}
			_, err := k.Sign(c)
			if (err == nil) != tt.ok || err != nil && abi.CodeOf(err) != abi.CodeInvalidRequest {
				t.Errorf("Sign: %v, want %v", err, tt.ok)
			}
		})
	}
	const limits = `"limits":{"actors":["room"],"origins":["https://app.example"]}`
	for name, token := range map[string]string{
		"admin":     claimed(t, `"sub":"ann",`, limits+`,`),
		"a subject": claimed(t, `"role":"admin"`, `"role":"invoke",`+limits),
		"no jti":    signed(goodHeader, strings.NewReplacer(`"admin","sub":"ann"`, `"invoke"`, `"jti":"1"`, limits).Replace(goodClaims)),
		"null":      signed(goodHeader, strings.NewReplacer(`"admin","sub":"ann"`, `"invoke"`, `"jti":"1"`, `"jti":"1","limits":{"actors":["room"],"origins":null}`).Replace(goodClaims)),
	} {
		if _, err := k.Verify(token, testNow); abi.CodeOf(err) != abi.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Who may call actors can give a page less.
	user := Principal{Namespace: "acme", Role: RoleInvoke, Subject: "ann", TokenID: "1", Expires: time.Now().Add(time.Hour)}
	out, err := k.Derive(user, page(nil), time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := k.Verify(out.Token, time.Now()); err != nil || !p.Publishable() || p.Subject != "" {
		t.Errorf("%+v, %v", p, err)
	}
}
