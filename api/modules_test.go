package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// uploads makes the scripted host publish what is uploaded, without any check of the bytes.
func uploads(f *fixture, seen *actors.UploadOptions) {
	f.host.upload = func(_ context.Context, ns tenants.ID, r io.Reader, o actors.UploadOptions) (tenants.Version, actors.Report, bool, error) {
		if seen != nil {
			*seen = o
		}
		v, created, err := f.publishFor(ns, r, o)
		return v, actors.Report{Kind: "plain", Codec: abi.JSON, Bytes: v.Bytes}, created, err
	}
	f.host.remove = func(ctx context.Context, ns tenants.ID, module string) error {
		return f.reg.DeleteModule(ctx, ns, module)
	}
}

const wasmType = "Content-Type: application/wasm"

func TestModuleLifecycle(t *testing.T) {
	f := newFixture(t)
	var seen actors.UploadOptions
	uploads(f, &seen)

	a := f.do("PUT", "/modules/counter?label=commit=abc&label=ci=7&note=first&input=value&force=true", "wasm one", wasmType)
	var up struct {
		Module  string
		Version int
		Digest  string
		Live    bool
		Actors  map[string][]string
		Report  actors.Report
	}
	if err := json.Unmarshal([]byte(a.body), &up); err != nil || a.status != 201 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if up.Module != "counter" || up.Version != 1 || !up.Live || len(up.Digest) != 64 || fmt.Sprint(up.Actors) != "map[counter:[dec inc]]" || up.Report.Bytes != 8 {
		t.Errorf("upload %s", a.body)
	}
	if fmt.Sprint(seen.Labels) != "map[ci:7 commit:abc]" || seen.Note != "first" || seen.Input != tenants.InputValue || !seen.Live || !seen.Force {
		t.Errorf("options %+v", seen)
	}
	if a := f.do("PUT", "/modules/counter?input=value", "wasm one", wasmType); a.status != 200 {
		t.Errorf("same bytes: %d %s", a.status, a.body)
	}
	a = f.do("PUT", "/modules/counter?live=false", "wasm two", "Content-Type: application/octet-stream")
	if a.status != 201 || !strings.Contains(a.body, `"version":2,`) || !strings.Contains(a.body, `"live":false`) {
		t.Errorf("second: %d %s", a.status, a.body)
	}

	a = f.do("GET", "/modules/counter", "")
	if !strings.Contains(a.body, `"live":1,"latest":2,"actors":{"counter":["dec","inc"]},"create_ts":`) {
		t.Errorf("module %s", a.body)
	}
	a = f.do("GET", "/modules/counter/versions", "")
	var vs struct{ Versions []versionBody }
	if err := json.Unmarshal([]byte(a.body), &vs); err != nil || len(vs.Versions) != 2 || !vs.Versions[0].Live || vs.Versions[1].Live || vs.Versions[0].Labels["ci"] != "7" {
		t.Errorf("versions %s", a.body)
	}
	a = f.do("GET", "/modules/counter/versions/2", "")
	if !strings.Contains(a.body, `"version":2,`) || !strings.Contains(a.body, `"kind":"plain"`) || !strings.Contains(a.body, `"manifest":{"counter":{`) {
		t.Errorf("version %s", a.body)
	}
	a = f.do("GET", "/modules/counter/versions/2/wasm", "", f.as(tenants.RoleRead))
	a.wantBody(t, 200, "wasm two")
	if a.header.Get("Content-Type") != typeWasm || a.header.Get("Content-Length") != "8" || a.header.Get("Content-Disposition") != `attachment; filename="counter-2.wasm"` {
		t.Errorf("header %v", a.header)
	}

	a = f.do("PATCH", "/modules/counter", `{"live":2}`)
	if a.status != 200 || !strings.Contains(a.body, `"live":2`) {
		t.Errorf("live: %d %s", a.status, a.body)
	}
	a = f.do("PATCH", "/modules/counter", `{"config":{"greeting":"hello","mode":"x"}}`)
	if a.status != 200 || !strings.Contains(a.body, `"config":{"greeting":"hello","mode":"x"}`) {
		t.Errorf("config: %d %s", a.status, a.body)
	}
	f.do("PATCH", "/modules/counter", `{"config":{"mode":null}}`)
	if a = f.do("GET", "/modules", ""); !strings.Contains(a.body, `"config":{"greeting":"hello"}`) {
		t.Errorf("list %s", a.body)
	}
	if a = f.do("GET", "/modules", "", f.as(tenants.RoleDeploy)); strings.Contains(a.body, "greeting") {
		t.Errorf("config is shown to who may not set it: %s", a.body)
	}
	f.do("GET", "/modules?namespace=other", "", f.as(tenants.RoleOperator)).wantBody(t, 200, `{"modules":[]}`)
	f.do("GET", "/modules/counter", "", f.as(tenants.RoleAdmin, "other")).wantError(t, 404, "module", "not_found")

	f.do("DELETE", "/modules/counter", "").wantBody(t, 200, `{}`)
	f.do("DELETE", "/modules/counter", "").wantError(t, 404, "module", "not_found")
}

func TestModuleRequestsRefused(t *testing.T) {
	f := newFixture(t)
	uploads(f, nil)
	f.publish("m", []byte("one"))
	seventeen := strings.Repeat("&label=x=1", 17)
	tests := []struct {
		name, method, path, body string
		contentType              string
		status                   int
		code                     string
	}{
		{name: "JSON upload", method: "PUT", path: "/modules/m", contentType: typeJSON, status: 415, code: "guard/unsupported_media_type"},
		{name: "broken type", method: "PUT", path: "/modules/m", contentType: "application/wasm/x", status: 415, code: "guard/unsupported_media_type"},
		{name: "name", method: "PUT", path: "/modules/-m", status: 400, code: "guard/invalid_request"},
		{name: "unknown parameter", method: "PUT", path: "/modules/m?lvie=false", status: 400, code: "guard/invalid_request"},
		{name: "live", method: "PUT", path: "/modules/m?live=no", status: 400, code: "guard/invalid_request"},
		{name: "force", method: "PUT", path: "/modules/m?force=x", status: 400, code: "guard/invalid_request"},
		{name: "input", method: "PUT", path: "/modules/m?input=x", status: 400, code: "guard/invalid_request"},
		{name: "label without a value", method: "PUT", path: "/modules/m?label=x", status: 400, code: "guard/invalid_request"},
		{name: "label without a name", method: "PUT", path: "/modules/m?label==x", status: 400, code: "guard/invalid_request"},
		{name: "label twice", method: "PUT", path: "/modules/m?label=x=1&label=x=2", status: 400, code: "guard/invalid_request"},
		{name: "17 labels", method: "PUT", path: "/modules/m?" + seventeen, status: 400, code: "guard/invalid_request"},
		{name: "too large", method: "PUT", path: "/modules/m", body: strings.Repeat("a", actors.MaxModule+1), status: 413, code: "message/incoming_too_long"},
		{name: "patch nothing", method: "PATCH", path: "/modules/m", body: `{}`, contentType: typeJSON, status: 400, code: "guard/invalid_request"},
		{name: "patch both", method: "PATCH", path: "/modules/m", body: `{"live":1,"config":{}}`, contentType: typeJSON, status: 400, code: "guard/invalid_request"},
		{name: "patch unknown", method: "PATCH", path: "/modules/m", body: `{"canary":{}}`, contentType: typeJSON, status: 400, code: "guard/invalid_request"},
		{name: "patch of the wrong type", method: "PATCH", path: "/modules/m", body: `{"live":"1"}`, contentType: typeJSON, status: 400, code: "guard/invalid_request"},
		{name: "patch that is not JSON", method: "PATCH", path: "/modules/m", body: `{"live":1`, contentType: typeJSON, status: 400, code: "guard/invalid_request"},
		{name: "patch as a form", method: "PATCH", path: "/modules/m", body: `{"live":1}`, contentType: "text/plain", status: 415, code: "guard/unsupported_media_type"},
		{name: "absent version live", method: "PATCH", path: "/modules/m", body: `{"live":9}`, contentType: typeJSON, status: 404, code: "module/not_found"},
		{name: "absent module", method: "GET", path: "/modules/absent", status: 404, code: "module/not_found"},
		{name: "absent version", method: "GET", path: "/modules/m/versions/2", status: 404, code: "module/not_found"},
		{name: "version zero", method: "GET", path: "/modules/m/versions/0", status: 404, code: "module/not_found"},
		{name: "version spelt otherwise", method: "GET", path: "/modules/m/versions/01", status: 404, code: "module/not_found"},
		{name: "version of no number", method: "GET", path: "/modules/m/versions/live/wasm", status: 404, code: "module/not_found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.contentType == "" {
				tt.contentType = typeWasm
			}
			group, code, _ := strings.Cut(tt.code, "/")
			f.do(tt.method, tt.path, tt.body, "Content-Type: "+tt.contentType).wantError(t, tt.status, group, code)
		})
	}
}

// Whoever reads a body may take its failure for a failure of ours.
func TestUploadTooLargeInChunks(t *testing.T) {
	f := newFixture(t)
	uploads(f, nil)
	r := f.request("PUT", "/modules/m", struct{ io.Reader }{io.LimitReader(zeros{}, actors.MaxModule+1)}, wasmType)
	r.ContentLength = -1
	f.send(r).wantError(t, 413, "message", "incoming_too_long")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNamespaces(t *testing.T) {
	f := newFixture(t)
	op := f.as(tenants.RoleOperator, "")
	names := func(a answer) (out []string) {
		t.Helper()
		var b struct {
			Namespaces []namespaceBody
			Pagination *pagination
		}
		if err := json.Unmarshal([]byte(a.body), &b); err != nil || a.status != 200 || b.Pagination == nil {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		for _, n := range b.Namespaces {
			out = append(out, fmt.Sprintf("%s %s %q %v", n.NamespaceID, n.Name, n.DisplayName, n.CreateTS > 0))
		}
		return out
	}
	if got := names(f.do("GET", "/namespaces", "", op)); fmt.Sprint(got) != `[default default "default" true other other "The other" true]` {
		t.Errorf("operator sees %v", got)
	}
	if got := names(f.do("GET", "/namespaces", "", f.as(tenants.RoleAdmin, "other"))); fmt.Sprint(got) != `[other other "The other" true]` {
		t.Errorf("other sees %v", got)
	}
	a := f.do("POST", "/namespaces", `{"name":"third","display_name":"Third"}`, op)
	if a.status != 200 || !strings.HasPrefix(a.body, `{"namespace":{"namespace_id":"third","name":"third","display_name":"Third","create_ts":`) {
		t.Errorf("create: %d %s", a.status, a.body)
	}
	f.do("POST", "/namespaces", `{"name":"third"}`, op).wantError(t, 409, "namespace", "exists")
	f.do("POST", "/namespaces", `{"name":"No Name"}`, op).wantError(t, 400, "guard", "invalid_request")
	f.do("POST", "/namespaces", `{"name":"x","admin":true}`, op).wantError(t, 400, "guard", "invalid_request")
	f.do("POST", "/namespaces", `{"name":"fourth"}`).wantError(t, 403, "auth", "forbidden")
}
