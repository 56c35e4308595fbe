package main

import (
	"bytes"
	"context"
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

// contents is what a file has in it.
type contents struct {
	info archive.Info
	rows []string
}

func (c *contents) Info(i archive.Info) error { c.info = i; return nil }
func (c *contents) Row(it kv.Item) error {
	c.rows = append(c.rows, fmt.Sprintf("%q=%q", it.Key, it.Value))
	return nil
}
func (c *contents) Module(d archive.Digest, size int64, _ io.Reader) error {
	c.rows = append(c.rows, fmt.Sprintf("module %x %d", d, size))
	return nil
}

func readContents(t *testing.T, file string) *contents {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &contents{}
	if _, err := archive.Read(f, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// sendFile sends an export to a host as it is.
func (s *served) sendFile(path, token string, file []byte) answer {
	s.t.Helper()
	a, err := s.trySending(path, token, bytes.NewReader(file))
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *served) trySending(path, token string, file io.Reader) (answer, error) {
	req, err := s.NewRequest(context.Background(), "POST", path, token, file)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	return send(req)
}

// plugins is a host with a module of two versions and an actor that has counted.
func plugins(t *testing.T) (s *served, admin, id string) {
	t.Helper()
	s = serve(t)
	admin = s.token("admin", "default")
	guest := actorstest.Guest(t, "examples/wasm/extism-as")
	for i, query := range []string{"?label=commit=abc&note=first", "?note=second&live=false"} {
		wasm := append(slices.Clone(guest), 0, 3, 1, 'v', byte(i))
		if a := s.request("PUT", "/modules/plugin"+query, admin, wasm); a.status != 201 {
			t.Fatalf("upload: %s", a)
		}
	}
	id = s.actor(admin, "plugin", "one")
	for range 3 {
		s.output(admin, id, "count", "[]")
	}
	if a := s.request("POST", "/namespaces", s.token("operator", "default"), `{"name":"shop"}`); a.status != 200 {
		t.Fatalf("namespace: %s", a)
	}
	return s, admin, id
}

// A module and an actor go to another namespace, and are the same there.
func TestExportAndImport(t *testing.T) {
	s, admin, id := plugins(t)
	dir := t.TempDir()
	module, actor, again := filepath.Join(dir, "module"), filepath.Join(dir, "actor"), filepath.Join(dir, "again")
	host(t, "export", "--url", s.URL, "--token", admin, "--module", "plugin", "-o", module)
	host(t, "export", "--url", s.URL, "--token", admin, "--actor", id, "-o", actor)
	if info, err := os.Stat(actor); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}

	shop := s.token("admin", "shop")
	wantFault(t, "not_found", "import", actor, "--url", s.URL, "--token", shop) // its module is not there
	if out := host(t, "import", module, "--url", s.URL, "--token", shop); out != "plugin has 2 versions, live is 1" {
		t.Errorf("it printed %q", out)
	}
	wantFault(t, "module/exists", "import", module, "--url", s.URL, "--token", shop)
	out := host(t, "import", actor, "--url", s.URL, "--token", shop)
	if !strings.HasPrefix(out, "plugin[one] of shop is ") || strings.Contains(out, id) {
		t.Errorf("it printed %q", out)
	}
	wantFault(t, "duplicate_key", "import", actor, "--url", s.URL, "--token", shop)
	other := host(t, "import", actor, "--url", s.URL, "--token", shop, "--key", "two", "--key", "b")
	if !strings.HasPrefix(other, "plugin[two/b] of shop is ") {
		t.Errorf("it printed %q", other)
	}
	moved := s.actor(shop, "plugin", "one")
	if moved == id || !strings.Contains(out, moved) {
		t.Errorf("the address finds %s, of %q", moved, out)
	}
	host(t, "export", "--url", s.URL, "--token", shop, "--actor", moved, "-o", again)
	if a, b := readContents(t, actor), readContents(t, again); !slices.Equal(a.rows, b.rows) || a.info.Kind != archive.Actor {
		t.Errorf("exported %q\nand again %q", a.rows, b.rows)
	}
	host(t, "export", "--url", s.URL, "--token", shop, "--module", "plugin", "-o", again)
	if a, b := readContents(t, module), readContents(t, again); !slices.Equal(a.rows, b.rows) {
		t.Errorf("exported %q\nand again %q", a.rows, b.rows)
	}
	if got, want := s.output(shop, moved, "count", "[]"), s.output(admin, id, "count", "[]"); got != want {
		t.Errorf("the new one counts to %s, the old one to %s", got, want)
	}
	s.Stop()
	if exit, codes := verified(t, s.data); exit != 0 {
		t.Errorf("exit code %d and %q", exit, codes)
	}
}

// Who may not, or names nothing, gets no file and no actor.
func TestExportNeedsAnAdmin(t *testing.T) {
	s, admin, id := plugins(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	for code, args := range map[string][]string{
		"forbidden":       {"--token", s.token("deploy", "default"), "--actor", id},
		"not_found":       {"--token", s.token("admin", "shop"), "--actor", id},
		"unauthenticated": {"--actor", id},
	} {
		wantFault(t, code, append([]string{"export", "--url", s.URL, "-o", file}, args...)...)
	}
	wantFault(t, "not_found", "export", "--url", s.URL, "-o", file, "--token", admin, "--module", "absent")
	for _, args := range [][]string{{"-o", file}, {"-o", file, "--actor", id, "--module", "plugin"}, {"--actor", id}} {
		if exit := run(append([]string{"export", "--url", s.URL}, args...), io.Discard, io.Discard); exit != 2 {
			t.Errorf("export %q: exit code %d", args, exit)
		}
	}
	if left := snapshot(t, dir); len(left) > 1 {
		t.Errorf("left: %q", left)
	}
}

// A file that was changed, cut off or made by somebody else is refused by the command and by the host, and nothing is made.
func TestImportRefusesDamage(t *testing.T) {
	s, admin, id := plugins(t)
	dir := t.TempDir()
	module, actor, backup, bad := filepath.Join(dir, "module"), filepath.Join(dir, "actor"), filepath.Join(dir, "backup"), filepath.Join(dir, "bad")
	host(t, "export", "--url", s.URL, "--token", admin, "--module", "plugin", "-o", module)
	host(t, "export", "--url", s.URL, "--token", admin, "--actor", id, "-o", actor)
	host(t, "backup", "--url", s.URL, "--token", s.token("operator", "default"), "-o", backup)
	wantFault(t, "backup/not_a_backup", "restore", actor, "--data", filepath.Join(dir, "data"))
	wantFault(t, "export/not_an_export", "import", backup, "--url", s.URL, "--token", admin)
	listed := func() string { return string(s.request("GET", "/actors?name=plugin", admin, nil).body) }
	before := listed()
	send := func(what string, file []byte) {
		t.Helper()
		if a := s.sendFile("/actors/import?key=new", admin, file); a.status != 422 || !strings.Contains(string(a.body), `"group":"archive"`) {
			t.Errorf("%s: %s", what, a)
		}
	}
	good, err := os.ReadFile(actor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		flipped := slices.Clone(good)
		flipped[i] ^= 1
		send(fmt.Sprintf("byte %d flipped", i), flipped)
		send(fmt.Sprintf("cut off at %d", i), good[:i])
	}
	send("longer", append(slices.Clone(good), 0))
	for name, file := range map[string]string{"a backup": backup, "a module": module} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		send(name, b)
	}
	write := func(info archive.Info, rows ...kv.Item) []byte {
		var out bytes.Buffer
		w, err := archive.NewWriter(&out, info)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range rows {
			if err := w.Row(it); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	record := kv.Item{Key: []byte("m"), Value: []byte(`{"name":"plugin","key":"one","created":1}`)}
	newer := exportInfo(archive.Actor)
	newer.Format++
	engine := exportInfo(archive.Actor)
	engine.Engine = engineName
	for name, file := range map[string][]byte{
		"nothing":           write(exportInfo(archive.Actor)),
		"a newer format":    write(newer, record),
		"rows of an engine": write(engine, record),
		"another kind":      write(exportInfo("namespace"), record),
		"another's row":     write(exportInfo(archive.Actor), record, kv.Item{Key: []byte("c\x04shops\x01ai"), Value: []byte("x")}),
		"a path":            write(exportInfo(archive.Actor), kv.Item{Key: []byte("m"), Value: []byte(`{"name":"../x","key":"one"}`)}),
	} {
		send(name, file)
	}
	if after := listed(); after != before {
		t.Errorf("actors before %s, after %s", before, after)
	}

	shop := s.token("admin", "shop")
	whole, err := os.ReadFile(module)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 20, 60, 200, len(whole) / 2, len(whole) - 1} {
		flipped := slices.Clone(whole)
		flipped[at] ^= 1
		for what, b := range map[string][]byte{"flipped": flipped, "cut off": whole[:at]} {
			if err := os.WriteFile(bad, b, 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			if exit := run([]string{"import", bad, "--url", s.URL, "--token", shop, "--json"}, &out, &errs); exit == 0 || !strings.Contains(errs.String(), `"code":"export/`) {
				t.Errorf("%s at %d: exit code %d, %s", what, at, exit, errs.String())
			}
		}
	}
	// Whole, and made by somebody: the second version has the bytes of the first, or is none.
	doc := func(key, text string) kv.Item { return kv.Item{Key: []byte(key), Value: []byte(text)} }
	for name, rows := range map[string][]kv.Item{
		"no module":         {},
		"a path":            {doc("module", `{"module":"../x","live":1,"versions":1}`)},
		"no versions":       {doc("module", `{"module":"x","live":0,"versions":0}`)},
		"too many":          {doc("module", `{"module":"x","live":0,"versions":1000000}`)},
		"missing":           {doc("module", `{"module":"x","live":1,"versions":1}`)},
		"another row":       {doc("module", `{"module":"x","live":1,"versions":1}`), doc("grants", `{}`)},
		"a wrong number":    {doc("module", `{"module":"x","live":1,"versions":1}`), doc("version", `{"version":7,"digest":"`+strings.Repeat("0", 64)+`","bytes":1}`)},
		"a wrong digest":    {doc("module", `{"module":"x","live":1,"versions":1}`), doc("version", `{"version":1,"digest":"../../x","bytes":1}`)},
		"bytes are missing": {doc("module", `{"module":"x","live":1,"versions":1}`), doc("version", `{"version":1,"digest":"`+strings.Repeat("0", 64)+`","bytes":1}`)},
	} {
		if err := os.WriteFile(bad, write(exportInfo(archive.Module), rows...), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		wantFault(t, "export/damaged", "import", bad, "--url", s.URL, "--token", shop)
	}
	if a := s.request("GET", "/modules", shop, nil); string(a.body) != `{"modules":[]}` {
		t.Errorf("modules are left: %s", a)
	}
}
