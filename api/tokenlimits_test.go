package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

func ptr[T any](v T) *T { return &v }

// limited is the header of a token of default with limits.
func (f *fixture) limited(role tenants.Role, l *tenants.Limits) string {
	f.t.Helper()
	return "Authorization: Bearer " + f.sign(tenants.Claims{Namespace: tenants.Default, Role: role, Subject: "ann", TTL: time.Hour, Limits: l})
}

func (f *fixture) sign(c tenants.Claims) string {
	f.t.Helper()
	s, err := f.keys.Sign(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// TestLimitsOfRoutes asks each kind of route for what is within the limits of a token and for what is not.
func TestLimitsOfRoutes(t *testing.T) {
	f := newFixture(t)
	uploads(f, nil)
	f.publish("m", []byte("wasm of m"))
	f.publish("n", []byte("wasm of n"))
	room, user, far := f.actor("room", "org/1").String(), f.actor("user", "org/1").String(), f.actor("room", "org2").String()
	as := f.limited(tenants.RoleAdmin, &tenants.Limits{Actors: []string{"room", "counter"}, Keys: []string{"org"}, Actions: []string{"get", "queue:jobs"}, Modules: []string{"m"}})
	body, message := `{"args":[]}`, `{"body":1}`
	query := func(name, key, rest string) string {
		return "/gateway/" + name + "/" + rest + "?rvt-method=getOrCreate&rvt-key=" + key
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"action by id", "POST", "/gateway/" + room + "/action/get", body, 200, ""},
		{"action by name", "POST", query("room", "org,2", "action/get"), body, 200, ""},
		{"another action", "POST", "/gateway/" + room + "/action/set", body, 403, "forbidden"},
		{"another action, encoded", "POST", "/gateway/" + room + "/action/%73et", body, 403, "forbidden"},
		{"another actor by id", "POST", "/gateway/" + user + "/action/get", body, 404, "not_found"},
		{"another key by id", "POST", "/gateway/" + far + "/action/get", body, 404, "not_found"},
		{"another actor by name", "POST", query("user", "org", "action/get"), body, 403, "forbidden"},
		{"another key by name", "POST", query("room", "org2", "action/get"), body, 403, "forbidden"},
		{"no key", "POST", query("room", "", "action/get"), body, 403, "forbidden"},
		{"actor in a header", "POST", "/action/get", body, 404, "not_found"},
		{"queue", "POST", "/gateway/" + room + "/queue/jobs", message, 200, ""},
		{"another queue", "POST", "/gateway/" + room + "/queue/get", message, 403, "forbidden"},
		{"queue of another actor", "POST", query("user", "org", "queue/jobs"), message, 403, "forbidden"},
		{"raw request", "GET", "/gateway/" + room + "/request/x", "", 403, "forbidden"},
		{"socket's route", "GET", "/gateway/" + room + "/connect", "", 403, "forbidden"},
		{"raw socket's route", "GET", "/gateway/" + room + "/websocket/x", "", 403, "forbidden"},

		{"create", "PUT", "/actors", `{"name":"room","key":"org/9"}`, 200, ""},
		{"create another", "PUT", "/actors", `{"name":"user","key":"org/9"}`, 403, "forbidden"},
		{"create elsewhere", "POST", "/actors", `{"name":"room","key":"or"}`, 403, "forbidden"},
		{"create without a key", "POST", "/actors", `{"name":"room"}`, 403, "forbidden"},
		{"one", "GET", "/actors/" + room, "", 200, ""},
		{"another", "GET", "/actors/" + user, "", 404, "not_found"},
		{"state", "GET", "/actors/" + room + "/state", "", 200, ""},
		{"state of another", "GET", "/actors/" + user + "/state", "", 404, "not_found"},
		{"KV of another", "GET", "/actors/" + user + "/kv", "", 404, "not_found"},
		{"value of another", "GET", "/actors/" + user + "/kv/keys/x", "", 404, "not_found"},
		{"schedules of another", "GET", "/actors/" + user + "/schedules", "", 404, "not_found"},
		{"queue of another, listed", "GET", "/actors/" + user + "/queue", "", 404, "not_found"},
		{"dead letters of another", "GET", "/actors/" + user + "/dead", "", 404, "not_found"},
		{"retry of another's", "POST", "/actors/" + user + "/dead/a/retry", "", 404, "not_found"},
		{"logs of another", "GET", "/actors/" + user + "/logs", "", 404, "not_found"},
		{"events of another", "GET", "/actors/" + user + "/events", "", 404, "not_found"},
		{"connections of another", "GET", "/actors/" + far + "/connections", "", 404, "not_found"},
		{"reset another", "POST", "/actors/" + user + "/reset", "", 404, "not_found"},
		{"destroy another", "DELETE", "/actors/" + user, "", 404, "not_found"},
		{"find another by key", "GET", "/actors?name=user&key=org%2F1", "", 403, "forbidden"},

		{"module", "GET", "/modules/m", "", 200, ""},
		{"another module", "GET", "/modules/n", "", 403, "forbidden"},
		{"a module that is not there", "GET", "/modules/absent", "", 403, "forbidden"},
		{"versions of another", "GET", "/modules/n/versions", "", 403, "forbidden"},
		{"bytes of another", "GET", "/modules/n/versions/1/wasm", "", 403, "forbidden"},
		{"config of another", "PATCH", "/modules/n", `{"config":{"a":"b"}}`, 403, "forbidden"},
		{"upload of another", "PUT", "/modules/n", "wasm", 403, "forbidden"},
		{"delete another", "DELETE", "/modules/n", "", 403, "forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := f.do(tt.method, tt.path, tt.body, as)
			if a.status != tt.status || !strings.Contains(a.body, tt.code) {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
		})
	}
	for path, want := range map[string]string{
		"/actors?actor_ids=" + user + "," + far:  `{"actors":[],"pagination":{"cursor":null}}`,
		"/actors?name=user":                      `{"actors":[],"pagination":{"cursor":null}}`,
		"/actors/names":                          `{"names":{"counter":{"metadata":{}},"room":{"metadata":{}}},"pagination":{"cursor":null}}`,
		"/actors?limit=1000&name=user&cursor=no": `{"actors":[],"pagination":{"cursor":null}}`,
	} {
		f.do("GET", path, "", as).wantBody(t, 200, want)
	}
	if list := f.do("GET", "/actors", "", as).body; strings.Contains(list, user) || strings.Contains(list, far) || !strings.Contains(list, room) {
		t.Errorf("listed %s", list)
	}
	if list := f.do("GET", "/modules", "", as).body; !strings.Contains(list, `"module":"m"`) || strings.Contains(list, `"module":"n"`) {
		t.Errorf("listed %s", list)
	}
	if a := f.do("POST", "/action/get", body, as, "X-Rivet-Target: actor", "X-Rivet-Actor: "+user); a.status != 404 {
		t.Errorf("an actor that a header names: %d %s", a.status, a.body)
	}
	for _, a := range f.host.sent {
		if a.Queue != "jobs" {
			t.Errorf("a message in the queue %s", a.Queue)
		}
	}
	if len(f.host.calls) != 2 || len(f.host.raws) != 0 {
		t.Errorf("%d calls and %d raw requests reached an actor", len(f.host.calls), len(f.host.raws))
	}
}

func TestLimitsOfUploads(t *testing.T) {
	f := newFixture(t)
	uploads(f, nil)
	put := func(path, body, as string) answer { return f.do("PUT", "/modules/"+path, body, as, wasmType) }
	small := f.limited(tenants.RoleDeploy, &tenants.Limits{UploadBytes: ptr(int64(4))})
	put("m", "12345", small).wantError(t, 413, "message", "incoming_too_long")
	r := f.request("PUT", "/modules/m", struct{ *strings.Reader }{strings.NewReader("12345")}, small, wasmType) // its length unsaid
	f.send(r).wantError(t, 413, "message", "incoming_too_long")
	if a := put("m", "1234", small); a.status != 201 {
		t.Fatalf("within: %d %s", a.status, a.body)
	}
	twice := f.limited(tenants.RoleDeploy, &tenants.Limits{Uploads: ptr(2)})
	put("m", "one", twice)
	if a := put("m", "two", twice); a.status != 201 {
		t.Fatalf("the second: %d %s", a.status, a.body)
	}
	put("m", "three", twice).wantError(t, 403, "auth", "forbidden")

	quiet := f.limited(tenants.RoleAdmin, &tenants.Limits{NoLive: true})
	live, err := f.reg.Module(tenants.Default, "m")
	if err != nil {
		t.Fatal(err)
	}
	put("m", "four", quiet).wantError(t, 403, "auth", "forbidden")
	put("m?live=true", "four", quiet).wantError(t, 403, "auth", "forbidden")
	put("m?live=false", "four", quiet)
	f.do("PATCH", "/modules/m", `{"live":1}`, quiet).wantError(t, 403, "auth", "forbidden")
	f.do("PATCH", "/modules/m", `{"live":0}`, quiet).wantError(t, 403, "auth", "forbidden")
	f.do("PATCH", "/modules/m", `{"canary":{"version":1,"percent":50}}`, quiet).wantError(t, 403, "auth", "forbidden")
	f.do("DELETE", "/modules/m", "", quiet).wantError(t, 403, "auth", "forbidden")
	now, err := f.reg.Module(tenants.Default, "m")
	if err != nil || now.Live != live.Live || now.Canary != nil || now.Latest != live.Latest+1 {
		t.Errorf("%+v became %+v, %v", live, now, err)
	}
}

// TestLimitsOverASocket holds each action over a connection to the limits of the token that opened it.
func TestLimitsOverASocket(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	open := func(path string, limits *tenants.Limits) *ws {
		token, err := l.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleInvoke, TTL: time.Hour, Limits: limits})
		if err != nil {
			t.Fatal(err)
		}
		return dial(t, l.url+path, rivet, "Authorization: Bearer "+token)
	}
	one := "/gateway/script/connect?rvt-method=getOrCreate&rvt-key=a"
	c := open(one, &tenants.Limits{Actors: []string{"script"}, Keys: []string{"a"}, Actions: []string{"nop", "connect:"}})
	c.want(msgInit)
	c.send(msgDo(1))
	c.want(msgError("auth", "forbidden"))
	c.send(msgAction(2, "nop", "[]"))
	c.want(`{"body":{"tag":"ActionResponse","val":{"id":["$BigInt","2"],…`)

	id := l.Actor(tenants.Default, "script", "b").String()
	for name, tt := range map[string]struct {
		path   string
		limits *tenants.Limits
		want   string
	}{
		"door":        {one, &tenants.Limits{Actions: []string{"nop", "websocket:"}}, "auth.forbidden"},
		"actor":       {one, &tenants.Limits{Actors: []string{"other"}}, "auth.forbidden"},
		"key":         {one, &tenants.Limits{Keys: []string{"b"}}, "auth.forbidden"},
		"id":          {"/gateway/" + id + "/connect", &tenants.Limits{Keys: []string{"a"}}, "actor.not_found"},
		"raw, door":   {"/gateway/" + id + "/websocket", &tenants.Limits{Actions: []string{"connect:", "request:"}}, "auth.forbidden"},
		"raw, beyond": {"/gateway/" + id + "/websocket", &tenants.Limits{Actors: []string{}}, "actor.not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(tt.path, tt.limits)
			c.t = t
			if !strings.HasPrefix(name, "raw") {
				group, code, _ := strings.Cut(tt.want, ".")
				c.want(msgError(group, code))
			}
			c.want("close 1011 " + tt.want)
		})
	}
}

func TestDeriveToken(t *testing.T) {
	f := newFixture(t)
	derive := func(as, body string) answer { return f.do("POST", "/namespaces/default/tokens", body, as) }
	invoke := f.limited(tenants.RoleInvoke, &tenants.Limits{Actors: []string{"room", "user"}})
	var out struct {
		Token   string
		TokenID string `json:"token_id"`
		Expires int64  `json:"expires_ts"`
	}
	a := derive(invoke, `{"ttl":60,"limits":{"actors":["room"]}}`)
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 201 || out.TokenID == "" || time.Until(time.UnixMilli(out.Expires)) > time.Minute {
		t.Fatalf("%d %s", a.status, a.body)
	}
	child := "Authorization: Bearer " + out.Token
	if a := f.do("PUT", "/actors", `{"name":"room"}`, child); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	f.do("PUT", "/actors", `{"name":"user"}`, child).wantError(t, 403, "auth", "forbidden")
	derive(child, `{"limits":{"actors":["user"]}}`).wantError(t, 403, "auth", "forbidden")
	derive(child, `{"role":"admin"}`).wantError(t, 403, "auth", "forbidden")
	derive(child, `{"role":"operator"}`).wantError(t, 403, "auth", "forbidden")
	derive(child, `{"subject":"root"}`).wantError(t, 403, "auth", "forbidden")
	derive(child, `{"ttl":3600}`).wantError(t, 403, "auth", "forbidden")
	for name, body := range map[string]string{
		"unknown member": `{"ns":"other"}`, "unknown limit": `{"limits":{"colours":[]}}`, "limits null": `{"limits":null}`, "limit twice": `{"limits":{"actors":["room"],"actors":["user"]}}`,
		"no time": `{"ttl":0}`, "too much time": `{"ttl":9223372036854775807}`, "fraction": `{"ttl":1.5}`, "counter": `{"limits":{"uploads":1,"counter":{"id":"x","until":1}}}`,
	} {
		if a := derive(invoke, body); a.status != 400 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	f.do("POST", "/namespaces/other/tokens", `{}`, invoke).wantError(t, 404, "namespace", "not_found")
	op := f.as(tenants.RoleOperator, "")
	a = f.do("POST", "/namespaces/other/tokens", `{"role":"read"}`, op)
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if p, err := f.keys.Verify(out.Token, time.Now()); err != nil || p.Namespace != "other" || p.Role != tenants.RoleRead {
		t.Errorf("an operator derived %+v, %v", p, err)
	}
	a = f.do("POST", "/namespaces/other/tokens", `{}`, op)
	if err := json.Unmarshal([]byte(a.body), &out); err != nil || a.status != 201 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if p, err := f.keys.Verify(out.Token, time.Now()); err != nil || p.Namespace != "" || p.Role != tenants.RoleOperator {
		t.Errorf("an operator derived %+v, %v", p, err)
	}
	d := newFixture(t, dev)
	d.do("POST", "/namespaces/default/tokens", `{}`, "no token").wantError(t, 400, "guard", "invalid_request")
}
