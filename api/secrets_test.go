package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// withVault gives a server's registry a key for secrets.
func withVault(t *testing.T, f *fixture) {
	t.Helper()
	v, err := tenants.NewVault([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	f.reg.SetVault(v)
}

func TestSecretsOfANamespace(t *testing.T) {
	f := newFixture(t)
	path, good := "/namespaces/default/secrets/API_KEY", `{"value":"sk-123456","host":"API.example.com"}`
	f.do("PUT", path, good).wantError(t, 503, "secret", "no_key")
	withVault(t, f)
	a := f.do("PUT", path, good)
	if a.status != 201 || !strings.Contains(a.body, `"name":"API_KEY","host":"api.example.com","version":1,"state":"ready"`) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	if a = f.do("PUT", path, `{"value":"sk-654321","host":"[::1]","modules":["b","a"]}`); a.status != 200 || !strings.Contains(a.body, `"host":"::1","modules":["a","b"],"version":2`) {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	list := f.do("GET", "/namespaces/default/secrets", "")
	if list.status != 200 || !strings.Contains(list.body, `{"secrets":[{"name":"API_KEY",`) {
		t.Errorf("got %d %s", list.status, list.body)
	}
	for _, text := range []string{"value", "sealed", "sk-", `"key"`} {
		if strings.Contains(list.body, text) {
			t.Errorf("the list has %q: %s", text, list.body)
		}
	}
	if v, err := f.reg.SecretValue(tenants.Default, "a", "API_KEY", "::1"); v != "sk-654321" {
		t.Errorf("the guest sends %q, %v", v, err)
	}
	for name, body := range map[string]string{
		"nothing": `{}`, "no host": `{"value":"sk-123456"}`, "no value": `{"host":"a.example"}`, "port": `{"value":"sk-123456","host":"a.example:443"}`,
		"wildcard": `{"value":"sk-123456","host":"*.a.example"}`, "scheme": `{"value":"sk-123456","host":"https://a.example"}`, "decimal": `{"value":"sk-123456","host":"2130706433"}`,
		"unknown member": `{"value":"sk-123456","host":"a.example","x":1}`, "number": `{"value":123456,"host":"a.example"}`, "no modules": `{"value":"sk-123456","host":"a.example","modules":[]}`,
		"line feed": `{"value":"sk-123456\nx: y","host":"a.example"}`, "long": `{"value":"sk-123456` + strings.Repeat("x", 8<<10) + `","host":"a.example"}`,
	} {
		if a := f.do("PUT", path, body); a.status != 400 || strings.Contains(a.body, "123456") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	f.do("PUT", "/namespaces/default/secrets/small", good).wantError(t, 400, "guard", "invalid_request")
	f.do("GET", "/namespaces/other/secrets", "", f.as(tenants.RoleAdmin, "other")).wantBody(t, 200, `{"secrets":[]}`)
	f.do("DELETE", strings.Replace(path, "default", "other", 1), "", f.as(tenants.RoleAdmin, "other")).wantError(t, 404, "api", "not_found")
	var derived struct{ Token string }
	if a := f.do("POST", "/namespaces/default/tokens", `{"role":"admin","ttl":60}`); json.Unmarshal([]byte(a.body), &derived) != nil || derived.Token == "" {
		t.Fatalf("derive: %d %s", a.status, a.body)
	}
	bearer := "Authorization: Bearer " + derived.Token
	f.do("GET", "/namespaces/default/keys", "", bearer).wantBody(t, 200, `{"keys":[]}`) // it is an admin's
	limited := f.limited(tenants.RoleAdmin, &tenants.Limits{})
	for _, header := range []string{limited, f.as(tenants.RoleDeploy), bearer} {
		f.do("PUT", path, good, header).wantError(t, 403, "auth", "forbidden")
		f.do("GET", "/namespaces/default/secrets", "", header).wantError(t, 403, "auth", "forbidden")
		f.do("DELETE", path, "", header).wantError(t, 403, "auth", "forbidden")
	}
	f.do("DELETE", path, "").wantBody(t, 200, `{}`)
	f.do("DELETE", path, "").wantError(t, 404, "api", "not_found")
}
