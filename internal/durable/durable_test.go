package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A file is the old one or the new one, and what did not become one is gone.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	failed := errors.New("no more")
	for i, tt := range []struct {
		err  error
		want string
	}{{nil, "0"}, {failed, "0"}, {nil, "2"}, {failed, "2"}} {
		err := WriteFile(path, func(f *os.File) error {
			fmt.Fprint(f, i)
			return tt.err
		})
		b, _ := os.ReadFile(path)
		if !errors.Is(err, tt.err) || string(b) != tt.want {
			t.Errorf("write %d: %v, the file is %q, want %v, %q", i, err, b, tt.err, tt.want)
		}
		if all, err := os.ReadDir(dir); len(all) != 1 || err != nil {
			t.Errorf("write %d leaves %v %v, want one file", i, all, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want mode 0600", info, err)
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{"no folder": filepath.Join(dir, "none", "file"), "a folder of the name": dir} {
		if err := WriteFile(path, func(*os.File) error { return nil }); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if left, _ := filepath.Glob(dir + ".part-*"); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
	if err := SyncFolder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync of no folder: %v", err)
	}
}
