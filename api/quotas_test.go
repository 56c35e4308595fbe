package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// quotaClient asks a live server with one token.
type quotaClient struct {
	*live
	token string
}

func (c quotaClient) ask(method, path, body string) (status int, answer string, retry string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.(*testing.T).Context(), method, strings.Replace(c.url, "ws", "http", 1)+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header.Get("Retry-After")
}

func (l *live) as(role tenants.Role, ns tenants.ID) quotaClient {
	l.t.Helper()
	token, err := l.keys.Sign(tenants.Claims{Namespace: ns, Role: role, TTL: time.Hour})
	if err != nil {
		l.t.Fatal(err)
	}
	return quotaClient{l, token}
}

func TestQuotasOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	operator, reader := l.as(tenants.RoleOperator, ""), l.as(tenants.RoleRead, tenants.Default)
	const path = "/namespaces/default/quotas"
	for _, bad := range []string{`{"plan":"gold"}`, `{"overrides":{"cats":1}}`, `{"overrides":{"actors":-1}}`, `{"overrides":{"actors":"1"}}`, `{"quotas":{}}`, `{"overrides":{"weight":101}}`} {
		if status, answer, _ := operator.ask("PUT", path, bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, status, answer)
		}
	}
	if status, _, _ := l.as(tenants.RoleAdmin, tenants.Default).ask("PUT", path, `{}`); status != http.StatusForbidden {
		t.Errorf("an admin may change quotas: %d", status)
	}
	status, answer, _ := operator.ask("PUT", path, `{"overrides":{"actors":1,"requests_per_second":1,"requests_burst":5,"connections":1}}`)
	if status != http.StatusOK || !strings.Contains(answer, `"actors":1`) {
		t.Fatalf("%d %s", status, answer)
	}
	var body quotasBody
	status, answer, _ = reader.ask("GET", path, "")
	if err := json.Unmarshal([]byte(answer), &body); status != http.StatusOK || err != nil || body.Plan != "default" || body.Quotas[tenants.QuotaActors] != 1 {
		t.Errorf("%d %s", status, answer)
	}
	if _, ok := body.Held[tenants.QuotaStored]; !ok || len(body.Held) < 8 {
		t.Errorf("held %v", body.Held)
	}
	for range 4 {
		reader.ask("GET", path, "")
	}
	status, answer, retry := reader.ask("GET", path, "")
	if status != http.StatusTooManyRequests || retry != "1" || !strings.Contains(answer, `"group":"quota","code":"requests_per_second"`) || !strings.Contains(answer, `"limit":1`) {
		t.Errorf("past the rate: %d %s, retry after %q", status, answer, retry)
	}
	for range 10 { // whoever is to help is not held up
		if status, answer, _ := operator.ask("GET", path, ""); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	}
}

// Of 64 who connect at once as many get in as may, and the others a code that tells them so.
func TestQuotaOfConnectionsOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	l.Actor(tenants.Default, "script", "a")
	set := func(overrides string) {
		if status, answer, _ := l.as(tenants.RoleOperator, "").ask("PUT", "/namespaces/default/quotas", `{"overrides":`+overrides+`}`); status != http.StatusOK {
			t.Fatal(answer)
		}
	}
	set(`{"connections":10}`)
	held := func() int64 { return l.Registry.Held(tenants.Default)[tenants.QuotaConnections] }
	var in, out atomic.Int64
	var mu sync.Mutex
	var open []*ws
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			c := dial(t, l.url+"/gateway/script/connect?rvt-method=get&rvt-key=a", rivet, "Authorization: Bearer "+l.token(time.Hour))
			_, m, err := c.ReadMessage()
			switch {
			case err == nil && strings.Contains(string(m), `"Init"`):
				in.Add(1)
			case err == nil && strings.Contains(string(m), "connections"):
				out.Add(1)
			default:
				t.Errorf("got %s, %v", m, err)
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, c)
		})
	}
	wg.Wait()
	if in.Load() != 10 || out.Load() != 54 {
		t.Errorf("%d got in, %d were refused", in.Load(), out.Load())
	}
	for _, c := range open {
		c.Close()
	}
	kvtest.Eventually(t, "the connections to end", func() bool { return held() == 0 })
	set(`{"connections":10,"requests_per_second":1,"requests_burst":3}`)
	c := dial(t, l.url+"/gateway/script/connect?rvt-method=get&rvt-key=a", rivet, "Authorization: Bearer "+l.token(time.Hour))
	var got string
	for i := range 4 {
		c.send(msgDo(i + 1))
	}
	for range 5 {
		got += c.next()
	}
	if strings.Count(got, "requests_per_second") < 1 || strings.Count(got, "ActionResponse") < 2 {
		t.Errorf("four messages at once gave %s", got)
	}
	c.Close()
}

func TestEgressBoundOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	operator, reader := l.as(tenants.RoleOperator, ""), l.as(tenants.RoleRead, tenants.Default)
	const path = "/namespaces/default/egress"
	for body, want := range map[string]int{`{"hosts":["https://"]}`: 400, `{"hosts":[""]}`: 400, `{"hosts":"a"}`: 400, `{"host":[]}`: 400, `{"hosts":["*"]}`: 400} {
		if status, answer, _ := operator.ask("PUT", path, body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	for _, body := range []string{`{"hosts":["api.example.com","*.example.org"]}`, `{"hosts":[]}`, `{"hosts":null}`} {
		if status, answer, _ := operator.ask("PUT", path, body); status != http.StatusOK || strings.TrimSpace(answer) != body {
			t.Errorf("%s: %d %s", body, status, answer)
		}
		if _, answer, _ := reader.ask("GET", path, ""); strings.TrimSpace(answer) != body {
			t.Errorf("it shows %s, want %s", answer, body)
		}
	}
}

func TestUsageOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "script", "a")
	l.MustDo(id, actorstest.S("kv_put", "k", "v"))
	reader := l.as(tenants.RoleRead, tenants.Default)
	for _, path := range []string{"/namespaces/default/usage", "/actors/" + id.String() + "/usage"} {
		status, answer, _ := reader.ask("GET", path, "")
		var body struct {
			Hours []map[string]int64 `json:"hours"`
			Total map[string]int64   `json:"total"`
		}
		if err := json.Unmarshal([]byte(answer), &body); status != http.StatusOK || err != nil || len(body.Hours) == 0 || body.Total["turns"] < 2 || body.Total["gas"] < 1000 || body.Total["written_bytes"] < 2 {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		for query, want := range map[string]int{
			"?from=0": 400, "?from=x": 400, "?from=-1": 400, "?to=99999999999999999999": 400, "?from=1&from=2": 400, "?cats=1": 400,
			"?from=3600000&to=3600000": 200, "?from=3600000&to=7200000": 200, "?from=7200000&to=0": 400,
		} {
			if status, answer, _ := reader.ask("GET", path+query, ""); status != want {
				t.Errorf("%s%s: %d %s", path, query, status, answer)
			}
		}
	}
	if status, _, _ := reader.ask("GET", "/actors/"+tenants.NewActorID(tenants.Default).String()+"/usage", ""); status != http.StatusNotFound {
		t.Errorf("an actor that never was: %d", status)
	}
}
