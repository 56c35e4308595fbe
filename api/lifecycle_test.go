package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// ask sends a request as an admin and returns the answer.
func (l *live) ask(method, path, body string) (fields map[string]any) {
	l.t.Helper()
	r, err := http.NewRequest(method, strings.Replace(l.url, "ws:", "http:", 1)+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	token, err := l.keys.Sign(tenants.Claims{Namespace: tenants.Default, Role: tenants.RoleAdmin, TTL: time.Hour})
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(b, &fields); err != nil || resp.StatusCode != http.StatusOK {
		l.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	return fields
}

// Operators see an actor that is left alone and let it start again.
func TestCrashLoopOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	id := l.Actor(tenants.Default, "hooked", "a")
	path := "/actors/" + id.String()
	info := func(method, path string) map[string]any { return l.ask(method, path, "")["actor"].(map[string]any) }
	if got := info("GET", path); got["crash_loop_until"] != nil {
		t.Errorf("a sound actor: %v", got)
	}
	l.on(id, abi.KindWake, step("trap"))
	l.MustDo(id, step("sleep"))
	kvtest.Eventually(t, "the actor to be left alone", func() bool {
		_, err := l.Do(id, step("kv_get", "x"))
		return abi.CodeOf(err) == abi.CodeCrashLoop
	})
	if got := info("GET", path); got["crash_loop_until"] == nil {
		t.Errorf("an actor that is left alone: %v", got)
	}
	if got := info("POST", path+"/reset"); got["crash_loop_until"] != nil {
		t.Errorf("after a reset: %v", got)
	}
	if _, err := l.Do(id, step("kv_get", "x")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("after a reset it is not started: %v", err)
	}
}

// A canary takes a part of the actors to a version; one whose hook refuses it stays, and that is shown.
func TestCanaryOverHTTP(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	stays := l.Actor(tenants.Default, "hooked", "stays")
	l.on(stays, abi.KindUpgrade, step("user", "no", "not me"))
	v := l.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script"}, actorstest.ScriptVariant(t, 1))
	version := func(id tenants.ActorID) any {
		_, _ = l.Do(id, step("kv_get", "x"))
		return l.ask("GET", "/actors/"+id.String(), "")["actor"].(map[string]any)["version"]
	}
	if got := l.ask("PATCH", "/modules/script", fmt.Sprintf(`{"canary":{"version":%d,"percent":50}}`, v.Number))["canary"]; fmt.Sprint(got) != fmt.Sprintf("map[percent:50 version:%d]", v.Number) {
		t.Errorf("the canary is %v", got)
	}
	seen := map[any]int{}
	for i := range 20 {
		seen[version(l.Actor(tenants.Default, "hooked", fmt.Sprint(i)))]++
	}
	if len(seen) != 2 {
		t.Errorf("a canary of half of the actors: %v", seen)
	}
	if got := l.ask("PATCH", "/modules/script", `{"canary":null}`)["canary"]; got != nil {
		t.Errorf("the canary that ended is %v", got)
	}
	l.ask("PATCH", "/modules/script", fmt.Sprintf(`{"live":%d}`, v.Number))
	if got := version(stays); got != 1.0 {
		t.Errorf("an actor whose hook refuses runs version %v", got)
	}
	if got := l.ask("GET", "/actors/"+stays.String(), "")["actor"].(map[string]any)["failed_upgrade"]; got != float64(v.Number) {
		t.Errorf("failed_upgrade is %v", got)
	}
}

// What a manifest says to people is given back as it is.
func TestNameAndIcon(t *testing.T) {
	l := openLive(t, actorstest.Options{})
	if got := fmt.Sprint(l.ask("GET", "/modules/script/versions/1", "")); !strings.Contains(got, "name:Hasty") || !strings.Contains(got, "icon:bolt") {
		t.Errorf("the version is %s", got)
	}
}
