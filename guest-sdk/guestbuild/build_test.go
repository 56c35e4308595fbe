package guestbuild

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium"
)

// counter is the source of a guest that lies outside the repository.
func counter(t *testing.T) []byte {
	t.Helper()
	b, err := vivarium.Source.ReadFile("examples/wasm/counter/main.go")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// folder makes a guest's folder of file names and contents.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onlyPDK makes the toolchain start with an empty module cache and no network: what it needs must
// come from the cache of this machine, and is found in the new one afterwards.
func onlyPDK(t *testing.T) (modCache string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	modCache = t.TempDir()
	t.Setenv("GOMODCACHE", modCache)
	t.Setenv("GOPROXY", "file://"+filepath.ToSlash(filepath.Join(strings.TrimSpace(string(out)), "cache", "download")))
	t.Setenv("GOFLAGS", "-modcacherw")
	return modCache
}

func TestBuildAnywhere(t *testing.T) {
	source := string(counter(t))
	tests := []struct {
		name  string
		files map[string]string
		dir   string
	}{
		{name: "no go.mod", files: map[string]string{"main.go": source}},
		{name: "go.mod that knows nothing of us", files: map[string]string{"main.go": source, "go.mod": "module example.com/shop\n"}},
		{name: "older go, some version of ours, older PDK", files: map[string]string{
			"main.go": source,
			"go.mod":  "module example.com/shop\n\ngo 1.22\n\ntoolchain go1.22.1\n\nrequire (\n\t" + vivarium.Module + " v0.9.1\n\t" + pdkModule + " v1.0.0\n)\n",
			"go.sum":  "example.com/other v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		}},
		{name: "folder of a larger module", dir: "guests/counter", files: map[string]string{
			"guests/counter/main.go": source, "go.mod": "module example.com/shop\n\ngo 1.26\n", "lib/lib.go": "package lib\n",
		}},
	}
	modCache := onlyPDK(t)
	cache := t.TempDir()
	var first []byte
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.files)
			out := filepath.Join(t.TempDir(), "guest.wasm")
			wasm, err := Build(t.Context(), Options{Dir: filepath.Join(dir, tt.dir), Out: out, CacheDir: cache})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(wasm, []byte("\x00asm")) {
				t.Errorf("not a Wasm module: % x", wasm[:8])
			}
			if !bytes.Contains(wasm, []byte("main.increment")) {
				t.Error("no function names for backtraces")
			}
			if bytes.Contains(wasm, []byte(dir)) || bytes.Contains(wasm, []byte(cache)) {
				t.Error("the module tells where it was built")
			}
			if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, wasm) {
				t.Errorf("Out differs from the result, error %v", err)
			}
			unchanged(t, dir, tt.files)
			if tt.dir == "" && first == nil {
				first = wasm
			}
		})
	}
	t.Run("same bytes elsewhere", func(t *testing.T) {
		wasm, err := Build(t.Context(), Options{Dir: folder(t, tests[0].files), CacheDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(wasm, first) {
			t.Error("the same source built in two folders differs")
		}
	})
	t.Run("stripped", func(t *testing.T) {
		wasm, err := Build(t.Context(), Options{Dir: folder(t, tests[0].files), CacheDir: cache, Strip: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(wasm) >= len(first) {
			t.Errorf("stripped %d bytes, whole %d", len(wasm), len(first))
		}
	})

	// The toolchain fetched all that the builds needed into an empty cache.
	mods, err := filepath.Glob(filepath.Join(modCache, "*", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mods {
		rel, _ := filepath.Rel(modCache, m)
		if !strings.HasPrefix(rel, "cache") && filepath.ToSlash(rel) != pdkModule+"@"+pdkVersion {
			t.Errorf("the build needs module %s", rel)
		}
	}
}

// unchanged checks that dir holds files and nothing else.
func unchanged(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		rel, _ := filepath.Rel(dir, path)
		if b, err := os.ReadFile(path); err != nil || string(b) != files[filepath.ToSlash(rel)] {
			t.Errorf("%s was written by the build, error %v", rel, err)
		}
		return nil
	})
	if err != nil || n != len(files) {
		t.Errorf("the folder has %d files after the build, want %d, error %v", n, len(files), err)
	}
}

func TestBuildInRepository(t *testing.T) {
	wasm, err := Build(t.Context(), Options{Dir: "../../examples/wasm/counter", CacheDir: filepath.Join(t.TempDir(), "unused")})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(wasm, []byte("\x00asm")) {
		t.Errorf("not a Wasm module: % x", wasm[:8])
	}
}

func TestBuildErrors(t *testing.T) {
	cache := t.TempDir()
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{name: "type error", files: map[string]string{"main.go": "package main\n\nfunc main() { var n int = \"x\" }\n"}, want: "./main.go:3:"},
		{name: "no main", files: map[string]string{"lib.go": "package lib\n"}, want: "main"},
		{name: "unknown module", files: map[string]string{"main.go": "package main\n\nimport _ \"example.com/x\"\n\nfunc main() {}\n"}, want: "example.com/x"},
		{name: "empty", files: nil, want: "no Go files"},
		{name: "go.mod not one", files: map[string]string{"main.go": "package main\n", "go.mod": "modul x\n"}, want: "go.mod:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			_, err := Build(t.Context(), Options{Dir: folder(t, tt.files), CacheDir: cache, Stderr: &stderr})
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Output, tt.want) {
				t.Fatalf("error %v, want one of the toolchain's with %q", err, tt.want)
			}
			if stderr.String() != e.Output {
				t.Errorf("Stderr got %q, the error has %q", stderr.String(), e.Output)
			}
		})
	}
	t.Run("no folder", func(t *testing.T) {
		if _, err := Build(t.Context(), Options{Dir: filepath.Join(cache, "none")}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("no go", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := Build(t.Context(), Options{Dir: cache}); !errors.Is(err, ErrNoGo) {
			t.Errorf("error %v, want ErrNoGo", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Build(ctx, Options{Dir: cache, CacheDir: cache}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestSupplySDK(t *testing.T) {
	cache := t.TempDir()
	dirs := make([]string, 8)
	var wg sync.WaitGroup
	for i := range dirs {
		wg.Go(func() {
			dir, err := SupplySDK(cache)
			if err != nil {
				t.Error(err)
			}
			dirs[i] = dir
		})
	}
	wg.Wait()
	dir := dirs[0]
	for _, d := range dirs {
		if d != dir {
			t.Errorf("two folders, %s and %s", d, dir)
		}
	}

	// Damage is repaired.
	mod := filepath.Join(dir, "go.mod")
	if err := os.WriteFile(mod, []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := SupplySDK(cache); err != nil || again != dir {
		t.Fatalf("SupplySDK = %s, %v, want %s", again, err, dir)
	}
	if b, err := os.ReadFile(mod); err != nil || !bytes.Contains(b, []byte(vivarium.Module)) {
		t.Errorf("go.mod is %q, error %v", b, err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "sdk", "tmp-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// It is a module by itself, and its packages compile for the host too.
	cmd := exec.Command("go", "vet", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go vet in %s: %v\n%s", dir, err, out)
	}
}
