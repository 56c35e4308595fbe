package api

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// Each client has its rate, whatever it asks, before it is known who it is.
func TestClientRate(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.ClientRate, c.TrustedProxies = 1, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	ask := func(client string) answer {
		return f.do("GET", "/healthz", "", "No Token: x", "X-Forwarded-For: "+client)
	}
	for n := range 20 {
		if a := ask("198.51.100.1"); a.status != 200 {
			t.Fatalf("request %d: %d", n, a.status)
		}
	}
	a := ask("198.51.100.1")
	a.wantError(t, 429, "guard", "rate_limit")
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q, want 1", got)
	}
	f.do("GET", "/actors", "", "X-Forwarded-For: 198.51.100.1").wantError(t, 429, "guard", "rate_limit")
	f.do("OPTIONS", "/actors", "", "X-Forwarded-For: 198.51.100.1", "Origin: https://a.example", "Access-Control-Request-Method: POST").wantError(t, 429, "guard", "rate_limit")
	if a := ask("198.51.100.2"); a.status != 200 {
		t.Errorf("another client: %d", a.status)
	}
	now = now.Add(time.Second)
	if a := ask("198.51.100.1"); a.status != 200 {
		t.Errorf("a second later: %d", a.status)
	}
}

// A message over a socket is a request: an action is answered that it is too much, and what waits for no answer ends the
// socket.
func TestClientRateOverASocket(t *testing.T) {
	l := openLive(t, actorstest.Options{}, func(c *Config) { c.ClientRate = 1 })
	clock := actorstest.ClockAt(time.Now())
	l.srv.now = clock.Now
	c := dial(t, l.path("script", "a", "connect"), rivet)
	c.want(msgInit) // one of twenty
	for i := range 19 {
		c.send(msgAction(i, "nop", "[]"))
		c.want(fmt.Sprintf(`{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","%d"],…`, i))
	}
	c.send(msgAction(19, "nop", "[]"))
	c.want(msgError("guard", "rate_limit")) // and the connection stays
	clock.Advance(time.Second)
	c.send(msgAction(20, "nop", "[]"))
	c.want(`{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","20"],…`)
	c.send(msgSubscribe("x", true))
	c.want(msgError("guard", "rate_limit"), "close 1011 guard.rate_limit")
	clock.Advance(time.Second)
	raw := dial(t, l.path("raw", "a", "websocket"), []string{"x"})
	raw.send("one too many")
	raw.want("close 1011 guard.rate_limit")
}

// Who guesses tokens is soon refused before anything is compared.
func TestGuessesCostMore(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ClientRate = 1 })
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	for range 2 {
		f.do("GET", "/actors", "", "Authorization: Bearer a.b.c").wantError(t, 401, "auth", "unauthenticated")
	}
	f.do("GET", "/actors", "", "Authorization: Bearer a.b.c").wantError(t, 429, "guard", "rate_limit")
	now = now.Add(failureCost * time.Second)
	if a := f.do("GET", "/actors", ""); a.status != 200 {
		t.Errorf("a good token after a while: %d %s", a.status, a.body)
	}
	now = now.Add(time.Minute)
	for range 20 {
		if a := f.do("GET", "/actors", ""); a.status != 200 {
			t.Errorf("good tokens: %d %s", a.status, a.body)
		}
	}
	if a := f.do("GET", "/actors", "", f.as(tenants.RoleInvoke)); a.status != 429 {
		t.Errorf("past the rate: %d", a.status)
	}
}

// The clients that are remembered are bounded, and who asks most is not forgotten for those who ask once.
func TestClientsAreForgotten(t *testing.T) {
	c := clientRates{limit: 1}
	now := time.Now()
	loud := netip.MustParseAddr("192.0.2.1")
	for c.take(loud, now) == 0 {
	}
	for i := range 2 * maxClients {
		c.take(netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), now)
		if i%1000 == 0 && c.take(loud, now) == 0 {
			t.Fatalf("after %d others it is forgotten", i)
		}
	}
	if c.recent.Len() != maxClients || len(c.by) != maxClients {
		t.Errorf("%d and %d are remembered, want %d", c.recent.Len(), len(c.by), maxClients)
	}
}
