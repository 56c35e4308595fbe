package compile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// TestWrongOutput has workers that leave or say something else than they should.
func TestWrongOutput(t *testing.T) {
	cfg := compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
	c := open(t, cfg)
	before := snapshot(t, cfg.CacheDir)
	for mode, want := range map[string]struct {
		kind compile.Kind
		text string
	}{
		"garbage":   {compile.KindOutput, "not compiled code"},
		"empty":     {compile.KindOutput, "not compiled code"},
		"nothing":   {compile.KindOutput, "no compiled code"},
		"two":       {compile.KindOutput, "more than one file"},
		"two-dirs":  {compile.KindOutput, "more than one file"},
		"directory": {compile.KindOutput, "something else than a cache entry"},
		"rename":    {compile.KindOutput, "entry of another module"},
		"silent":    {compile.KindOutput, "no answer"},
		"twice":     {compile.KindOutput, "more than one answer"},
		"shout":     {compile.KindOutput, "wrote too much"},
		"nonsense":  {compile.KindOutput, "unknown"},
		"refuse":    {compile.KindRefused, "bad"},
		"panic":     {compile.KindCrashed, "exit code 2"},
		"exit":      {compile.KindCrashed, "exit code 3"},
	} {
		t.Run(mode, func(t *testing.T) {
			c.SetTestMode(mode)
			_, err := c.Compile(bg, "a", small(3))
			e := wantKind(t, err, want.kind)
			if !strings.Contains(e.Detail, want.text) {
				t.Errorf("detail is %q, want %q in it", e.Detail, want.text)
			}
		})
	}
	if after := snapshot(t, cfg.CacheDir); after != before {
		t.Errorf("the cache changed from\n%s\nto\n%s", before, after)
	}
	wantEmpty(t, c)

	c.SetTestMode("chatter") // 16 MB of messages are not a failure
	if _, err := c.Compile(bg, "a", small(3)); err != nil {
		t.Error(err)
	}
}

// TestTakeOver puts into a worker's directory what the jail would not let it make.
func TestTakeOver(t *testing.T) {
	c := open(t, compile.Config{EntryBytes: 1000})
	wasm := small(5)
	dir, key := filepath.Split(c.NameOf(wasm))
	secret := filepath.Join(t.TempDir(), "secret")
	must(os.WriteFile(secret, append(c.Header(), "secret"...), 0o600))
	for name, prepare := range map[string]func(box string){
		"link to a file":      func(box string) { must(os.Mkdir(box+dir, 0o700)); must(os.Symlink(secret, box+dir+key)) },
		"link to a directory": func(box string) { must(os.Symlink(filepath.Dir(secret), box+strings.TrimSuffix(dir, "/"))) },
		"too large": func(box string) {
			must(os.Mkdir(box+dir, 0o700))
			must(os.WriteFile(box+dir+key, append(c.Header(), make([]byte, 2000)...), 0o600))
		},
		"other wazero": func(box string) {
			must(os.Mkdir(box+"wazero-v0.0.0-x-y", 0o700))
			must(os.WriteFile(box+"wazero-v0.0.0-x-y/"+key, c.Header(), 0o600))
		},
		"bad name": func(box string) {
			must(os.Mkdir(box+dir, 0o700))
			must(os.WriteFile(box+dir+"x"+key[1:], c.Header(), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := t.TempDir()
			must(os.Mkdir(filepath.Join(run, "box"), 0o700))
			prepare(filepath.Join(run, "box") + "/")
			e, err := c.TakeOver(run, c.NameOf(wasm))
			var typed *compile.Error
			if !errors.As(err, &typed) || typed.Kind != compile.KindOutput && typed.Kind != compile.KindSize {
				t.Errorf("took over %+v with error %v", e, err)
			}
			t.Log(err)
		})
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(c.TempDir()), c.NameOf(wasm))); err == nil {
		t.Error("an entry came out")
	}
}
