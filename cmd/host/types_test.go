package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// The declarations are those of the version that was asked for; what is not there has Rivet's error.
func TestTypes(t *testing.T) {
	data := t.TempDir()
	p := start(t, "dev", "--data", data, filepath.Join(actorstest.Root(), "examples", "wasm", "counter"))
	p.await("a live guest", func() bool { return strings.Contains(p.Printed(), " is live ") })
	text := host(t, "types", "counter", "--url", p.URL)
	for _, want := range []string{"increment: (c: unknown, ...args: [number]) => number;", "nop: (c: unknown, ...args: []) => void;", "export type Input = { start: number; };"} {
		if !strings.Contains(text, want) {
			t.Errorf("the declarations lack %q:\n%s", want, text)
		}
	}
	file := filepath.Join(t.TempDir(), "counter.d.ts")
	host(t, "types", "counter", "--version", "1", "--out", file, "--url", p.URL)
	if b, err := os.ReadFile(file); err != nil || strings.TrimSpace(string(b)) != text {
		t.Errorf("the file has %q, %v", b, err)
	}
	for _, args := range [][]string{{"absent"}, {"counter", "--version", "99"}} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"types", "--url", p.URL}, args...), &out, &errs); code != 1 || out.Len() > 0 || !strings.Contains(errs.String(), "module/not_found") {
			t.Errorf("host types %s: exit code %d, printed %q, %q", strings.Join(args, " "), code, out.String(), errs.String())
		}
	}
}
