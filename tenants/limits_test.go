package tenants

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func mustKey(t testing.TB, components ...string) Key {
	t.Helper()
	k, err := NewKey(components...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLimitsReach(t *testing.T) {
	l := &Limits{Actors: []string{"room", "user"}, Keys: []string{"org", `a\/b`, `back\\`}}
	tests := []struct {
		name string
		key  Key
		want bool
	}{
		{"room", mustKey(t, "org"), true},
		{"user", mustKey(t, "org", "1"), true},
		{"other", mustKey(t, "org"), false},
		{"Room", mustKey(t, "org"), false},
		{"room", EmptyKey, false},
		{"room", mustKey(t, "organisation"), false},
		{"room", mustKey(t, "x", "org"), false},
		{"room", mustKey(t, "org/1"), false}, // one component with a slash, not two
		{"room", mustKey(t, "a/b", "c"), true},
		{"room", mustKey(t, "a", "b"), false},
		{"room", mustKey(t, `back\`, "c"), true},
		{"room", mustKey(t, `back\/c`), false},
		{"room", mustKey(t, "", "org"), false},
	}
	for _, tt := range tests {
		if got := l.reaches(Address{"acme", tt.name, tt.key}); got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.name, tt.key, got, tt.want)
		}
	}
	all := &Limits{Keys: []string{"/"}}
	if !all.reaches(Address{"acme", "x", EmptyKey}) || !all.reaches(Address{"acme", "x", "a/b"}) {
		t.Error("the empty key is not where every key begins")
	}
	none := &Limits{Actors: []string{}}
	if none.reaches(Address{"acme", "x", EmptyKey}) {
		t.Error("an empty list limits nothing")
	}
}

func TestLimitsDoors(t *testing.T) {
	l := &Limits{Actions: []string{"get", "action:queue:odd", "queue:jobs", "connect:"}}
	for door, want := range map[Door]bool{
		ActionDoor("get"): true, ActionDoor("queue:odd"): true, QueueDoor("jobs"): true, DoorConnect: true,
		ActionDoor("set"): false, ActionDoor("jobs"): false, ActionDoor("queue:jobs"): false, ActionDoor("connect:"): false,
		QueueDoor("odd"): false, QueueDoor("get"): false, DoorRequest: false, DoorWebSocket: false, ActionDoor(""): false, "": false,
	} {
		if got := l.enters(door); got != want {
			t.Errorf("%q: %v, want %v", door, got, want)
		}
	}
	if !(&Limits{}).enters(DoorRequest) || (&Limits{Actions: []string{}}).enters(DoorConnect) {
		t.Error("no list is not the same as an empty one")
	}
}

// limited returns a token of our key with a claim "limits".
func limited(t testing.TB, doc string) string {
	t.Helper()
	return claimed(t, `"jti":"1"`, `"jti":"1","limits":`+doc)
}

func TestLimitsOfTokens(t *testing.T) {
	k := testKeyring(t)
	want := &Limits{
		Actors: []string{"room"}, Keys: []string{"org/1"}, Actions: []string{"get", "request:"}, Modules: []string{},
		UploadBytes: ptr(int64(0)), Uploads: ptr(3), NoLive: true,
	}
	token, err := k.Sign(Claims{Namespace: "acme", Role: RoleAdmin, TTL: time.Hour, Limits: want})
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.Verify(token, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got := p.Limits
	if !p.Limited() || got.Modules == nil || len(got.Modules) != 0 || *got.UploadBytes != 0 || *got.Uploads != 3 || !p.Enters(DoorRequest) || p.SetsLive() || p.Manages("m") {
		t.Errorf("Verify = %+v, want %+v", got, want)
	}
	for name, doc := range map[string]string{
		"null": `null`, "text": `"x"`, "list": `[]`, "number": `1`,
		"unknown limit":      `{"colours":["red"]}`,
		"limit null":         `{"actors":null}`,
		"limit in caps":      `{"Actors":["room"]}`,
		"limit twice":        `{"actors":["room"],"actors":["user"]}`,
		"limit twice, caps":  `{"actors":["room"],"ACTORS":["user"]}`,
		"actors are text":    `{"actors":"room"}`,
		"actor is a number":  `{"actors":[1]}`,
		"actor with a slash": `{"actors":["a/b"]}`,
		"actor is a star":    `{"actors":["*"]}`,
		"actor is empty":     `{"actors":[""]}`,
		"key not canonical":  `{"keys":["a\\"]}`,
		"key is a list":      `{"keys":[["a"]]}`,
		"unknown door":       `{"actions":["door:x"]}`,
		"door without name":  `{"actions":["queue:"]}`,
		"door with a name":   `{"actions":["connect:x"]}`,
		"action is empty":    `{"actions":[""]}`,
		"module with a dot":  `{"modules":["../x"]}`,
		"negative size":      `{"upload_bytes":-1}`,
		"size as text":       `{"upload_bytes":"1"}`,
		"size is a fraction": `{"upload_bytes":1.5}`,
		"size too large":     `{"upload_bytes":1e30}`,
		"negative uploads":   `{"uploads":-1}`,
		"too many uploads":   `{"uploads":1000001}`,
		"no_live is text":    `{"no_live":"true"}`,
		"counter alone":      `{"counter":{"id":"x","until":1}}`,
		"counter without id": `{"uploads":1,"counter":{"id":"","until":1}}`,
		"counter before":     `{"uploads":1,"counter":{"id":"x","until":-1}}`,
		"too many entries":   `{"actors":["` + strings.Repeat(`a","`, 64) + `a"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := k.Verify(limited(t, doc), testNow); abi.CodeOf(err) != abi.CodeUnauthenticated {
				t.Errorf("Verify = %+v, %v", p, err)
			}
		})
	}
	operator := strings.Replace(strings.Replace(goodClaims, `"admin"`, `"operator"`, 1), `"jti":"1"`, `"jti":"1","limits":{}`, 1)
	if _, err := k.Verify(signed(goodHeader, operator), testNow); err == nil {
		t.Error("an operator has limits")
	}
	if _, err := k.Verify(claimed(t, `"jti":"1"`, `"limits":{"uploads":1}`), testNow); err == nil {
		t.Error("uploads are limited of a token without an id")
	}
	for name, c := range map[string]Claims{
		"operator":  {Role: RoleOperator, TTL: time.Hour, Limits: &Limits{}},
		"malformed": {Namespace: "acme", Role: RoleAdmin, TTL: time.Hour, Limits: &Limits{Actors: []string{"*"}}},
		"too long":  {Namespace: "acme", Role: RoleAdmin, TTL: time.Hour, Limits: &Limits{Actions: []string{strings.Repeat("a", maxLimitEntry+1)}}},
		"too much":  {Namespace: "acme", Role: RoleAdmin, TTL: time.Hour, Limits: &Limits{Actions: []string{strings.Repeat("a", maxLimitEntry), strings.Repeat("b", maxLimitEntry), strings.Repeat("c", maxLimitEntry), strings.Repeat("d", maxLimitEntry), strings.Repeat("e", maxLimitEntry), strings.Repeat("f", maxLimitEntry), strings.Repeat("g", maxLimitEntry)}}},
	} {
		_, err := k.Sign(c)
		if abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("%s: Sign: %v", name, err)
		}
	}
}

func TestCountUploads(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	ctx, later := context.Background(), time.Now().Add(time.Hour)
	two := Principal{Namespace: Default, TokenID: "a", Expires: later, Limits: &Limits{Uploads: ptr(2)}}
	child := Principal{Namespace: Default, TokenID: "b", Expires: later, Limits: &Limits{Uploads: ptr(2), Counter: &Counter{"a", later.Unix()}}}
	none := Principal{Namespace: Default, TokenID: "c", Expires: later, Limits: &Limits{Uploads: ptr(0)}}
	ended := Principal{Namespace: Default, TokenID: "d", Expires: time.Now().Add(-time.Second), Limits: &Limits{Uploads: ptr(1)}}
	wantCode(t, r.CountUpload(ctx, Default, none), abi.CodeForbidden)
	for _, p := range []Principal{ended, {Namespace: Default}, {Namespace: Default, Limits: &Limits{}}, two} {
		if err := r.CountUpload(ctx, Default, p); err != nil {
			t.Fatal(err)
		}
	}
	closeAll()
	r, _ = d.open(t)
	if err := r.CountUpload(ctx, Default, child); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.CountUpload(ctx, Default, child), abi.CodeForbidden)
	wantCode(t, r.CountUpload(ctx, Default, two), abi.CodeForbidden)
	wantCode(t, r.CountUpload(ctx, "absent", two), abi.CodeNamespaceNotFound)
	tenant, _ := r.tenant(Default)
	if n := len(tenant.gate.Load().uploads); n != 1 {
		t.Errorf("%d counts are kept, that of the ended token included", n)
	}
}
