package guestbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vivarium-run/vivarium"
)

// sdkPath is where the toolchain believes the SDK to be, below the guest's module. The folder exists
// only in the overlay; its name ends up in the Wasm file, so it must be the same everywhere.
const sdkPath = ".vivarium-sdk"

// overlay writes what the toolchain should see besides the author's files, and returns the file that
// go build takes as -overlay. It is empty for a guest of this repository.
func (b *build) overlay(ctx context.Context) (string, error) {
	root, mod, err := b.module(ctx)
	if err != nil || mod.Module.Path == vivarium.Module {
		return "", err
	}
	replace := map[string]string{}
	if !mod.replaces(vivarium.Module) {
		sdk, err := SupplySDK(b.CacheDir)
		if err != nil {
			return "", err
		}
		if err := mirror(replace, filepath.Join(root, sdkPath), sdk); err != nil {
			return "", fmt.Errorf("guestbuild: %w", err)
		}
	}
	goMod, err := b.goMod(ctx, root, mod)
	if err != nil {
		return "", err
	}
	goSum, err := b.goSum(root)
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	replace[filepath.Join(root, "go.mod")] = goMod
	replace[filepath.Join(root, "go.sum")] = goSum
	doc, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	path := filepath.Join(b.tmp, "overlay.json")
	return path, os.WriteFile(path, doc, 0o600)
}

// mirror makes the files below disk appear below seen.
func mirror(replace map[string]string, seen, disk string) error {
	return filepath.WalkDir(disk, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(disk, path) // path is below disk
			replace[filepath.Join(seen, rel)] = path
		}
		return err
	})
}

// modFile is what we need of go mod edit -json.
type modFile struct {
	Module  struct{ Path string }
	Go      string
	Require []struct{ Path, Version string }
	Replace []struct{ Old struct{ Path string } }
}

func (m *modFile) replaces(path string) bool {
	for _, r := range m.Replace {
		if r.Old.Path == path {
			return true
		}
	}
	return false
}

// requires returns the version that m names for path, empty for none.
func (m *modFile) requires(path string) string {
	for _, r := range m.Require {
		if r.Path == path {
			return r.Version
		}
	}
	return ""
}

// module finds the module that the guest's folder is in. Without one it is the folder itself, and
// the go.mod has no module.
func (b *build) module(ctx context.Context) (root string, m *modFile, err error) {
	m = new(modFile)
	out, err := b.run(ctx, "env", "GOMOD")
	if err != nil {
		return "", nil, err
	}
	path := strings.TrimSpace(string(out))
	if path == "" || path == os.DevNull {
		return b.Dir, m, nil
	}
	if out, err = b.run(ctx, "mod", "edit", "-json", path); err != nil {
		return "", nil, err
	}
	if err := json.Unmarshal(out, m); err != nil {
		return "", nil, fmt.Errorf("guestbuild: %s: %w", path, err)
	}
	return filepath.Dir(path), m, nil
}

// goMod writes the go.mod of the overlay: the author's, completed by what the SDK needs.
func (b *build) goMod(ctx context.Context, root string, m *modFile) (string, error) {
	path := filepath.Join(b.tmp, "go.mod")
	doc := []byte("module guest\n\ngo " + goVersion + "\n")
	if m.Module.Path != "" {
		var err error
		if doc, err = os.ReadFile(filepath.Join(root, "go.mod")); err != nil {
			return "", fmt.Errorf("guestbuild: %w", err)
		}
	}
	if err := os.WriteFile(path, doc, 0o600); err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	edit := []string{"mod", "edit"}
	if !m.replaces(vivarium.Module) {
		edit = append(edit, "-require="+vivarium.Module+"@v0.0.0", "-replace="+vivarium.Module+"=./"+sdkPath)
	}
	if older(m.requires(pdkModule), pdkVersion) {
		edit = append(edit, "-require="+pdkModule+"@"+pdkVersion)
	}
	if m.Module.Path != "" && version.Compare("go"+m.Go, "go"+goVersion) < 0 {
		edit = append(edit, "-go="+goVersion, "-toolchain=none")
	}
	if len(edit) == 2 {
		return path, nil // the author's is complete, and go wants something to edit
	}
	_, err := b.run(ctx, append(edit, path)...)
	return path, err
}

// goSum writes the go.sum of the overlay: the author's, completed by the PDK's lines.
func (b *build) goSum(root string) (string, error) {
	doc, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	if len(doc) > 0 && doc[len(doc)-1] != '\n' {
		doc = append(doc, '\n')
	}
	for line := range strings.Lines(pdkSums) {
		if !bytes.Contains(doc, []byte(line)) {
			doc = append(doc, line...)
		}
	}
	path := filepath.Join(b.tmp, "go.sum")
	return path, os.WriteFile(path, doc, 0o600)
}

// older compares versions like v1.2.3, of which Go's own comparison of releases is close enough.
// None is older than any.
func older(a, b string) bool {
	return a == "" || version.Compare("go"+strings.TrimPrefix(a, "v"), "go"+strings.TrimPrefix(b, "v")) < 0
}
