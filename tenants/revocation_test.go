package tenants

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// family is a token, one derived of it, and one of that.
func family(t testing.TB, g *gatehouse, c Claims) (tokens [3]string, who [3]Principal) {
	t.Helper()
	c.TTL = time.Hour
	tokens[0] = must(g.keys.Sign(c))
	for i := range tokens {
		var err error
		if who[i], err = g.verify(tokens[i]); err != nil {
			t.Fatal(err)
		}
		if i < 2 {
			out, err := g.keys.Derive(who[i], Claims{Namespace: c.Namespace}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			tokens[i+1] = out.Token
		}
	}
	return tokens, who
}

func TestRevoke(t *testing.T) {
	g := newGatehouse(t)
	ctx := context.Background()
	revoke := func(ns ID, v Revocation) {
		t.Helper()
		v.Until = time.Now().Add(time.Hour)
		if _, err := g.reg.Revoke(ctx, ns, v); err != nil {
			t.Fatal(err)
		}
	}
	acme, who := family(t, g, Claims{Namespace: "acme", Role: RoleAdmin})
	op, opWho := family(t, g, Claims{Role: RoleOperator})
	other, _ := family(t, g, Claims{Namespace: "umbrella", Role: RoleAdmin})

	revoke("umbrella", Revocation{TokenID: who[0].TokenID}) // not its namespace's: nothing happens
	g.good(acme[0])
	revoke("acme", Revocation{TokenID: who[1].TokenID})
	g.good(acme[0])
	g.bad(acme[1])
	g.bad(acme[2]) // comes from it
	revoke("acme", Revocation{TokenID: opWho[0].TokenID})
	g.good(op[0]) // an operator's is the host's to end
	revoke("", Revocation{TokenID: opWho[0].TokenID})
	for _, token := range op {
		g.bad(token)
	}
	g.good(other[2])
	g.put("acme", NewTokenKey{ID: "d", PEM: pemOf(t, edKey().Public())})
	signed := forgeWith(edKey(), `{"alg":"EdDSA","kid":"d"}`, claimsAt(g.now))
	g.good(signed)
	revoke("acme", Revocation{TokenID: "1"})
	g.bad(signed)
	another := forgeWith(edKey(), `{"alg":"EdDSA","kid":"d"}`, strings.Replace(claimsAt(g.now), `"jti":"1"`, `"jti":"2"`, 1))
	g.good(another)
	revoke("acme", Revocation{KeyID: "d"})
	g.bad(another)
	g.good(acme[0])
}

func TestRevocationsOutliveARestart(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	ctx := context.Background()
	soon, later := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(2*time.Hour).Truncate(time.Second)
	for _, tt := range []struct {
		ns ID
		v  Revocation
	}{
		{Default, Revocation{TokenID: "a", Until: later}},
		{Default, Revocation{TokenID: "a", Until: soon}}, // no less than before
		{Default, Revocation{KeyID: "a", Until: soon}},
		{Default, Revocation{TokenID: "past", Until: time.Now().Add(-time.Second)}},
		{"", Revocation{TokenID: "op", Until: soon}},
	} {
		if _, err := r.Revoke(ctx, tt.ns, tt.v); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string]Revocation{
		"nothing": {Until: soon}, "both": {TokenID: "a", KeyID: "b", Until: soon}, "controls": {TokenID: "a\n", Until: soon},
		"long": {TokenID: strings.Repeat("a", maxTokenID+1), Until: soon}, "long key": {KeyID: strings.Repeat("a", maxKeyID+1), Until: soon},
		"never ends": {TokenID: "a", Until: maxTime.Add(time.Hour)},
	} {
		if _, err := r.Revoke(ctx, Default, v); abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := r.Revoke(ctx, "absent", Revocation{TokenID: "a", Until: soon})
	wantCode(t, err, abi.CodeNamespaceNotFound)
	closeAll()
	r, _ = d.open(t)
	if list := r.Revocations(Default); len(list) != 2 || list[0].KeyID != "a" || list[1].TokenID != "a" || !list[1].Until.Equal(later) {
		t.Errorf("reopened: %+v", list)
	}
	if list := r.Revocations(""); len(list) != 1 || list[0].TokenID != "op" {
		t.Errorf("reopened: %+v", list)
	}
	if _, err := r.Revoke(ctx, Default, Revocation{TokenID: "b", Until: soon}); err != nil {
		t.Fatal(err)
	}
	tenant, _ := r.tenant(Default)
	if _, kept := tenant.gate.Load().revoked[revokedToken("past")]; kept {
		t.Error("what has ended by itself is still kept")
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	g := newGate()
	for i := range maxRevocations {
		v := Revocation{TokenID: fmt.Sprint(i), Until: time.Now().Add(time.Hour)}
		g.revoked[v.name()] = v
	}
	d := newDisk(t)
	r, _ := d.open(t)
	tenant, err := r.tenant(Default)
	if err != nil {
		t.Fatal(err)
	}
	tenant.gate.Store(g)
	_, err = r.Revoke(context.Background(), Default, Revocation{TokenID: "x", Until: time.Now().Add(time.Hour)})
	wantCode(t, err, abi.CodeInvalidRequest)
	if _, err = r.Revoke(context.Background(), Default, Revocation{TokenID: "1", Until: time.Now().Add(2 * time.Hour)}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
}

func TestWatch(t *testing.T) {
	g := newGatehouse(t)
	ctx, until := context.Background(), time.Now().Add(time.Hour)
	_, who := family(t, g, Claims{Namespace: "acme", Role: RoleAdmin})
	g.put("acme", NewTokenKey{ID: "d", PEM: pemOf(t, edKey().Public())})
	signed, err := g.verify(forgeWith(edKey(), `{"alg":"EdDSA","kid":"d"}`, claimsAt(g.now)))
	if err != nil {
		t.Fatal(err)
	}
	var ends [5]atomic.Int32
	watch := func(i int, p Principal) func() { return g.Watch(p, p.Namespace, func() { ends[i].Add(1) }) }
	want := func(when string, counts ...int32) {
		t.Helper()
		for i, n := range counts {
			if got := ends[i].Load(); got != n {
				t.Errorf("%s: watch %d ended %d times, want %d", when, i, got, n)
			}
		}
	}
	defer watch(0, who[0])()
	defer watch(1, who[2])()
	defer watch(2, signed)()
	watch(3, who[2])()
	want("at first", 0, 0, 0, 0)
	for range 2 {
		if _, err := g.reg.Revoke(ctx, "acme", Revocation{TokenID: who[1].TokenID, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	want("the one between is revoked", 0, 1, 0, 0)
	defer watch(4, who[2])()
	want("watched too late", 0, 1, 0, 0, 1)
	if err := g.reg.DeleteTokenKey(ctx, "acme", "d"); err != nil {
		t.Fatal(err)
	}
	want("the key is gone", 0, 1, 1, 0, 1)
	if _, err := g.reg.Revoke(ctx, "", Revocation{TokenID: who[0].TokenID, Until: until}); err != nil {
		t.Fatal(err)
	}
	want("an operator revokes", 1, 1, 1, 0, 1)
}

// TestWatchOfKeySets ends what goes on under a key that its URL no longer has.
func TestWatchOfKeySets(t *testing.T) {
	g := newGatehouse(t)
	g.serve(`{"keys":[` + edJWK("one", edKey()) + `]}`)
	g.put("acme", NewTokenKey{ID: "idp", URL: "https://id.example/keys"})
	p, err := g.verify(forgeWith(edKey(), `{"alg":"EdDSA","kid":"one"}`, claimsAt(g.now)))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer g.Watch(p, p.Namespace, func() { close(ended) })()
	g.serve(`{"keys":[` + edJWK("two", edKey2()) + `]}`)
	g.now = g.now.Add(2 * time.Minute)
	g.bad(forgeWith(edKey(), `{"alg":"EdDSA","kid":"three"}`, claimsAt(g.now))) // has it fetched
	select {
	case <-ended:
	default:
		t.Error("the key has gone, its tokens go on")
	}
}

func TestWatchHammer(t *testing.T) {
	g := newGatehouse(t)
	ctx := context.Background()
	_, who := family(t, g, Claims{Namespace: "acme", Role: RoleAdmin})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ended := make(chan struct{})
				stop := g.Watch(who[2], who[2].Namespace, func() { close(ended) })
				if _, err := g.reg.Revoke(ctx, "acme", Revocation{TokenID: who[0].TokenID, Until: time.Now().Add(time.Hour)}); err != nil {
					t.Error(err)
				}
				<-ended // by whoever was first
				stop()
			}
		})
	}
	wg.Wait()
	if n := len(g.watches.all); n != 0 {
		t.Errorf("%d namespaces are still watched", n)
	}
}
