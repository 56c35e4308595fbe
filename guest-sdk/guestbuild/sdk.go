package guestbuild

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium"
)

// The one dependency of the SDK. Its proxy has the version but no list of versions, so every go.mod
// has to name it exactly.
const (
	pdkModule  = "github.com/extism/go-pdk"
	pdkVersion = "v1.1.3"
	pdkSums    = pdkModule + " " + pdkVersion + " h1:hfViMPWrqjN6u67cIYRALZTZLk/enSPpNKa+rZ9X2SQ=\n" +
		pdkModule + " " + pdkVersion + "/go.mod h1:Gz+LIU/YCKnKXhgge8yo5Yu1F/lbv7KtKFkiCSzW/P4=\n"
)

// goVersion is the version of Go that the SDK is written in, of the form of a go directive.
const goVersion = "1.26"

// SupplySDK puts the embedded SDK into a folder below cacheDir, unless it is there, and returns the
// folder: a Go module that a go.mod may replace github.com/vivarium-run/vivarium with. An empty
// cacheDir means "vivarium" in the user's cache folder. The folder's name tells its content, so it
// never changes; it is safe to call for several processes at once.
func SupplySDK(cacheDir string) (string, error) {
	if cacheDir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("guestbuild: no folder for the SDK: %w", err)
		}
		cacheDir = filepath.Join(user, "vivarium")
	}
	cacheDir, err := filepath.Abs(cacheDir)
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	files, err := sdkFiles()
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	dir := filepath.Join(cacheDir, "sdk", digest(files))
	if isSupplied(dir, files) {
		return dir, nil
	}
	if err := supply(dir, files); err != nil {
		return "", fmt.Errorf("guestbuild: SDK: %w", err)
	}
	return dir, nil
}

// supply writes the files beside dir and renames them into place. What is in place already and
// wrong, because somebody edited or cleaned the cache, makes room first.
func supply(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	fresh, stale := filepath.Join(tmp, "fresh"), filepath.Join(tmp, "stale")
	for name, b := range files {
		path := filepath.Join(fresh, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	if os.Rename(fresh, dir) == nil {
		return nil
	}
	if isSupplied(dir, files) { // another process was first
		return nil
	}
	if err := os.Rename(dir, stale); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil && !isSupplied(dir, files) {
		return err
	}
	return nil
}

func isSupplied(dir string, files map[string][]byte) bool {
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}

// sdkFiles returns the SDK as a module of its own: what is embedded, without the examples, and a
// go.mod that requires the PDK only.
func sdkFiles() (map[string][]byte, error) {
	files := map[string][]byte{
		"go.mod": []byte("module " + vivarium.Module + "\n\ngo " + goVersion + "\n\nrequire " + pdkModule + " " + pdkVersion + "\n"),
		"go.sum": []byte(pdkSums),
	}
	err := fs.WalkDir(vivarium.Source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, "examples/") {
			return err
		}
		files[path], err = vivarium.Source.ReadFile(path)
		return err
	})
	return files, err
}

func digest(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(h, "%s %d\n", name, len(files[name]))
		h.Write(files[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
