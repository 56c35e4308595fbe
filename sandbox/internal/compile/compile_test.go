package compile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

var bg = context.Background()

// TestCompileAndLoad compiles in a worker and shows that the host only loads: its cache directory is the
// same before and after, to the last file and time. The last step removes the entry and shows that the
// comparison would have noticed.
func TestCompileAndLoad(t *testing.T) {
	modules := map[string][]byte{"small": small(7), "counter": counter(t)}
	for _, closeOnDone := range []bool{false, true} {
		for name, wasm := range modules {
			if name == "counter" && (closeOnDone || testing.Short() || compile.RaceEnabled) {
				continue // many seconds
			}
			t.Run(fmt.Sprintf("%s/%v", name, closeOnDone), func(t *testing.T) {
				var log bytes.Buffer
				cfg := compile.Config{
					CacheDir: filepath.Join(t.TempDir(), "cache"), Options: compile.Options{CloseOnContextDone: closeOnDone},
					Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				}
				c := open(t, cfg)
				e, err := c.Compile(bg, "a", wasm)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%+v\n%s", e, log.String())
				checkModes(t, cfg.CacheDir, e)
				if err := c.Verify(e, wasm); err != nil {
					t.Error("verify:", err)
				}
				before := snapshot(t, cfg.CacheDir)
				took := load(t, cfg, wasm)
				t.Logf("load took %v", took)
				if after := snapshot(t, cfg.CacheDir); after != before {
					t.Errorf("loading changed the cache from\n%s\nto\n%s", before, after)
				}
				if name == "small" {
					must(c.Remove(e))
					load(t, cfg, wasm)
					if after := snapshot(t, cfg.CacheDir); after == before {
						t.Error("the host compiled and the comparison did not notice")
					}
				}
			})
		}
	}
}

// counter is a guest of 3 MB from standard Go.
func counter(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := guestbuild.Build(bg, guestbuild.Options{Dir: filepath.FromSlash("../../../examples/wasm/counter")})
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

// load does what the host does.
func load(t *testing.T, cfg compile.Config, wasm []byte) time.Duration {
	t.Helper()
	cache, err := wazero.NewCompilationCacheWithDir(cfg.CacheDir)
	must(err)
	defer cache.Close(bg)
	rt := wazero.NewRuntimeWithConfig(bg, compile.RuntimeConfig(cfg.Options).WithCompilationCache(cache))
	defer rt.Close(bg)
	_, err = wasi_snapshot_preview1.Instantiate(bg, rt)
	must(err)
	began := time.Now()
	m, err := rt.CompileModule(bg, wasm)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if _, ok := m.ExportedFunctions()["f"]; ok {
		inst, err := rt.InstantiateModule(bg, m, wazero.NewModuleConfig())
		must(err)
		if _, err := inst.ExportedFunction("f").Call(bg, 1); err != nil {
			t.Error("call:", err)
		}
	}
	return took
}

// snapshot is all that can be seen of the files of a cache.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		must(err)
		data, err := os.ReadFile(path)
		must(err)
		fmt.Fprintf(&b, "%s %v %d %v %x\n", path, info.Mode(), info.Size(), info.ModTime(), sum(data))
		return nil
	}))
	return b.String()
}

func checkModes(t *testing.T, cacheDir string, e compile.Entry) {
	t.Helper()
	path := filepath.Join(cacheDir, e.Name)
	for p, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): fs.ModeDir | 0o700, cacheDir: fs.ModeDir | 0o700} {
		info, err := os.Stat(p)
		must(err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", p, info.Mode(), want)
		}
	}
}

// TestSameBytesSameEntry holds for records that share an entry: the second takes no worker, and one that
// is made again does not outdate the first.
func TestSameBytesSameEntry(t *testing.T) {
	var log workerLog
	cfg := compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Logger: log.logger()}
	c := open(t, cfg)
	wasm := localsByIfs(50, 200)
	first, err := c.Compile(bg, "a", wasm)
	must(err)
	path := filepath.Join(cfg.CacheDir, first.Name)
	for name, tt := range map[string]struct {
		change  func()
		workers int
	}{
		"intact":     {func() {}, 0},
		"gone":       {func() { must(c.Remove(first)) }, 1},
		"no note":    {func() { must(os.Remove(path + ".json")) }, 1},
		"bad note":   {func() { must(os.WriteFile(path+".json", []byte("{"), 0o600)) }, 1},
		"wrong note": {func() { must(os.WriteFile(path+".json", []byte(`{"name":"x"}`), 0o600)) }, 1},
		"damaged":    {func() { must(os.WriteFile(path, make([]byte, first.Size), 0o600)) }, 1},
	} {
		before := log.ended()
		tt.change()
		again, err := c.Compile(bg, "b", wasm)
		if err != nil || again != first {
			t.Errorf("%s: compiled as %+v and then as %+v, %v", name, first, again, err)
		}
		if n := log.ended() - before; n != tt.workers {
			t.Errorf("%s: %d workers ran, want %d", name, n, tt.workers)
		}
	}
	if err := c.Verify(first, wasm); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	c := open(t, compile.Config{ModuleBytes: 1 << 20})
	for name, tt := range map[string]struct {
		wasm []byte
		want compile.Kind
		text string
	}{
		"not Wasm":        {[]byte("<html>\n\x1b[31m"), compile.KindRefused, "invalid magic number"},
		"empty":           {nil, compile.KindRefused, "invalid magic number"},
		"wrong type":      {function(0, []byte{0x41, 1}), compile.KindRefused, "invalid function[0]"},
		"cut off":         {small(9)[:20], compile.KindRefused, ""},
		"larger than all": {make([]byte, 1<<20+1), compile.KindSize, "the module has 1048577 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Compile(bg, "a", tt.wasm)
			e := wantKind(t, err, tt.want)
			if !strings.Contains(e.Detail, tt.text) {
				t.Errorf("detail is %q, want %q in it", e.Detail, tt.text)
			}
			if !e.Kind.Module() {
				t.Error("not held against the module")
			}
		})
	}
	wantEmpty(t, c)
	if ended, _ := c.Stats(); ended["refused"] != 4 || len(ended) != 1 { // the large one gets no worker
		t.Errorf("the workers ended as %v", ended)
	}
}

// wantKind checks an error and that its texts are fit for a client and a log.
func wantKind(t *testing.T, err error, want compile.Kind) *compile.Error {
	t.Helper()
	var e *compile.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("error is %v, want one of kind %s", err, want)
	}
	t.Logf("%v (log: %s)", e, e.Log)
	for _, s := range []string{e.Detail, e.Log} {
		if strings.ContainsAny(s, "\n\r\x1b\x00") || len(s) > 2000 {
			t.Errorf("text is not one short printable line: %q", s)
		}
	}
	return e
}

// wantEmpty checks that no run has left its directory.
func wantEmpty(t *testing.T, c *compile.Compiler) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(c.TempDir(), "run-*"))
	must(err)
	if len(left) > 0 {
		t.Errorf("directories left: %v", left)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]compile.Config{
		"no directory":  {},
		"little memory": {CacheDir: t.TempDir(), MemoryBytes: 1 << 20},
		"half a second": {CacheDir: t.TempDir(), CPUTime: 1500 * time.Millisecond},
		"high priority": {CacheDir: t.TempDir(), Nice: -5},
	} {
		if c, err := compile.Open(bg, cfg); err == nil {
			c.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	compile.SetWorkerReady(t, false)
	if _, err := compile.Open(bg, compile.Config{CacheDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "MaybeWorker") {
		t.Errorf("without MaybeWorker: %v", err)
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                    "plain",
		" a\n\tb\r\n\x1b[31mc\x00": "a b [31mc",
		"\xff\xfe":                 "",
		"ünï\u202etxt":             "ünï txt",
		strings.Repeat("é", 20):    strings.Repeat("é", 8) + "…",
	} {
		if got := compile.CutLine(in, 20); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
