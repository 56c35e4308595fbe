package tenants

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// parent is a token that is limited in every dimension.
func parent(t testing.TB, k *Keyring) Principal {
	t.Helper()
	token, err := k.Sign(Claims{Namespace: "acme", Role: RoleAdmin, Subject: "ann", TTL: time.Hour, Limits: &Limits{
		Actors: []string{"room", "user"}, Keys: []string{"org/1"}, Actions: []string{"get", "queue:jobs"}, Modules: []string{"m"},
		UploadBytes: ptr(int64(100)), Uploads: ptr(3), NoLive: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Verify(token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDeriveOnlyNarrows(t *testing.T) {
	k := testKeyring(t)
	p := parent(t, k)
	tests := []struct {
		name      string
		want      Claims
		dimension string // in which it would be wider; empty if it would not
	}{
		{"the same", Claims{}, ""},
		{"less in everything", Claims{Role: RoleInvoke, Subject: "bob", TTL: time.Minute, Limits: &Limits{
			Actors: []string{"room"}, Keys: []string{"org/1/x"}, Actions: []string{"action:get"}, Modules: []string{},
			UploadBytes: ptr(int64(0)), Uploads: ptr(0), NoLive: true}}, ""},
		{"role", Claims{Role: RoleOperator}, "role"},
		{"namespace", Claims{Namespace: "umbrella"}, "namespace"},
		{"no namespace", Claims{Namespace: "-"}, "namespace"},
		{"ttl", Claims{TTL: 2 * time.Hour}, "ttl"},
		{"actors", Claims{Limits: &Limits{Actors: []string{"room", "other"}}}, "actors"},
		{"actor in another case", Claims{Limits: &Limits{Actors: []string{"Room"}}}, "actors"},
		{"a shorter key", Claims{Limits: &Limits{Keys: []string{"org"}}}, "keys"},
		{"a key that only looks longer", Claims{Limits: &Limits{Keys: []string{"org/10"}}}, "keys"},
		{"the empty key", Claims{Limits: &Limits{Keys: []string{"/"}}}, "keys"},
		{"one key too many", Claims{Limits: &Limits{Keys: []string{"org/1", "org/2"}}}, "keys"},
		{"action", Claims{Limits: &Limits{Actions: []string{"set"}}}, "actions"},
		{"queue as an action", Claims{Limits: &Limits{Actions: []string{"jobs"}}}, "actions"},
		{"another door", Claims{Limits: &Limits{Actions: []string{"connect:"}}}, "actions"},
		{"module", Claims{Limits: &Limits{Modules: []string{"n"}}}, "modules"},
		{"size", Claims{Limits: &Limits{UploadBytes: ptr(int64(101))}}, "upload_bytes"},
		{"number", Claims{Limits: &Limits{Uploads: ptr(4)}}, "uploads"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			switch tt.want.Namespace {
			case "":
				tt.want.Namespace = "acme"
			case "-":
				tt.want.Namespace = ""
			}
			out, err := k.Derive(p, tt.want, time.Now())
			if tt.dimension != "" {
				wantCode(t, err, abi.CodeForbidden)
				wantMetadata(t, err, fmt.Sprintf(`{"dimension":%q}`, tt.dimension))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			child, err := k.Verify(out.Token, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if child.Expires.After(p.Expires) || child.SetsLive() || child.Limits.Counter == nil || child.Limits.Counter.ID != p.TokenID || child.From.IDs[0] != p.TokenID {
				t.Errorf("derived %+v %+v %+v", child, child.Limits, child.From)
			}
		})
	}
	for name, want := range map[string]Claims{
		"unknown role":   {Namespace: "acme", Role: "root"},
		"malformed list": {Namespace: "acme", Limits: &Limits{Actors: []string{"*"}}},
		"counter":        {Namespace: "acme", Limits: &Limits{Uploads: ptr(1), Counter: &Counter{"other", 0}}},
	} {
		_, err := k.Derive(p, want, time.Now())
		if abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeriveRoles derives each role from each other.
func TestDeriveRoles(t *testing.T) {
	k := testKeyring(t)
	can := map[Role]string{ // what may be derived
		RoleOperator: "operator admin deploy invoke read",
		RoleAdmin:    "admin deploy invoke read",
		RoleDeploy:   "deploy read",
		RoleInvoke:   "invoke",
		RoleRead:     "read",
	}
	for from, roles := range can {
		p := Principal{Namespace: "acme", Role: from, Subject: "ann", TokenID: "1", Expires: time.Now().Add(time.Hour)}
		for to := range can {
			_, err := k.Derive(p, Claims{Namespace: "acme", Role: to, Subject: "ann", TTL: time.Minute}, time.Now())
			if may := strings.Contains(roles, string(to)); may != (err == nil) {
				t.Errorf("%s from %s: %v", to, from, err)
			}
		}
		_, err := k.Derive(p, Claims{Namespace: "acme", Subject: "bob", TTL: time.Minute}, time.Now())
		if vouches := p.May(RightAdmin); vouches != (err == nil) {
			t.Errorf("%s names another subject: %v", from, err)
		}
	}
}

func TestDeriveAgain(t *testing.T) {
	k := testKeyring(t)
	p := parent(t, k)
	for i := range maxLineage {
		out, err := k.Derive(p, Claims{Namespace: "acme"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if p, err = k.Verify(out.Token, time.Now()); err != nil || len(p.From.IDs) != i+1 {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	_, err := k.Derive(p, Claims{Namespace: "acme"}, time.Now())
	wantCode(t, err, abi.CodeForbidden)
	_, err = k.Derive(Principal{Namespace: "acme", Role: RoleAdmin, Expires: time.Now().Add(time.Hour)}, Claims{Namespace: "acme"}, time.Now())
	wantCode(t, err, abi.CodeInvalidRequest)
	_, err = k.Derive(Principal{Namespace: "acme", Role: RoleAdmin, TokenID: "1", Expires: time.Now()}, Claims{Namespace: "acme"}, time.Now())
	wantCode(t, err, abi.CodeInvalidRequest) // no time is left

	for name, doc := range map[string]string{
		"null": `null`, "list": `["a"]`, "no ids": `{}`, "empty": `{"ids":[]}`, "empty id": `{"ids":[""]}`, "number": `{"ids":[1]}`,
		"unknown": `{"ids":["a"],"x":1}`, "twice": `{"ids":["a"],"ids":["b"]}`, "caps": `{"IDS":["a"]}`,
		"too many": `{"ids":["` + strings.Repeat(`a","`, maxLineage) + `a"]}`,
	} {
		if _, err := k.Verify(claimed(t, `"jti":"1"`, `"jti":"1","from":`+doc), testNow); abi.CodeOf(err) != abi.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeriveNeverWidens derives at random and asks parent and child the same questions.
func TestDeriveNeverWidens(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	names, keys := []string{"a", "b", "c"}, []string{"/", "x", "x/1", "x/1/2", "xy", `x\/1`}
	doors := []string{"get", "action:get", "queue:get", "connect:", "request:"}
	some := func(from []string) []string {
		if r.IntN(3) == 0 {
			return nil
		}
		list := []string{}
		for range r.IntN(3) {
			list = append(list, from[r.IntN(len(from))])
		}
		return list
	}
	limits := func() *Limits {
		l := &Limits{Actors: some(names), Keys: some(keys), Actions: some(doors), Modules: some(names), NoLive: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			l.UploadBytes, l.Uploads = ptr(r.Int64N(3)), ptr(r.IntN(3))
		}
		return l
	}
	derived := 0
	for range 5_000 {
		p := Principal{Namespace: "acme", Role: RoleAdmin, TokenID: "p", Expires: time.Now().Add(time.Hour), Limits: limits()}
		c, err := p.Derive(Claims{Namespace: "acme", Limits: limits()}, time.Now())
		if err != nil {
			continue
		}
		derived++
		child := Principal{Limits: c.Limits}
		for _, name := range names {
			wider := child.Manages(name) && !p.Manages(name)
			for _, key := range keys {
				a := Address{"acme", name, Key(key)}
				wider = wider || child.Reaches(a) && !p.Reaches(a)
			}
			if wider {
				t.Fatalf("seed %d: %+v from %+v", seed, c.Limits, p.Limits)
			}
		}
		for _, d := range []Door{ActionDoor("get"), QueueDoor("get"), DoorConnect, DoorRequest, DoorWebSocket} {
			if child.Enters(d) && !p.Enters(d) {
				t.Fatalf("seed %d: %+v from %+v", seed, c.Limits, p.Limits)
			}
		}
		if child.SetsLive() && !p.SetsLive() || child.UploadBytes(10) > p.UploadBytes(10) {
			t.Fatalf("seed %d: %+v from %+v", seed, c.Limits, p.Limits)
		}
	}
	if derived < 500 {
		t.Errorf("only %d of 5000 could be derived", derived)
	}
}

// TestDerivedUploadsAreCountedTogether holds that deriving is no way to more uploads.
func TestDerivedUploadsAreCountedTogether(t *testing.T) {
	k := testKeyring(t)
	d := newDisk(t)
	r, _ := d.open(t)
	mustNamespace(t, r, "acme")
	p := parent(t, k)
	left := 0
	for range 5 {
		out, err := k.Derive(p, Claims{Namespace: "acme"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		child, err := k.Verify(out.Token, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if r.CountUpload(context.Background(), "acme", child) == nil {
			left++
		}
	}
	if left != 3 {
		t.Errorf("five children of a token with three uploads had %d", left)
	}
}
