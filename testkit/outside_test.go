package testkit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium"
	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// An author's project, in a folder of its own, has nothing but a go.mod that leads to a clone of this repository.
// What the host needs is in the clone's go.mod; go mod tidy would write the same, with a network.
func TestOutsideOfTheRepository(t *testing.T) {
	root, err := filepath.Abs(actorstest.Root())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mod := strings.Replace(read("go.mod"), "module "+vivarium.Module, "module example.com/counter", 1)
	write("go.mod", mod+"\nrequire "+vivarium.Module+" v0.0.0\n\nreplace "+vivarium.Module+" => "+root+"\n")
	write("go.sum", read("go.sum"))
	write("main.go", read("examples/wasm/counter/main.go"))
	write("main_test.go", `package main

import (
	"testing"

	"`+vivarium.Module+`/testkit"
)

func TestCounter(t *testing.T) {
	k := testkit.Start(t, testkit.Options{Dir: "."})
	a := k.Actor("counter")
	a.MustCall(nil, "increment", 2)
	k.Restart()
	var s State
	if a.State(&s); s.Count != 2 {
		t.Errorf("state %+v", s)
	}
}
`)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=readonly", "PWD="+dir)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestCounter") {
		t.Fatalf("go test in a folder of its own: %v\n%s", err, out)
	}
}
