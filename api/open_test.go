package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// newOpen has an actor "hook" in default and in other, whose manifest lists open paths, which only default grants.
func newOpen(t *testing.T) *fixture {
	f := newFixture(t)
	f.host.raw = func(_ context.Context, r actors.RawRequest) (*actors.RawResponse, error) {
		return &actors.RawResponse{Head: abi.ResponseHead{Status: 202}, Body: []byte("took it")}, nil
	}
	for _, ns := range []tenants.ID{tenants.Default, "other"} {
		st, err := f.reg.Stage(strings.NewReader("wasm of "+string(ns)), actors.MaxModule)
		if err != nil {
			t.Fatal(err)
		}
		v := tenants.Version{Namespace: ns, Module: "m", Codec: abi.JSON, Actors: map[string]abi.ActorManifest{
			"hook": {Open: []string{"/hooks/*", "/exact"}}, "shut": {},
		}}
		if _, _, err := f.reg.Publish(t.Context(), st, v, true); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"hook", "shut"} {
			f.host.put(tenants.Address{Namespace: ns, Name: name, Key: "a"})
		}
	}
	f.grantOpen(true)
	return f
}

func (f *fixture) grantOpen(open bool) {
	f.t.Helper()
	if _, err := f.reg.SetGrants(f.t.(*testing.T).Context(), tenants.Default, "m", tenants.Grants{Open: open}); err != nil {
		f.t.Fatal(err)
	}
}

func TestOpenPaths(t *testing.T) {
	f := newOpen(t)
	get := func(name, rest string) string { return "/gateway/" + name + rest + "?rvt-method=get&rvt-key=a" }
	id := f.host.actors[tenants.Address{Namespace: tenants.Default, Name: "hook", Key: "a"}].ID.String()
	for name, tt := range map[string]struct {
		method, path string
		header       string
		open         bool
	}{
		"below a path":            {"POST", get("hook", "/request/hooks/stripe"), "", true},
		"further below":           {"GET", get("hook", "/request/hooks/a/b") + "&x=1", "", true},
		"one path":                {"PUT", get("hook", "/request/exact"), "", true},
		"its namespace, named":    {"POST", get("hook", "/request/exact") + "&rvt-namespace=default", "", true},
		"another path":            {"POST", get("hook", "/request/admin"), "", false},
		"the root":                {"POST", get("hook", "/request"), "", false},
		"dots":                    {"POST", get("hook", "/request/hooks/../admin"), "", false},
		"encoded dots":            {"POST", get("hook", "/request/hooks/%2e%2e/admin"), "", false},
		"an encoded slash":        {"POST", get("hook", "/request/hooks%2fx"), "", false},
		"another actor":           {"POST", get("shut", "/request/hooks/x"), "", false},
		"no such actor":           {"POST", get("absent", "/request/hooks/x"), "", false},
		"no such key":             {"POST", "/gateway/hook/request/hooks/x?rvt-method=get&rvt-key=b", "", false},
		"to be made":              {"POST", "/gateway/hook/request/hooks/x?rvt-method=getOrCreate&rvt-key=a", "", false},
		"by id":                   {"POST", "/gateway/" + id + "/request/hooks/x", "", false},
		"a namespace not granted": {"POST", get("hook", "/request/exact") + "&rvt-namespace=other", "", false},
		"no such namespace":       {"POST", get("hook", "/request/exact") + "&rvt-namespace=absent", "", false},
		"odd namespace":           {"POST", get("hook", "/request/exact") + "&rvt-namespace=..", "", false},
		"a bad token":             {"POST", get("hook", "/request/exact"), "Authorization: Bearer x", false},
		"an empty token":          {"POST", get("hook", "/request/exact") + "&rvt-token=", "", false},
		"another scheme":          {"POST", get("hook", "/request/exact"), "Authorization: Basic eDp5", false},
		"an action":               {"POST", get("hook", "/action/hooks"), "", false},
		"a queue":                 {"POST", get("hook", "/queue/hooks"), "", false},
		"a socket's route":        {"GET", get("hook", "/websocket/hooks/x"), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(f.host.raws)
			header := []string{"no token"}
			if tt.header != "" {
				header = append(header, tt.header)
			}
			a := f.do(tt.method, tt.path, "", header...)
			if !tt.open {
				a.wantError(t, 401, "auth", "unauthenticated")
				if len(f.host.raws) != before {
					t.Error("it reached the actor")
				}
				return
			}
			if a.status != 202 || len(f.host.raws) != before+1 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			if r := f.host.raws[before]; r.Caller != "" {
				t.Errorf("a stranger is %q", r.Caller)
			}
		})
	}
	if n := len(f.host.creates) + len(f.host.calls) + len(f.host.sent); n != 0 {
		t.Errorf("strangers had %d effects", n)
	}
	f.do("POST", get("hook", "/request/exact"), "", f.as(tenants.RoleInvoke)).wantBody(t, 202, "took it")
	if r := f.host.raws[len(f.host.raws)-1]; r.Caller != "ann" {
		t.Errorf("who has a token is %q", r.Caller)
	}
	f.grantOpen(false)
	f.do("POST", get("hook", "/request/exact"), "", "no token").wantError(t, 401, "auth", "unauthenticated")
}

func TestOpenPathsAreRateLimited(t *testing.T) {
	f := newOpen(t)
	now := time.Now()
	f.srv.now = func() time.Time { return now }
	const path = "/gateway/hook/request/exact?rvt-method=get&rvt-key=a"
	for i := range openRate / 6 {
		if a := f.do("POST", path, "", "no token"); a.status != 202 {
			t.Fatalf("request %d: %d %s", i, a.status, a.body)
		}
	}
	f.do("POST", path, "", "no token").wantError(t, 429, "guard", "rate_limit")
	f.do("POST", path, "", f.as(tenants.RoleInvoke)).wantBody(t, 202, "took it")
	now = now.Add(time.Second)
	if a := f.do("POST", path, "", "no token"); a.status != 202 {
		t.Errorf("after a second: %d %s", a.status, a.body)
	}
}
