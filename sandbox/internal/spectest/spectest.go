// Package spectest gives tests the official test suite of the Wasm specification.
//
// It owns finding and reading the suite, which lies in the source of the engine in the module cache,
// and comparing results with what the suite wants. It leaves running to its users.
//
// Its one invariant: nothing of the suite is copied into this repository.
package spectest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Script is one file of the suite: commands in order.
type Script struct {
	Name     string // such as "v2/i32"
	Commands []Command
	dir      string
}

// Command is one step of a script.
type Command struct {
	Type     string `json:"type"` // module, register, action, assert_return and so on
	Line     int    `json:"line"`
	Name     string `json:"name"`
	Filename string `json:"filename"`
	As       string `json:"as"`
	Text     string `json:"text"`
	Form     string `json:"module_type"` // text or binary

	Action struct {
		Type   string  `json:"type"` // invoke or get
		Field  string  `json:"field"`
		Module string  `json:"module"`
		Args   []Value `json:"args"`
	} `json:"action"`
	Expected []Value `json:"expected"`
}

// Text is the Form of modules in the text format, which the suite has to test parsers of it.
const Text = "text"

// Module returns the bytes of the module that c names.
func (s *Script) Module(t testing.TB, c *Command) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, c.Filename))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var find = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest"), err
})

// Scripts returns the scripts of versions 1 and 2 of the core specification.
func Scripts(t testing.TB) []*Script {
	t.Helper()
	var all []*Script
	for _, version := range []string{"v1", "v2"} {
		all = append(all, read(t, version)...)
	}
	return all
}

// Proposal returns the scripts of a proposal, by the name of its folder.
func Proposal(t testing.TB, name string) []*Script {
	t.Helper()
	return read(t, name)
}

func read(t testing.TB, version string) []*Script {
	t.Helper()
	root, err := find()
	if err != nil {
		t.Fatalf("find the suite: %v", err)
	}
	dir := filepath.Join(root, version, "testdata")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	var all []*Script
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := &Script{Name: version + "/" + strings.TrimSuffix(filepath.Base(f), ".json"), dir: dir}
		if err := json.Unmarshal(b, s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, s)
	}
	return all
}

// Host returns the module "spectest", which scripts import from.
func Host(t testing.TB) []byte {
	t.Helper()
	root, err := find()
	if err != nil {
		t.Fatalf("find the suite: %v", err)
	}
	b, err := os.ReadFile(filepath.Join(root, "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
