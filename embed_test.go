package vivarium_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium"
)

// TestSourceIsComplete holds the list of embedded files to what a guest's build needs: every Go file
// of these folders but tests.
func TestSourceIsComplete(t *testing.T) {
	want := map[string]bool{}
	for _, dir := range []string{"hostfuncs/abi", "guest-sdk", "guest-sdk/internal/hostcall", "guest-sdk/internal/memhost", "guest-sdk/internal/schema", "guest-sdk/guesttest", "examples/wasm/counter"} {
		names, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if !strings.HasSuffix(n, "_test.go") {
				want[filepath.ToSlash(n)] = true
			}
		}
	}
	got := map[string]bool{}
	err := fs.WalkDir(vivarium.Source, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			got[path] = true
			disk, diskErr := os.ReadFile(path)
			if embedded, err := vivarium.Source.ReadFile(path); err != nil || diskErr != nil || string(embedded) != string(disk) {
				t.Errorf("%s is not the file on disk: %v, %v", path, err, diskErr)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("Source has\n%s\nwant\n%s", list(got), list(want))
	}
}

func list(set map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(set)), "\n") }
