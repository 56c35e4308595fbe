package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/internal/stats"
	"github.com/vivarium-run/vivarium/tenants"
)

// The metrics go to operators alone, whatever else there is.
func TestMetricsRoute(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "host_up 1") })
	})
	if a := f.do("GET", "/metrics", "", f.as(tenants.RoleOperator)); a.status != 200 || a.body != "host_up 1" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	for _, role := range []tenants.Role{tenants.RoleAdmin, tenants.RoleDeploy, tenants.RoleRead, tenants.RoleInvoke} {
		f.do("GET", "/metrics", "", f.as(role)).wantError(t, 403, "auth", "forbidden")
	}
	f.do("GET", "/metrics", "", "no token").wantError(t, 401, "auth", "unauthenticated")
	newFixture(t).do("GET", "/metrics", "", f.as(tenants.RoleOperator)).wantError(t, 404, "api", "not_found")
}

// Requests are told by the row of the table and the status, errors by code.
func TestStatsOfRequests(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a")
	f.do("GET", "/healthz", "")
	f.do("HEAD", "/api/rivet/healthz", "")
	f.do("GET", "/actors/"+id.String(), "", f.as(tenants.RoleRead))
	f.do("GET", "/actors/"+id.String(), "", "no token")
	f.do("POST", "/namespaces", `{"name":"x"}`, f.as(tenants.RoleAdmin))
	f.do("GET", "/nothing/here", "")
	f.do("PUT", "/healthz", "")
	got := f.srv.Stats()
	for r, want := range map[Requests]uint64{
		{"GET /healthz", "200"}: 2, {"GET /actors/{actor}", "200"}: 1, {"GET /actors/{actor}", "401"}: 1,
		{"POST /namespaces", "403"}: 1, {NoRoute, "404"}: 1, {NoRoute, "405"}: 1,
	} {
		if got.Requests[r] != want {
			t.Errorf("%v: %d, want %d in %v", r, got.Requests[r], want, got.Requests)
		}
	}
	if took := got.Times["GET /healthz"]; took.Count() != 2 {
		t.Errorf("times of 2 requests: %+v", took)
	}
	if got.Errors["api/not_found"] != 1 || got.AuthFailures["auth/unauthenticated"] != 1 || got.AuthFailures["auth/forbidden"] != 1 {
		t.Errorf("errors %v, refused %v", got.Errors, got.AuthFailures)
	}
}

// Whoever makes up paths, methods, names and ids makes no row by it.
func TestStatsHaveNoNamesOfClients(t *testing.T) {
	f := newFixture(t)
	ask := func(method, path string) {
		r := httptest.NewRequest(method, path, nil)
		f.srv.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	bomb := func(i int) {
		for _, path := range []string{"/%d", "/actors/%d", "/gateway/%d/action/%d", "/gateway/x/request/%d", "/modules/%d/versions/%d", "/%2f/%d"} {
			ask("GET", strings.ReplaceAll(path, "%d", fmt.Sprint(i)))
		}
		ask(fmt.Sprintf("METHOD%d", i), "/actors/x")
		ask(fmt.Sprintf("METHOD%d", i), "/gateway/x/request")
	}
	bomb(0)
	before := f.srv.Stats()
	for i := range 1250 { // times eight
		bomb(i + 1)
	}
	after := f.srv.Stats()
	if len(after.Requests) != len(before.Requests) || len(after.Times) != len(before.Times) || len(after.Errors) != len(before.Errors) {
		t.Errorf("10,000 requests made rows:\n%v\n%v", before.Requests, after.Requests)
	}
	n := uint64(0)
	for _, c := range after.Requests {
		n += c
	}
	if n != 1251*8 {
		t.Errorf("%d requests are told, want %d", n, 1251*8)
	}
}

// A guest's answer may have any status: those that are not ours share a place for each hundred.
func TestStatusesAreFew(t *testing.T) {
	names := map[string]bool{}
	for status := range 1000 {
		place := statusPlace(status)
		if place >= stats.TableSize-1 {
			t.Fatalf("status %d has the place %d, past the end of a table", status, place)
		}
		names[statusName(place)] = true
	}
	if want := len(ownStatuses) + 10; len(names) != want || statusName(statusPlace(201)) != "201" || statusName(statusPlace(418)) != "4xx" {
		t.Errorf("%d statuses are told apart, want %d: %v", len(names), want, names)
	}
}
