package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// used asks for what the namespace default has used.
func (s *served) used(token string) map[string]int64 {
	s.t.Helper()
	var body struct {
		Total map[string]int64 `json:"total"`
	}
	a := s.request("GET", "/namespaces/default/usage", token, nil)
	if err := json.Unmarshal(a.body, &body); a.status != 200 || err != nil {
		s.t.Fatalf("usage: %s %v", a, err)
	}
	return body.Total
}

// What was used until it was stored survives a kill, and nothing is counted twice; quotas hold on, by the plans that the
// host is started with.
func TestUsageSurvivesKill(t *testing.T) {
	s := serve(t)
	admin, operator := s.token("admin", "default"), s.token("operator", "")
	s.upload(admin, "counter", "examples/wasm/counter")
	id := s.actor(admin, "counter", "a")
	calls := func(n int) {
		for range n {
			s.output(admin, id, "increment", "[1]")
		}
	}
	const before, after = 20, 10
	calls(before)
	stored := s.used(admin)
	calls(after)
	s.Kill()

	plans := filepath.Join(t.TempDir(), "plans.json")
	if err := os.WriteFile(plans, []byte(`{"default":{"actors":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, "serve", "--data", s.data, "--key-file", s.key, "--plans", plans)
	left := s.used(admin)
	for name, most := range map[string]int64{"turns": after, "written_bytes": after * 1000, "gas": after * 10_000_000, "requests": after + 2} {
		if left[name] < stored[name] || left[name] > stored[name]+most {
			t.Errorf("%s: %d were stored, %d are left after a kill", name, stored[name], left[name])
		}
	}
	if left["turns"] < before {
		t.Errorf("%d turns are left of %d that were stored", left["turns"], before)
	}
	if a := s.request("PUT", "/actors", admin, `{"name":"counter","key":"b","runner_name_selector":"default","crash_policy":"sleep"}`); a.status != 429 || a.code() != "quota/actors" {
		t.Errorf("a second actor: %s", a)
	}
	if a := s.request("PUT", "/namespaces/default/quotas", operator, `{"overrides":{"actors":2}}`); a.status != 200 {
		t.Fatalf("quotas: %s", a)
	}
	s.Kill()
	s.process = start(t, "serve", "--data", s.data, "--key-file", s.key, "--plans", plans)
	s.actor(admin, "counter", "b")
	if a := s.request("PUT", "/actors", admin, `{"name":"counter","key":"c","runner_name_selector":"default","crash_policy":"sleep"}`); a.status != 429 {
		t.Errorf("a third actor after a kill: %s", a)
	}
}

func TestPlansFile(t *testing.T) {
	dir := t.TempDir()
	host(t, "key", filepath.Join(dir, "key"))
	for name, text := range map[string]string{"none": "", "broken": "{", "quota": `{"a":{"cats":1}}`, "large": fmt.Sprintf("%*d", maxPlansFile+1, 1)} {
		file := filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var out, errs bytes.Buffer
		code := run([]string{"serve", "--key-file", filepath.Join(dir, "key"), "--data", filepath.Join(dir, "data"), "--plans", file}, &out, &errs)
		if code == 0 || !strings.Contains(errs.String(), file) {
			t.Errorf("%s: exit code %d: %s", name, code, errs.String())
		}
	}
}
