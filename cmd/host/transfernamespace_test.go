package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/kv"
)

const shopSecret = "sk-never-in-a-file"

// shop is a host with the namespace shop: a module of two versions, one a canary, actors with KV, schedules and waiting
// queue messages, a secret. It returns the file of its export, too.
func shop(t *testing.T) (s *served, file string) {
	t.Helper()
	dir := t.TempDir()
	s = &served{t: t, data: filepath.Join(dir, "data"), key: filepath.Join(dir, "key")}
	host(t, "key", s.key)
	host(t, "key", s.key+"-secrets")
	s.process = start(t, "serve", "--data", s.data, "--key-file", s.key, "--secrets-key-file", s.key+"-secrets")
	operator := s.token("operator", "")
	must := func(a answer) {
		t.Helper()
		if a.status/100 != 2 {
			t.Fatal(a)
		}
	}
	must(s.request("POST", "/namespaces", operator, `{"name":"shop","display_name":"The Shop"}`))
	must(s.request("PUT", "/namespaces/shop/quotas", operator, `{"overrides":{"actors":50}}`))
	admin := s.token("admin", "shop")
	for module, guest := range map[string]string{"reminder": "examples/wasm/reminder", "jobs": "examples/wasm/jobs"} {
		s.upload(admin, module, guest)
	}
	plugin := actorstest.Guest(t, "examples/wasm/extism-as")
	must(s.request("PUT", "/modules/plugin", admin, plugin))
	must(s.request("PUT", "/modules/plugin?live=false&label=commit=abc", admin, append(slices.Clone(plugin), 0, 3, 1, 'v', 2)))
	must(s.request("PATCH", "/modules/plugin", admin, `{"canary":{"version":2,"percent":10}}`))
	must(s.request("PATCH", "/modules/jobs", admin, `{"config":{"greeting":"hello"}}`))
	must(s.request("PUT", "/namespaces/shop/secrets/TOKEN", admin, `{"value":"`+shopSecret+`","host":"example.com"}`))
	counter := s.actor(admin, "plugin", "one")
	for range 3 {
		s.output(admin, counter, "count", "[]")
	}
	s.output(admin, s.actor(admin, "reminders", "ada"), "remind", `[60,"tea"]`)
	s.output(admin, s.actor(admin, "post", "main"), "write", `[["nobody"],"a letter"]`) // which is tried again later
	file = filepath.Join(dir, "shop.export")
	out := host(t, "export", "--url", s.URL, "--token", operator, "--whole", "--namespace", "shop", "-o", file)
	if !strings.HasPrefix(out, "wrote "+file) || !strings.HasSuffix(out, "; secrets to set again: TOKEN") {
		t.Errorf("it printed %q", out)
	}
	return s, file
}

// A namespace moves to another host, with all that it has but the values of its secrets.
func TestMoveNamespace(t *testing.T) {
	s, file := shop(t)
	if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte(shopSecret)) || bytes.Contains(b, []byte(`"sealed"`)) {
		t.Errorf("the file has a secret, or is none: %v", err)
	}
	old := s.token("admin", "shop")
	list := func(p *served, token, name string) string {
		return string(p.request("GET", "/actors?name="+name, token, nil).body)
	}
	before := list(s, old, "plugin")
	other := serve(t)
	operator := other.token("operator", "")
	out := host(t, "import", file, "--url", other.URL, "--token", operator)
	if out != "shop has 3 actors, 3 modules, 4 versions; secrets to set again: TOKEN" {
		t.Errorf("it printed %q", out)
	}
	admin := other.token("admin", "shop")
	if after := list(other, admin, "plugin"); idOf(after) != idOf(before) || idOf(after) == "" {
		t.Errorf("the actor was %s, and is %s", before, after)
	}
	counter := other.actor(admin, "plugin", "one")
	if got := other.output(admin, counter, "count", "[]"); got != "4" {
		t.Errorf("it goes on with %s", got)
	}
	for path, want := range map[string]string{
		"/modules/jobs":            `"config":{"greeting":"hello"}`,
		"/modules/plugin":          `"canary":{"version":2,"percent":10}`,
		"/modules/plugin/versions": `"labels":{"commit":"abc"}`,
		"/namespaces/shop/quotas":  `"actors":50`,
		"/namespaces/shop":         `"display_name":"The Shop"`,
		"/namespaces/shop/secrets": `"secrets":[]`,
		"/actors/" + other.actor(admin, "reminders", "ada") + "/schedules": `"tea"`,
		"/actors/" + other.actor(admin, "post", "main") + "/queue":         `"letters"`,
	} {
		if a := other.request("GET", path, admin, nil); a.status != 200 || !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s, want %s", path, a, want)
		}
	}
	if got := other.output(admin, counter, "count", "[]"); got != "5" {
		t.Errorf("then with %s", got)
	}
	other.Kill()
	if exit, codes := verified(t, other.data); exit != 0 {
		t.Errorf("exit code %d and %q", exit, codes)
	}
	other.restart()
	if got := other.output(admin, counter, "count", "[]"); got != "6" {
		t.Errorf("after a restart with %s", got)
	}
}

// idOf cuts the first id of an actor out of an answer.
func idOf(body string) string {
	_, rest, _ := strings.Cut(body, `"actor_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// stall is a host with the namespace shop, whose module is small and quick to compile, and the file of its export.
func stall(t *testing.T) (s *served, file string) {
	t.Helper()
	s, _, _ = plugins(t)
	admin := s.token("admin", "shop")
	for i, query := range []string{"", "?live=false"} {
		wasm := append(slices.Clone(actorstest.Guest(t, "examples/wasm/extism-as")), 0, 3, 1, 's', byte(i))
		if a := s.request("PUT", "/modules/plugin"+query, admin, wasm); a.status != 201 {
			t.Fatalf("upload: %s", a)
		}
	}
	for _, key := range []string{"one", "two", "three"} {
		s.output(admin, s.actor(admin, "plugin", key), "count", "[]")
	}
	file = filepath.Join(t.TempDir(), "shop.export")
	host(t, "export", "--url", s.URL, "--token", s.token("operator", ""), "--whole", "--namespace", "shop", "-o", file)
	return s, file
}

// Who may not gets no file and no namespace, and a name that is taken stays as it is.
func TestMoveNamespaceIsAnOperators(t *testing.T) {
	s, file := stall(t)
	operator, admin := s.token("operator", ""), s.token("admin", "shop")
	out := filepath.Join(t.TempDir(), "out")
	export := func(token, namespace string) []string {
		return []string{"export", "--url", s.URL, "--token", token, "--whole", "--namespace", namespace, "-o", out}
	}
	wantFault(t, "forbidden", export(admin, "shop")...)
	wantFault(t, "not_found", export(operator, "none")...)
	wantFault(t, "forbidden", "import", file, "--url", s.URL, "--token", admin, "--as", "other")
	wantFault(t, "exists", "import", file, "--url", s.URL, "--token", operator)
	wantFault(t, "exists", "import", file, "--url", s.URL, "--token", operator, "--as", "default")
	wantFault(t, "invalid_request", "import", file, "--url", s.URL, "--token", operator, "--as", "../x")
	for _, args := range [][]string{
		{"export", "--whole", "-o", out}, {"export", "--whole", "--module", "x", "--namespace", "shop", "-o", out},
		{"import", file, "--namespace", "shop"}, {"import", file, "--key", "x"},
	} {
		if exit := run(append(args, "--url", s.URL), io.Discard, io.Discard); exit != 2 {
			t.Errorf("%q: exit code %d", args, exit)
		}
	}
	if out := host(t, "import", file, "--url", s.URL, "--token", operator, "--as", "second"); !strings.HasPrefix(out, "second has 3 actors") {
		t.Errorf("it printed %q", out)
	}
	second := s.token("admin", "second")
	if got := s.output(second, s.actor(second, "plugin", "one"), "count", "[]"); got != "2" {
		t.Errorf("under another name it goes on with %s", got)
	}
	if left, err := os.ReadDir(filepath.Dir(out)); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if a := s.request("GET", "/namespaces", operator, nil); strings.Count(string(a.body), "namespace_id") != 3 {
		t.Errorf("namespaces: %s", a)
	}
	if got := s.output(admin, s.actor(admin, "plugin", "one"), "count", "[]"); got != "2" {
		t.Errorf("what was there goes on with %s", got)
	}
}

// A file that was changed, cut off or is of something else is refused, by the command and by the host, and leaves nothing.
func TestMoveNamespaceRefusesDamage(t *testing.T) {
	_, file := stall(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	operator := s.token("operator", "")
	dir := t.TempDir()
	backup, bad := filepath.Join(dir, "backup"), filepath.Join(dir, "bad")
	host(t, "backup", "--url", s.URL, "--token", operator, "-o", backup)
	wantFault(t, "backup/not_a_backup", "restore", file, "--data", filepath.Join(dir, "data"))
	send := func(what string, b []byte) {
		t.Helper()
		if a := s.sendFile("/namespaces/import", operator, b); a.status != 422 || a.code() != "archive/invalid" {
			t.Errorf("%s: %s", what, a)
		}
	}
	refused := func(what string, b []byte) {
		t.Helper()
		send(what, b)
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var errs bytes.Buffer
		if exit := run([]string{"import", bad, "--url", s.URL, "--token", operator, "--json"}, io.Discard, &errs); exit == 0 || !strings.Contains(errs.String(), `"code":"export/`) {
			t.Errorf("%s: exit code %d, %s", what, exit, errs.String())
		}
		// What is being removed has the name for a moment.
		s.await("the name to be free", func() bool { return s.request("GET", "/namespaces/shop", operator, nil).status == 404 })
	}
	for _, at := range []int{0, 30, 300, len(good) / 2, len(good) - 1} {
		flipped := slices.Clone(good)
		flipped[at] ^= 1
		refused(fmt.Sprintf("byte %d flipped", at), flipped)
		refused(fmt.Sprintf("cut off at %d", at), good[:at])
	}
	refused("longer", append(slices.Clone(good), 0))
	other, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	send("a backup", other)
	var odd bytes.Buffer
	w, err := archive.NewWriter(&odd, exportInfo(archive.Module))
	if err == nil {
		err = w.Row(kv.Item{Key: []byte("n"), Value: []byte(`{"namespace":"shop"}`)})
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	send("of another kind", odd.Bytes())
	if a := s.request("POST", "/namespaces/import", operator, "{}"); a.status != 415 {
		t.Errorf("a body that is JSON: %s", a)
	}
	s.Kill()
	if exit, codes := verified(t, s.data); exit != 0 {
		t.Errorf("exit code %d and %q", exit, codes)
	}
	if files, err := os.ReadDir(filepath.Join(s.data, moduleFolder)); len(files) > 0 || err != nil {
		t.Errorf("%d module files are left, %v", len(files), err)
	}
}

// A host that is killed in the middle of an import has nothing of it after the next start, wherever that was; and one that
// is deleted meanwhile does not come.
func TestKilledImport(t *testing.T) {
	_, file := stall(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t)
	operator := s.token("operator", "")
	// begin sends the file up to a byte, and returns what ends the request.
	begin := func(upTo int) (end func([]byte) answer) {
		r, w := io.Pipe()
		got := make(chan answer, 1)
		go func() { // ends with the request
			a, _ := s.trySending("/namespaces/import", operator, r)
			got <- a
		}()
		if _, err := w.Write(good[:upTo]); err != nil {
			t.Fatal(err)
		}
		s.await("the import to have come so far", func() bool {
			a := s.request("GET", "/namespaces/shop", operator, nil)
			return a.status == 200 && strings.Contains(string(a.body), `"importing":true`)
		})
		return func(rest []byte) answer { w.Write(rest); w.Close(); return <-got }
	}
	rows := bytes.Index(good, []byte("\x00asm")) // where the first module begins
	if rows < 0 {
		t.Fatal("the file has no module")
	}
	for _, upTo := range []int{rows, rows + (len(good)-rows)/2, len(good) - 1} {
		end := begin(upTo)
		if a := s.request("POST", "/namespaces", operator, `{"name":"shop"}`); a.code() != "namespace/deleting" {
			t.Errorf("the name is given away meanwhile: %s", a)
		}
		if a := s.sendFile("/namespaces/import?as=second", operator, good); a.status != 503 {
			t.Errorf("a second import meanwhile: %s", a)
		}
		if a := s.request("GET", "/modules", s.token("admin", "shop"), nil); a.status != 404 {
			t.Errorf("it is found meanwhile: %s", a)
		}
		s.Kill()
		end(nil)
		if exit, codes := verified(t, s.data); exit != 0 {
			t.Errorf("killed at %d: exit code %d and %q", upTo, exit, codes)
		}
		s.restart()
		s.await("what is left to go", func() bool { return s.request("GET", "/namespaces/shop", operator, nil).status == 404 })
		if files, err := os.ReadDir(filepath.Join(s.data, moduleFolder)); len(files) > 0 || err != nil {
			t.Errorf("killed at %d: %d module files are left, %v", upTo, len(files), err)
		}
	}
	end := begin(rows)
	if a := s.request("DELETE", "/namespaces/shop?confirm=shop", operator, nil); a.status != 202 {
		t.Errorf("delete what is being imported: %s", a)
	}
	if a := end(good[rows:]); a.code() != "namespace/deleting" {
		t.Errorf("then it comes: %s", a)
	}
	s.await("what is left to go", func() bool { return s.request("GET", "/namespaces/shop", operator, nil).status == 404 })
	end = begin(len(good) - 1)
	if a := end(good[len(good)-1:]); a.status != 201 {
		t.Errorf("a slow import: %s", a)
	}
	s.Kill()
	if exit, codes := verified(t, s.data); exit != 0 {
		t.Errorf("exit code %d and %q", exit, codes)
	}
}

// What the namespace may not have on the host that it comes to is refused with the quota's code.
func TestImportIsHeldToQuotas(t *testing.T) {
	_, file := stall(t)
	s := serve(t)
	operator := s.token("operator", "")
	for quota, plan := range map[string]string{"actors": `{"actors":2}`, "module_bytes": `{"module_bytes":100}`, "stored_bytes": `{"stored_bytes":1000}`} {
		s.Kill()
		plans := filepath.Join(t.TempDir(), "plans.json")
		if err := os.WriteFile(plans, []byte(`{"default":`+plan+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		s.process = start(t, "serve", "--data", s.data, "--key-file", s.key, "--plans", plans)
		var errs bytes.Buffer
		if exit := run([]string{"import", file, "--url", s.URL, "--token", operator, "--json"}, io.Discard, &errs); exit == 0 || !strings.Contains(errs.String(), `"group":"quota"`) {
			t.Errorf("%s: exit code %d, %s", quota, exit, errs.String())
		}
		s.await("what is left to go", func() bool { return s.request("GET", "/namespaces/shop", operator, nil).status == 404 })
	}
}
