package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	vivarium "github.com/vivarium-run/vivarium"
	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/tenants"
)

// guest is something to deploy: a folder of Go source, or a compiled module.
type guest struct {
	path   string // folder or .wasm file
	module string // its name
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// newGuest checks a path from the command line. The module is named for it unless name is given.
func newGuest(path, name string) (guest, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return guest{}, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return guest{}, usagef("%v", err)
	}
	if !info.IsDir() && filepath.Ext(abs) != ".wasm" {
		return guest{}, usagef("%s is neither a folder nor a .wasm file", path)
	}
	if name == "" {
		name = strings.Trim(notInName.ReplaceAllString(strings.TrimSuffix(filepath.Base(abs), ".wasm"), "-"), "-._")
	}
	if !tenants.ValidName(name) {
		return guest{}, usagef("%q cannot name a module: use --module with 1 to 64 of A-Z, a-z, 0-9, _, . and -", name)
	}
	return guest{path: abs, module: name}, nil
}

// compiled reports whether the guest is a module that somebody else has built.
func (g guest) compiled() bool { return filepath.Ext(g.path) == ".wasm" }

// build returns the guest's module, with names for backtraces.
func (g guest) build(ctx context.Context, progress io.Writer) ([]byte, error) {
	if g.compiled() {
		return os.ReadFile(g.path)
	}
	wasm, err := guestbuild.Build(ctx, guestbuild.Options{Dir: g.path, Stderr: progress})
	if err != nil {
		return nil, fmt.Errorf("build %s:\n%w", g.module, err)
	}
	return wasm, nil
}

// gitLabels says which commit a guest's source is at: labels commit and dirty, or none.
func (g guest) gitLabels(ctx context.Context) map[string]string {
	dir := g.path
	if g.compiled() {
		dir = filepath.Dir(dir)
	}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return nil // not a repository, or no git
	}
	labels := map[string]string{"commit": commit, "dirty": "false"}
	if changes, err := git("status", "--porcelain", "--", "."); err != nil || changes != "" {
		labels["dirty"] = "true"
	}
	return labels
}

// exampleDir is the counter, which `host dev` runs when it is given nothing.
const exampleDir = "examples/wasm/counter"

// exampleGuest returns the counter: the one of this repository when started in it, so that an edit
// is seen, else a copy in the data folder.
func exampleGuest(data string) (guest, error) {
	if mod, err := os.ReadFile("go.mod"); err == nil && strings.HasPrefix(string(mod), "module "+vivarium.Module+"\n") {
		return newGuest(filepath.FromSlash(exampleDir), "")
	}
	dir := filepath.Join(data, "guests", "counter")
	if _, err := os.Stat(dir); err == nil {
		return newGuest(dir, "") // it may have been edited
	}
	source, err := fs.Sub(vivarium.Source, exampleDir)
	if err != nil {
		return guest{}, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return guest{}, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return guest{}, err
	}
	if err := os.CopyFS(dir, source); err != nil {
		return guest{}, err
	}
	return newGuest(dir, "")
}
