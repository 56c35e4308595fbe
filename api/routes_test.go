package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// publicRoutes is written down a second time on purpose: a route loses its need for a token only
// if somebody changes this list too.
var publicRoutes = []string{"GET /healthz", "GET /readyz", "GET /metadata", "* /gateway/*"}

func TestRoutesTable(t *testing.T) {
	seen := map[string]bool{}
	for _, rt := range routes() {
		id := rt.method + " " + rt.path
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if got, want := len(rt.rights) == 0, slices.Contains(publicRoutes, id); got != want {
			t.Errorf("%s: public = %v, want %v", id, got, want)
		}
		command := strings.HasSuffix(rt.path, "/reset") || strings.HasSuffix(rt.path, "/retry") || strings.HasSuffix(rt.path, "/export") || rt.path == "/backup" // says all in its path
		writes := (rt.method == "PUT" || rt.method == "POST" || rt.method == "PATCH" || rt.rawHTTP()) && !command
		if got := rt.body != 0; got != writes {
			t.Errorf("%s: takes a body = %v", id, got)
		}
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// fill returns a path of the table with an id and names in it.
func fill(path string, id tenants.ActorID) string {
	path = strings.NewReplacer("{actor}", id.String(), "{target}", id.String(), "{version}", "1", "{namespace}", "default").Replace(path)
	return placeholder.ReplaceAllString(path, "x")
}

// roleFor returns a role with one of the rights, and one without any of them.
func roleFor(rights []tenants.Right) (with, without tenants.Role) {
	for _, role := range []tenants.Role{tenants.RoleRead, tenants.RoleInvoke, tenants.RoleDeploy, tenants.RoleAdmin, tenants.RoleOperator} {
		p := tenants.Principal{Role: role}
		if slices.ContainsFunc(rights, p.May) {
			with = role
		} else {
			without = role
		}
	}
	return with, without
}

// The matrix of isolation: every route of the table with every kind of wrong token.
func TestRoutesRefuseStrangers(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a")
	for _, rt := range routes() {
		if len(rt.rights) == 0 {
			continue
		}
		t.Run(rt.method+" "+rt.path, func(t *testing.T) {
			path := fill(rt.path, id)
			with, without := roleFor(rt.rights)
			body := ""
			if rt.method == "POST" {
				body = `{"args":[]}`
			}
			if strings.HasSuffix(rt.path, "/queue/{queue}") {
				body = `{"body":1}`
			}
			f.do(rt.method, path, body, "no token").wantError(t, 401, "auth", "unauthenticated")
			f.do(rt.method, path, body, "Authorization: Bearer x.y.z").wantError(t, 401, "auth", "unauthenticated")
			f.do(rt.method, path, body, "Authorization: Basic eDp5").wantError(t, 401, "auth", "unauthenticated")
			f.do(rt.method, path, body, "X-Rivet-Token: ").wantError(t, 401, "auth", "unauthenticated")
			if without != "" {
				f.do(rt.method, path, body, f.as(without)).wantError(t, 403, "auth", "forbidden")
			}
			if rt.socket() {
				refuseStrangersOnSocket(t, f, path, with, without)
			}
			if strings.Contains(rt.path, "{actor}") || rt.gateway() {
				// The actor exists, in default. Who speaks for other cannot tell.
				f.do(rt.method, path, body, f.as(with, "other")).wantError(t, 404, "actor", "not_found")
			}
			if with != tenants.RoleOperator {
				foreign := path + "?namespace=other"
				if rt.gateway() {
					foreign = "/gateway/counter/action/x?rvt-method=get&rvt-namespace=other"
				}
				f.do(rt.method, foreign, body, f.as(with)).wantError(t, 404, "namespace", "not_found")
				if strings.HasPrefix(rt.path, "/namespaces/{namespace}") {
					foreign = strings.Replace(path, "default", "other", 1)
				}
				absent := strings.Replace(foreign, "other", "absent", 1)
				f.do(rt.method, absent, body, f.as(with)).wantError(t, 404, "namespace", "not_found")
			}
		})
	}
	if len(f.host.calls) != 0 || len(f.host.raws)+len(f.host.connects) != 0 {
		t.Errorf("strangers reached an actor: %v", f.host.calls)
	}
}

func TestRouting(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	tests := []struct {
		name, method, path string
		status             int
		group, code        string
		allow              string
	}{
		{name: "unknown", method: "GET", path: "/nothing", status: 404, group: "api", code: "not_found"},
		{name: "root", method: "GET", path: "/", status: 404, group: "api", code: "not_found"},
		{name: "prefix of a route", method: "GET", path: "/actor", status: 404, group: "api", code: "not_found"},
		{name: "trailing slash", method: "GET", path: "/actors/", status: 404, group: "api", code: "not_found"},
		{name: "id with a slash", method: "GET", path: "/actors/" + id + "/x", status: 404, group: "api", code: "not_found"},
		{name: "delete with a slash", method: "DELETE", path: "/actors/" + id + "/x/y", status: 404, group: "api", code: "not_found"},
		{name: "encoded slash in an id", method: "GET", path: "/actors/" + id + "%2Fx", status: 404, group: "actor", code: "not_found"},
		{name: "malformed id", method: "GET", path: "/actors/zz", status: 404, group: "actor", code: "not_found"},
		{name: "upper-case id", method: "GET", path: "/actors/" + strings.ToUpper(id), status: 404, group: "actor", code: "not_found"},
		{name: "names is no id", method: "DELETE", path: "/actors/names", status: 405, group: "api", code: "method_not_allowed", allow: "GET, HEAD"},
		{name: "method", method: "PATCH", path: "/actors", status: 405, group: "api", code: "method_not_allowed", allow: "GET, HEAD, PUT, POST"},
		{name: "odd method", method: "BREW", path: "/modules", status: 405, group: "api", code: "method_not_allowed", allow: "GET, HEAD"},
		{name: "options without CORS", method: "OPTIONS", path: "/modules", status: 405, group: "api", code: "method_not_allowed", allow: "GET, HEAD"},
		{name: "longer than any", method: "GET", path: "/modules/a/versions/1/wasm/x", status: 404, group: "api", code: "not_found"},
		{name: "dot segments are text", method: "GET", path: "/modules/../actors", status: 404, group: "api", code: "not_found"},
		{name: "prefix twice", method: "GET", path: "/api/rivet/api/rivet/healthz", status: 404, group: "api", code: "not_found"},
		{name: "query not well formed", method: "GET", path: "/actors?name=%zz", status: 400, group: "guard", code: "invalid_request"},
		{name: "semicolon", method: "GET", path: "/actors?a;b", status: 400, group: "guard", code: "invalid_request"},
		{name: "parameter twice", method: "GET", path: "/actors?name=a&name=b", status: 400, group: "guard", code: "invalid_request"},
		{name: "gateway method", method: "GET", path: "/gateway/" + id + "/action/x", status: 405, group: "api", code: "method_not_allowed", allow: "POST"},
		{name: "gateway without a path", method: "GET", path: "/gateway/" + id, status: 404, group: "api", code: "not_found"},
		{name: "gateway double slash", method: "POST", path: "/gateway/" + id + "//action/x", status: 404, group: "api", code: "not_found"},
		{name: "gateway double slash in front", method: "POST", path: "/gateway//action/x?rvt-method=get", status: 404, group: "api", code: "not_found"},
		{name: "gateway nested action", method: "POST", path: "/gateway/" + id + "/action/x/y", status: 404, group: "api", code: "not_found"},
		{name: "gateway no action", method: "POST", path: "/gateway/" + id + "/action/", status: 404, group: "api", code: "not_found"},
		{name: "gateway later paths", method: "POST", path: "/gateway/" + id + "/inspector/x", status: 404, group: "api", code: "not_found"},
	}
	for _, tt := range tests {
		for _, prefix := range []string{"", rivetPrefix} {
			t.Run(tt.name+prefix, func(t *testing.T) {
				a := f.do(tt.method, prefix+tt.path, "")
				a.wantError(t, tt.status, tt.group, tt.code)
				if got := a.header.Get("Allow"); got != tt.allow {
					t.Errorf("Allow %q, want %q", got, tt.allow)
				}
			})
		}
	}
}

func TestEveryRouteIsReachable(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a")
	for _, rt := range routes() {
		method := rt.method
		if method == anyMethod {
			continue
		}
		for _, prefix := range []string{"", rivetPrefix} {
			a := f.do(method, prefix+fill(rt.path, id), "", "no token")
			if len(rt.rights) > 0 {
				a.wantError(t, 401, "auth", "unauthenticated") // its own 401, not the catch-all's 404
			} else if a.status != 200 {
				t.Errorf("%s %s: %d", method, rt.path, a.status)
			}
		}
	}
}

func TestGatewayHint(t *testing.T) {
	f := newFixture(t)
	b := f.do("GET", "/gateway/x/inspector?rvt-method=get", "", "no token").wantError(t, 404, "api", "not_found")
	if !strings.Contains(string(b.Metadata), "/queue/{queue}") {
		t.Errorf("metadata %s", b.Metadata)
	}
}

func TestPathParametersAreDecodedOnce(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	for _, key := range []string{"plain", "a/b", "a b", "a%2Fb", "%", "ü", "\xff\x00", "a+b", "..", "@"} {
		f.host.items = []abi.Item{{Key: []byte(key), Value: []byte("v")}}
		path := "/actors/" + id + "/kv/keys/" + strings.ReplaceAll(escapeAll(key), "+", "%2B")
		f.do("GET", path, "").wantBody(t, 200, `{"value":"dg=="}`)
	}
}

// escapeAll percent-encodes every byte.
func escapeAll(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		b.WriteString("%" + string(hex[s[i]>>4]) + string(hex[s[i]&15]))
	}
	return b.String()
}

func TestHead(t *testing.T) {
	f := newFixture(t)
	a := f.do("HEAD", "/metadata", "", "no token")
	if a.status != http.StatusOK || a.body != "" {
		t.Errorf("got %d %q", a.status, a.body)
	}
}

func TestPublicRoutes(t *testing.T) {
	f := newFixture(t)
	f.do("GET", "/healthz", "", "no token").wantBody(t, 200, `{"status":"ok"}`)
	f.do("GET", "/readyz", "", "no token").wantBody(t, 200, `{"status":"ok"}`)
	f.host.writable = abi.Wrap(abi.CodeStorageFull, nil)
	f.do("GET", "/readyz", "", "no token").wantBody(t, 200, `{"reason":"core/storage_full","status":"read_only"}`)
	f.host.writable = nil
	f.do("GET", "/api/rivet/metadata?namespace=default", "", "no token").wantBody(t, 200, `{"runtime":"vivarium","version":"1.2.3"}`)
	for _, tt := range []struct {
		err    error
		status int
		code   string
		group  string
	}{
		{abi.Errorf(abi.CodeUnavailable, "draining"), 503, "service_unavailable", "guard"},
		{abi.Errorf(abi.CodeStorageFull, "full"), 507, "storage_full", "core"},
		{http.ErrServerClosed, 503, "service_unavailable", "guard"},
		{abi.Errorf(abi.CodeInternal, "bug"), 503, "service_unavailable", "guard"},
	} {
		f.host.ready = tt.err
		f.do("GET", "/readyz", "", "no token").wantError(t, tt.status, tt.group, tt.code)
	}
}

func TestRequestID(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		in   string
		kept bool
	}{
		{"abcDEF-_019", true},
		{"short", false},
		{strings.Repeat("a", 64), true},
		{strings.Repeat("a", 65), false},
		{"has space in it", false},
		{"has\"quote__", false},
		{"", false},
	} {
		got := f.do("GET", "/healthz", "", "no token", rayHeader+": "+tt.in).header.Get(rayHeader)
		if (got == tt.in) != tt.kept || len(got) < 8 {
			t.Errorf("sent %q, got %q", tt.in, got)
		}
	}
	one, two := f.do("GET", "/healthz", "").header.Get(rayHeader), f.do("GET", "/healthz", "").header.Get(rayHeader)
	if one == two {
		t.Error("two requests have one id")
	}
}
