package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestNamespace(t *testing.T) {
	f := newFixture(t)
	operator := f.as(tenants.RoleOperator, "")
	for name, tt := range map[string]struct {
		header, ns string
		status     int
	}{
		"one's own":                          {f.as(tenants.RoleRead, "other"), "other", 200},
		"another's":                          {f.as(tenants.RoleAdmin), "other", 404},
		"none":                               {f.as(tenants.RoleAdmin), "absent", 404},
		"operator":                           {operator, "other", 200},
		"operator, of one that is not there": {operator, "absent", 404},
	} {
		t.Run(name, func(t *testing.T) {
			a := f.do("GET", "/namespaces/"+tt.ns, "", tt.header)
			if a.status != tt.status || tt.status == 200 && !strings.Contains(a.body, `"name":"other","display_name":"The other"`) {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
		})
	}
}

func TestDeleteNamespace(t *testing.T) {
	f := newFixture(t)
	id := f.host.put(tenants.Address{Namespace: "other", Name: "counter", Key: "a"}).ID
	operator := f.as(tenants.RoleOperator, "")
	for name, tt := range map[string]struct {
		path, header string
		status       int
		code         string
	}{
		"not confirmed":      {"/namespaces/other", operator, 400, "guard/invalid_request"},
		"another confirmed":  {"/namespaces/other?confirm=default", operator, 400, "guard/invalid_request"},
		"confirmed twice":    {"/namespaces/other?confirm=other&confirm=other", operator, 400, "guard/invalid_request"},
		"mistyped":           {"/namespaces/other?conform=other", operator, 400, "guard/invalid_request"},
		"default":            {"/namespaces/default?confirm=default", operator, 400, "guard/invalid_request"},
		"absent":             {"/namespaces/absent?confirm=absent", operator, 404, "namespace/not_found"},
		"malformed":          {"/namespaces/Other?confirm=Other", operator, 404, "namespace/not_found"},
		"by its admin":       {"/namespaces/other?confirm=other", f.as(tenants.RoleAdmin, "other"), 403, "auth/forbidden"},
		"by another's admin": {"/namespaces/other?confirm=other", f.as(tenants.RoleAdmin), 403, "auth/forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			group, code, _ := strings.Cut(tt.code, "/")
			f.do("DELETE", tt.path, "", tt.header).wantError(t, tt.status, group, code)
		})
	}
	theirs, stream := f.as(tenants.RoleAdmin, "other"), make(chan error, 1)
	f.do("GET", "/modules", "", theirs).wantBody(t, 200, `{"modules":[]}`)
	resp, err := http.DefaultTransport.RoundTrip(f.request("GET", "/actors/"+id.String()+"/logs?follow=true", nil, theirs))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	go func() { // ends with the stream
		_, err := resp.Body.Read(make([]byte, 1<<10))
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 1<<10))
		}
		stream <- err
	}()

	begun := time.Now()
	a := f.do("DELETE", "/namespaces/other?confirm=other", "", operator)
	var b struct {
		Namespace struct {
			Name     string
			Deleting struct {
				Since   int64 `json:"since_ts"`
				Removed int   `json:"actors_removed"`
				Rows    int   `json:"rows_left"`
			}
		}
	}
	if err := json.Unmarshal([]byte(a.body), &b); err != nil || a.status != 202 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if n := b.Namespace; n.Name != "other" || n.Deleting.Rows != 5 || n.Deleting.Removed != 3 || n.Deleting.Since < begun.Add(-time.Second).UnixMilli() {
		t.Errorf("got %s", a.body)
	}
	<-stream
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("a stream ended %v later", took)
	}
	if again := f.do("DELETE", "/namespaces/other?confirm=other", "", operator); again.status != 202 || again.body != a.body {
		t.Errorf("deleted twice: %d %s, then %s", again.status, again.body, a.body)
	}
	if got := f.do("GET", "/namespaces/other", "", operator); got.status != 200 || got.body != a.body {
		t.Errorf("an operator sees %d %s", got.status, got.body)
	}
	if got := f.do("GET", "/namespaces", "", operator); !strings.Contains(got.body, `"name":"other","display_name":"The other"`) || !strings.Contains(got.body, `"deleting":true`) {
		t.Errorf("an operator lists %s", got.body)
	}
	f.do("POST", "/namespaces", `{"name":"other"}`, operator).wantError(t, 409, "namespace", "deleting")
	// For everybody else, and on every other route, it is as if it had never been.
	for _, rt := range routes() {
		if len(rt.rights) == 0 || rt.path == "/namespaces" || rt.socket() && rt.gateway() {
			continue
		}
		with, _ := roleFor(rt.rights)
		path := strings.Replace(fill(rt.path, id), "/namespaces/default", "/namespaces/other", 1)
		if rt.method == "DELETE" && rt.ofLeaving() {
			continue // an operator's, above
		}
		ns := tenants.ID("other")
		a := f.do(strings.Replace(rt.method, anyMethod, "POST", 1), path, bodyFor(&rt), f.as(with, ns))
		if with == tenants.RoleOperator && rt.ofLeaving() {
			continue
		}
		b := a.wantErrorOf(t, rt.method+" "+rt.path)
		if got := b.Group + "/" + b.Code; got != abi.CodeNamespaceNotFound.String() {
			t.Errorf("%s %s: %d %s", rt.method, rt.path, a.status, got)
		}
	}
}

// wantErrorOf returns the body of an error.
func (a answer) wantErrorOf(t *testing.T, what string) (b errorBody) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &b); err != nil || a.status < 400 {
		t.Errorf("%s: %d %s", what, a.status, a.body)
	}
	return b
}

// A token of a namespace that was deleted does not work in one that has its name.
func TestTokensOfADeletedNamespace(t *testing.T) {
	f := newFixture(t)
	old, operator := f.as(tenants.RoleAdmin, "other"), f.as(tenants.RoleOperator, "")
	ours := newIssuer(t, "ours")
	register := func() {
		t.Helper()
		if _, _, err := f.reg.PutTokenKey(t.Context(), "other", tenants.NewTokenKey{ID: ours.id, PEM: ours.pem(t)}); err != nil {
			t.Fatal(err)
		}
	}
	register()
	signed := "Authorization: Bearer " + ours.token(`{"ns":"other","role":"admin","jti":"1"}`)
	undated := "Authorization: Bearer " + ours.undated(`{"ns":"other","role":"admin","jti":"2"}`)
	for _, token := range []string{old, signed} {
		f.do("GET", "/modules", "", token).wantBody(t, 200, `{"modules":[]}`)
	}
	if a := f.do("DELETE", "/namespaces/other?confirm=other", "", operator); a.status != 202 {
		t.Fatal(a.body)
	}
	for _, token := range []string{old, signed} {
		if a := f.do("GET", "/modules", "", token); a.status != 404 && a.status != 401 {
			t.Errorf("deleted: %d %s", a.status, a.body)
		}
	}
	kvtest.Eventually(t, "the name to be free", func() bool {
		return f.reg.RemoveFiles(t.Context(), "other") == nil && f.reg.RemoveRegistry(t.Context(), "other") == nil && f.reg.ForgetNamespace(t.Context(), "other") == nil
	})
	f.do("GET", "/namespaces/other", "", operator).wantError(t, 404, "namespace", "not_found")
	if a := f.do("POST", "/namespaces", `{"name":"other"}`, operator); a.status != 200 {
		t.Fatal(a.body)
	}
	register() // the same key: it is the time that counts
	for _, token := range []string{old, signed, undated} {
		f.do("GET", "/modules", "", token).wantError(t, 401, "auth", "unauthenticated")
	}
	f.do("GET", "/modules", "", f.as(tenants.RoleAdmin, "other")).wantBody(t, 200, `{"modules":[]}`)
}
