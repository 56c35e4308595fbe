package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/cmd/host/internal/archive"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// wantFault runs a command that must fail with a code of its own.
func wantFault(t *testing.T, code string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	if exit := run(append(args, "--json"), &out, &errs); exit == 0 || !strings.Contains(errs.String(), `"code":"`+code+`"`) {
		t.Errorf("host %q: exit code %d, it printed %s, want the code %s", args, exit, errs.String(), code)
	}
}

// A backup that is taken under load has everything that was acknowledged before it began, and each actor as it was
// at one moment.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	host(t, "key", key)
	operator := host(t, "token", "--key-file", key, "--role", "operator", "--subject", "nightly")
	p := start(t, "serve", "--data", filepath.Join(dir, "data"), "--key-file", key)
	guest := actorstest.Guest(t, "examples/wasm/extism-as")
	if a := p.request("PUT", "/modules/plugin", operator, guest); a.status != 201 {
		t.Fatalf("upload: %s", a)
	}
	const many = 6
	var acked [many]atomic.Int64
	var ids [many]string
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range many {
		ids[i] = p.actor(operator, "plugin", fmt.Sprint(i))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p.output(operator, ids[i], "count", "[]")
				acked[i].Add(1)
			}
		})
	}
	p.await("some load", func() bool { return acked[0].Load() > 20 && acked[many-1].Load() > 20 })
	var before [many]int64
	for i := range many {
		before[i] = acked[i].Load()
	}
	file := filepath.Join(dir, "nightly.backup")
	printed := host(t, "backup", "--url", p.URL, "--token", operator, "-o", file)
	close(stop)
	wg.Wait()
	if !strings.Contains(printed, " 1 modules") {
		t.Errorf("it printed %q", printed)
	}
	if log := p.Printed(); !strings.Contains(log, "a backup was taken") || !strings.Contains(log, "subject=nightly") {
		t.Errorf("no line in the log: %s", log)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*.part-*"))
	if len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	p.Stop()

	data := filepath.Join(dir, "restored")
	host(t, "restore", file, "--data", data)
	q := start(t, "serve", "--data", data, "--key-file", key)
	for i := range many {
		var got int64
		json.Unmarshal([]byte(q.output(operator, ids[i], "count", "[]")), &got)
		if got--; got < before[i] || got > acked[i].Load() {
			t.Errorf("actor %d: %d in the backup, %d were done before it and %d in all", i, got, before[i], acked[i].Load())
		}
	}
	if id := q.actor(operator, "plugin", "0"); id != ids[0] {
		t.Errorf("the address finds %s, not %s", id, ids[0])
	}
	if a := q.request("GET", "/modules/plugin/versions/1/wasm", operator, nil); !bytes.Equal(a.body, guest) {
		t.Errorf("the module has %d bytes, want %d", len(a.body), len(guest))
	}
}

// takeBackup runs a host for development with an actor, and returns its data folder and a backup of it.
func takeBackup(t *testing.T) (data, file string) {
	t.Helper()
	dir := t.TempDir()
	data, file = filepath.Join(dir, "data"), filepath.Join(dir, "host.backup")
	p := start(t, "dev", filepath.Join(actorstest.Root(), "examples", "wasm", "extism-as", "plugin.wasm"), "--data", data)
	p.await("the guest", func() bool { return p.request("GET", "/modules/plugin", "", nil).status == 200 })
	p.output("", p.actor("", "plugin", "one"), "count", "[]")
	operator := host(t, "token", "--data", data, "--role", "operator")
	wantFault(t, "forbidden", "backup", "--url", p.URL, "-o", file) // who may come without a token is no operator
	host(t, "backup", "--url", p.URL, "--token", operator, "-o", file)
	p.Stop()
	return data, file
}

// A second backup would hold what the first one holds, twice as long.
func TestOneBackupAtATime(t *testing.T) {
	n, err := startNode(nodeConfig{data: filepath.Join(t.TempDir(), "data"), listen: "127.0.0.1:0", key: make([]byte, 32), log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.stop()
	n.backingUp.Lock()
	if err := n.backup(t.Context(), io.Discard); abi.CodeOf(err) != abi.CodeHostBusy {
		t.Errorf("a second one: %v", err)
	}
	n.backingUp.Unlock()
	if err := n.backup(t.Context(), io.Discard); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// The key of a host for development lies in its data folder. It is not in a backup.
func TestBackupHasNoKeys(t *testing.T) {
	data, file := takeBackup(t)
	key, err := os.ReadFile(devKeyFile(data))
	if err != nil {
		t.Fatal(err)
	}
	backup, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(backup, bytes.TrimSpace(key)) {
		t.Error("the backup has the key")
	}
	restored := filepath.Join(t.TempDir(), "data")
	host(t, "restore", file, "--data", restored)
	names, err := os.ReadDir(restored)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n.Name() != formatFile && n.Name() != storeFolder && n.Name() != moduleFolder {
			t.Errorf("the restored folder has %s", n.Name())
		}
	}
}

// An operator whose backup breaks off keeps the file of before.
func TestBackupThatBreaksOff(t *testing.T) {
	file := filepath.Join(t.TempDir(), "host.backup")
	if err := os.WriteFile(file, []byte("of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"backup/truncated":    "vivarium backup\n\x00\x00\x00\x01i\x00\x00",
		"backup/not_a_backup": "<html>a proxy's page</html>",
	} {
		before := snapshot(t, filepath.Dir(file))
		wantFault(t, name, "backup", "--url", answering(t, body), "-o", file)
		if after := snapshot(t, filepath.Dir(file)); after[file] != before[file] || len(after) != len(before) {
			t.Errorf("%s: the folder has %q, before %q", name, after, before)
		}
	}
}

// rewritten returns a backup with what change makes of its rows and modules, and right checksums.
func rewritten(t *testing.T, file string, change func(*rewriter)) []byte {
	t.Helper()
	var b bytes.Buffer
	r := &rewriter{t: t, info: func(i archive.Info) archive.Info { return i }, row: func(it kv.Item) []kv.Item { return []kv.Item{it} }, modules: 1}
	if change != nil {
		change(r)
	}
	r.b = &b
	if _, err := readBackup(file, r); err != nil {
		t.Fatal(err)
	}
	if _, err := r.w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type rewriter struct {
	t       *testing.T
	b       io.Writer
	w       *archive.Writer
	info    func(archive.Info) archive.Info
	row     func(kv.Item) []kv.Item
	modules int // how often each is there
}

func (r *rewriter) Info(i archive.Info) (err error) {
	r.w, err = archive.NewWriter(r.b, r.info(i))
	return err
}

func (r *rewriter) Row(it kv.Item) error {
	for _, it := range r.row(it) {
		if err := r.w.Row(it); err != nil {
			return err
		}
	}
	return nil
}

func (r *rewriter) Module(d archive.Digest, size int64, body io.Reader) error {
	b, err := io.ReadAll(body)
	for range r.modules {
		if err == nil {
			err = r.w.Module(d, size, bytes.NewReader(b))
		}
	}
	return err
}

// A file that is not a whole backup of ours is refused, and nothing is written.
func TestRestoreRefuses(t *testing.T) {
	_, file := takeBackup(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 0x40
		return b
	}
	if again := rewritten(t, file, nil); !bytes.Equal(again, whole) {
		t.Fatal("the rewriter changes what it should not")
	}
	for _, tt := range []struct {
		name string
		file []byte
		code string
	}{
		{"nothing", nil, "backup/not_a_backup"},
		{"another file", []byte("PK\x03\x04../../etc/passwd"), "backup/not_a_backup"},
		{"a flipped bit in the head", flipped(3), "backup/not_a_backup"},
		{"a flipped bit in the first rows", flipped(300), "backup/damaged"},
		{"a flipped bit in a module", flipped(len(whole) / 2), "backup/damaged"},
		{"a flipped bit in the end", flipped(len(whole) - 10), "backup/damaged"},
		{"cut off in the middle", whole[:len(whole)/2], "backup/truncated"},
		{"without its last byte", whole[:len(whole)-1], "backup/truncated"},
		{"a byte more", append(bytes.Clone(whole), 0), "backup/trailing_bytes"},
		{"twice", append(bytes.Clone(whole), whole...), "backup/trailing_bytes"},
		{"a newer form", append([]byte("vivarium backup\n\x00\x00\x00\x02"), whole[20:]...), "backup/newer_version"},
		{"a newer data format", rewritten(t, file, func(r *rewriter) {
			r.info = func(i archive.Info) archive.Info { i.Format++; return i }
		}), "backup/newer_version"},
		{"another engine", rewritten(t, file, func(r *rewriter) {
			r.info = func(i archive.Info) archive.Info { i.Engine = "../badger"; return i }
		}), "backup/other_engine"},
		{"a row with a path", rewritten(t, file, func(r *rewriter) {
			r.row = func(it kv.Item) []kv.Item {
				return []kv.Item{{Key: []byte("../../etc/passwd"), Value: it.Value}, it}
			}
		}), "backup/damaged"},
		{"a row of Badger's own", rewritten(t, file, func(r *rewriter) {
			r.row = func(it kv.Item) []kv.Item { return []kv.Item{{Key: []byte("!badger!txn"), Value: it.Value}, it} }
		}), "backup/damaged"},
		{"rows twice", rewritten(t, file, func(r *rewriter) {
			r.row = func(it kv.Item) []kv.Item { return []kv.Item{it, it} }
		}), "backup/damaged"},
		{"modules twice", rewritten(t, file, func(r *rewriter) { r.modules = 2 }), "backup/damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "bad.backup")
			if err := os.WriteFile(bad, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			empty := filepath.Join(dir, "empty")
			if err := os.Mkdir(empty, 0o700); err != nil {
				t.Fatal(err)
			}
			names := func() []string {
				var list []string
				for name := range maps.Keys(snapshot(t, dir)) {
					list = append(list, name)
				}
				return list
			}
			before := len(names())
			for _, data := range []string{filepath.Join(dir, "data"), empty} {
				wantFault(t, tt.code, "restore", bad, "--data", data)
				if after := names(); len(after) != before {
					t.Errorf("there is more than before: %q", after)
				}
			}
		})
	}
}

// Restore takes only a folder that is empty, or that is to be made.
func TestRestoreWhere(t *testing.T) {
	data, file := takeBackup(t)
	dir := t.TempDir()
	inside := filepath.Join(dir, "inside")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(inside, "own.backup")
	if err := os.Link(file, own); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	unfinished := filepath.Join(dir, "unfinished")
	if made, err := claimFolder(unfinished); err != nil || !made {
		t.Fatal(made, err)
	}
	before := []map[string]string{snapshot(t, data), snapshot(t, dir)}
	for name, where := range map[string]string{
		"a data folder in use":               data,
		"a link to it":                       link,
		"the folder of the backup":           inside,
		"what an unfinished restore left":    unfinished,
		"a file":                             file,
		"a folder in one that is not there":  filepath.Join(dir, "none", "data"),
		"a folder below a file, as a folder": filepath.Join(file, "data"),
	} {
		var errs bytes.Buffer
		if exit := run([]string{"restore", own, "--data", where}, io.Discard, &errs); exit != 1 {
			t.Errorf("%s: exit code %d, it printed %s", name, exit, errs.String())
		}
	}
	wantFault(t, "data/not_empty", "restore", own, "--data", data)
	for i, folder := range []string{data, dir} {
		if after := snapshot(t, folder); !maps.Equal(after, before[i]) {
			t.Errorf("%s was changed", folder)
		}
	}
	if exit := run([]string{"restore", own}, io.Discard, io.Discard); exit != 2 {
		t.Errorf("without a folder: exit code %d", exit)
	}
	wantFault(t, "backup/not_a_backup", "restore", data, "--data", filepath.Join(dir, "new"))
	t.Setenv("VIVARIUM_DATA", filepath.Join(dir, "env")) // that of the host in use
	if exit := run([]string{"restore", own}, io.Discard, io.Discard); exit != 2 {
		t.Errorf("the variable is taken for the flag: exit code %d", exit)
	}
	host(t, "restore", own, "--data", filepath.Join(dir, "new"))
}

// answering returns the address of a server that answers everything with a body.
func answering(t *testing.T, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
	t.Cleanup(srv.Close)
	return srv.URL
}
