package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// wireActor is the actor as Rivet's client has it, byte for byte.
func wireActor(id, name, key string) string {
	return fmt.Sprintf(`{"actor_id":%q,"name":%q,"key":%s,"namespace_id":"default","datacenter":"local","runner_name_selector":"default","crash_policy":"sleep","create_ts":1795417388296,"start_ts":null,"connectable_ts":null,"sleep_ts":null,"destroy_ts":null,"error":null}`, id, name, mustJSON(key))
}

func TestCreateActors(t *testing.T) {
	f := newFixture(t)
	// As captured from Rivet's client.
	const body = `{"name":"kitchen","key":"cap/json/1795417388296","runner_name_selector":"default","input":"uQABZXN0YXJ0BQ==","crash_policy":"sleep"}`
	a := f.do("PUT", "/actors?namespace=default", body)
	info, ok := f.host.actors[tenants.Address{Namespace: "default", Name: "kitchen", Key: "cap/json/1795417388296"}]
	if !ok {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	actor := wireActor(info.ID.String(), "kitchen", "cap/json/1795417388296")
	a.wantBody(t, 200, `{"actor":`+actor+`,"created":true}`)
	f.do("PUT", "/actors", body).wantBody(t, 200, `{"actor":`+actor+`,"created":false}`)
	if len(f.host.creates) != 1 || string(f.host.creates[0].Input) != `{"start":5}` || f.host.creates[0].Caller != "ann" {
		t.Errorf("creates %+v", f.host.creates)
	}
	b := f.do("POST", "/actors?namespace=default", body).wantError(t, 409, "actor", "duplicate_key")
	if !strings.Contains(string(b.Metadata), info.ID.String()) {
		t.Errorf("metadata %s", b.Metadata)
	}
	a = f.do("POST", "/actors", `{"name":"kitchen"}`)
	info = f.host.actors[tenants.Address{Namespace: "default", Name: "kitchen", Key: "/"}]
	a.wantBody(t, 200, `{"actor":`+wireActor(info.ID.String(), "kitchen", "/")+`}`)
	if f.host.creates[1].Input != nil {
		t.Errorf("input %q, want none", f.host.creates[1].Input)
	}
}

func TestCreationInput(t *testing.T) {
	f := newFixture(t)
	for i, tt := range []struct{ member, want string }{
		{`"input_json":{"a":[1, 2.50]}`, `{"a":[1, 2.50]}`},
		{`"input_json": null `, `null`},
		{`"input":"9w=="`, `["$Undefined",0]`},
		{`"input":null`, ``},
		{`"input":""`, ``},
	} {
		f.do("PUT", "/actors", fmt.Sprintf(`{"name":"x","key":"%d",%s}`, i, tt.member))
		if got := string(f.host.creates[i].Input); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.member, got, tt.want)
		}
	}
}

func TestCreateActorsRefused(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, body  string
		contentType string
		status      int
		code        string
	}{
		{name: "no name", body: `{"key":"a"}`, status: 400, code: "guard/invalid_request"},
		{name: "malformed name", body: `{"name":"a/b"}`, status: 400, code: "guard/invalid_request"},
		{name: "key not canonical", body: `{"name":"a","key":"a//b"}`, status: 400, code: "actor/invalid_key"},
		{name: "key as a list", body: `{"name":"a","key":["a"]}`, status: 400, code: "guard/invalid_request"},
		{name: "empty key", body: `{"name":"a","key":""}`, status: 400, code: "actor/invalid_key"},
		{name: "base64 without padding", body: `{"name":"a","input":"9w"}`, status: 400, code: "guard/invalid_request"},
		{name: "base64url", body: `{"name":"a","input":"-_8="}`, status: 400, code: "guard/invalid_request"},
		{name: "line break in base64", body: `{"name":"a","input":"9w\n=="}`, status: 400, code: "guard/invalid_request"},
		{name: "no CBOR", body: `{"name":"a","input":"/w=="}`, status: 400, code: "guard/invalid_request"},
		{name: "both inputs", body: `{"name":"a","input":"9w==","input_json":1}`, status: 400, code: "guard/invalid_request"},
		{name: "no JSON", body: `{"name":"a"`, status: 400, code: "guard/invalid_request"},
		{name: "two documents", body: `{"name":"a"}{}`, status: 400, code: "guard/invalid_request"},
		{name: "a list", body: `[]`, status: 400, code: "guard/invalid_request"},
		{name: "deep", body: `{"name":"a","input_json":` + nested(10_000) + `}`, status: 400, code: "guard/invalid_request"},
		{name: "form", body: `{"name":"a"}`, contentType: "text/plain", status: 415, code: "guard/unsupported_media_type"},
		{name: "input too large", body: `{"name":"a","input_json":"` + strings.Repeat("a", abi.MaxInput) + `"}`, status: 413, code: "actor/input_too_large"},
		{name: "body too large", body: strings.Repeat(" ", createBody+1), status: 413, code: "message/incoming_too_long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.contentType == "" {
				tt.contentType = typeJSON
			}
			group, code, _ := strings.Cut(tt.code, "/")
			f.do("PUT", "/actors", tt.body, "Content-Type: "+tt.contentType).wantError(t, tt.status, group, code)
		})
	}
	if len(f.host.creates) > 0 {
		t.Errorf("creates %+v", f.host.creates)
	}
}

func TestListActors(t *testing.T) {
	f := newFixture(t)
	a, b := f.actor("counter", "a").String(), f.actor("room", `x\/y/z`).String()
	foreign := f.host.put(tenants.Address{Namespace: "other", Name: "counter", Key: "a"}).ID.String()
	wa, wb := wireActor(a, "counter", "a"), wireActor(b, "room", `x\/y/z`)
	page := func(actors ...string) string {
		return `{"actors":[` + strings.Join(actors, ",") + `],"pagination":{"cursor":null}}`
	}
	tests := []struct{ name, query, want string }{
		{"by id", "actor_ids=" + a + "&namespace=default", page(wa)},
		{"by ids", "actor_ids=" + b + "," + a, page(wb, wa)},
		{"by ids, repeated", "actor_ids=" + b + "&actor_ids=" + a, page(wb, wa)},
		{"by id, another name", "actor_ids=" + a + "&name=room", page()},
		{"by foreign id", "actor_ids=" + foreign, page()},
		{"by malformed id", "actor_ids=x,," + a, page(wa)},
		{"by key", "name=room&key=x%5C%2Fy%2Fz", page(wb)},
		{"by absent key", "name=room&key=q", page()},
		{"by name", "name=counter", page(wa)},
		{"by absent name", "name=nobody", page()},
		{"by malformed name", "name=%2F", page()},
		{"limit", "name=counter&limit=1", `{"actors":[` + wa + `],"pagination":{"cursor":"more"}}`},
		{"cursor", "cursor=more", page()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.do("GET", "/actors?"+tt.query, "").wantBody(t, 200, tt.want)
		})
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "key=a", "name=a&key=a//b", "actor_ids=" + strings.Repeat(a+",", 100)} {
		if got := f.do("GET", "/actors?"+query, ""); got.status != 400 {
			t.Errorf("%s: got %d %s", query, got.status, got.body)
		}
	}
	f.do("GET", "/actors/names", "").wantBody(t, 200, `{"names":{"counter":{"metadata":{}},"room":{"metadata":{}}},"pagination":{"cursor":null}}`)
}

func TestGetAndDeleteActor(t *testing.T) {
	f := newFixture(t)
	id := f.actor("counter", "a").String()
	f.do("GET", "/actors/"+id, "").wantBody(t, 200, `{"actor":`+wireActor(id, "counter", "a")+`}`)
	f.do("DELETE", "/actors/"+id+"?namespace=default", "").wantBody(t, 200, `{}`)
	f.do("GET", "/actors/"+id, "").wantError(t, 404, "actor", "not_found")
	f.do("DELETE", "/actors/"+id, "").wantError(t, 404, "actor", "not_found")
}

func TestInspectState(t *testing.T) {
	f := newFixture(t)
	path := "/actors/" + f.actor("counter", "a").String() + "/state"
	for _, tt := range []struct {
		name  string
		codec abi.Codec
		state []byte
		want  string
	}{
		{"json", abi.JSON, []byte(`{"n":1.5}`), `{"codec":"json","encoding":"json","state":{"n":1.5}}`},
		{"none", abi.JSON, nil, `{"codec":"json","encoding":"none","state":null}`},
		{"cbor", abi.CBOR, []byte{0xa0}, `{"codec":"cbor","encoding":"base64","state":"oA=="}`},
		{"broken json", abi.JSON, []byte("{"), `{"codec":"json","encoding":"base64","state":"ew=="}`},
		{"no UTF-8", abi.JSON, []byte("\"\xff\""), `{"codec":"json","encoding":"base64","state":"Iv8i"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.host.codec, f.host.state = tt.codec, tt.state
			f.do("GET", path, "").wantBody(t, 200, tt.want)
		})
	}
	f.host.codec, f.host.state = abi.JSON, []byte(nested(10_000))
	if a := f.do("GET", path, ""); !strings.Contains(a.body, `"encoding":"base64"`) {
		t.Errorf("deep state: %.100s", a.body)
	}
}

func TestInspectKV(t *testing.T) {
	f := newFixture(t)
	path := "/actors/" + f.actor("counter", "a").String() + "/kv"
	f.host.items = []abi.Item{{Key: []byte("a/1"), Value: []byte("ü")}, {Key: []byte("a/2"), Value: []byte{0xff}}, {Key: []byte{0xfe, 0}, Value: nil}}
	f.do("GET", path, "").wantBody(t, 200, `{"items":[`+
		`{"key":"a/1","key_encoding":"utf8","value":"ü","value_encoding":"utf8"},`+
		`{"key":"a/2","key_encoding":"utf8","value":"/w==","value_encoding":"base64"},`+
		`{"key":"/gA=","key_encoding":"base64","value":"","value_encoding":"utf8"}],"pagination":{"cursor":null}}`)
	f.do("GET", path+"?prefix=%FE", "").wantBody(t, 200, `{"items":[{"key":"/gA=","key_encoding":"base64","value":"","value_encoding":"utf8"}],"pagination":{"cursor":null}}`)

	var got []string
	for cursor := ""; ; {
		a := f.do("GET", path+"?limit=1&cursor="+cursor, "")
		var b struct {
			Items      []kvItem
			Pagination pagination
		}
		if err := json.Unmarshal([]byte(a.body), &b); err != nil || len(b.Items) != 1 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
		got = append(got, b.Items[0].Key)
		if b.Pagination.Cursor == nil {
			break
		}
		cursor = *b.Pagination.Cursor
	}
	if strings.Join(got, " ") != "a/1 a/2 /gA=" {
		t.Errorf("pages %v", got)
	}
	f.do("GET", path+"?cursor=!", "").wantError(t, 400, "guard", "invalid_request")
	f.do("GET", path+"?limit=5000", "").wantError(t, 400, "guard", "invalid_request")
	f.do("GET", path+"/keys/a%2F1", "").wantBody(t, 200, `{"value":"w7w="}`)
	f.do("GET", path+"/keys/absent", "").wantError(t, 404, "api", "not_found")
	f.do("GET", path+"/keys/"+strings.Repeat("a", abi.MaxKVKey+1), "").wantError(t, 400, "guard", "invalid_request")
}
