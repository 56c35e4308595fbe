package tenants

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
)

// While files are held for a copy none goes, and those that nobody needs any more go when the last hold ends.
func TestHoldFiles(t *testing.T) {
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "one", "one"), true)
	files, release := r.HoldFiles()
	_, again := r.HoldFiles()
	if err := r.DeleteModule(t.Context(), Default, "one"); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, "y", sdk(Default, "two", "two"), true)
	list := files()
	if len(list) != 2 {
		t.Fatalf("files: %+v, want both", list)
	}
	for _, f := range list {
		body, size, err := r.OpenWasm(f.Digest)
		if err != nil || size != f.Bytes {
			t.Fatalf("open %s: %d bytes, %v", f.Digest, size, err)
		}
		if _, err := io.ReadAll(body); err != nil {
			t.Error(err)
		}
		body.Close()
	}
	release()
	wantFiles(t, r.blobs.dir, fileName("x"), fileName("y"))
	again()
	wantFiles(t, r.blobs.dir, fileName("y"))
}

// A file that is needed again while it is held stays.
func TestHoldFilesOfOneThatComesBack(t *testing.T) {
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "one", "one"), true)
	_, release := r.HoldFiles()
	if err := r.DeleteModule(t.Context(), Default, "one"); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, "x", sdk(Default, "two", "two"), true)
	release()
	wantFiles(t, r.blobs.dir, fileName("x"))
	if err := r.DeleteModule(t.Context(), Default, "two"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, r.blobs.dir)
}

func TestPutFile(t *testing.T) {
	dir := t.TempDir()
	name := fileName("x")
	d, err := ParseDigest(name[:64])
	if err != nil {
		t.Fatal(err)
	}
	if err := PutFile(dir, d, bytes.NewReader([]byte("y"))); !errors.Is(err, kv.ErrCorrupt) {
		t.Errorf("other bytes: got %v, want ErrCorrupt", err)
	}
	wantFiles(t, dir)
	if err := PutFile(dir, d, bytes.NewReader([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	if err := PutFile(dir, d, bytes.NewReader([]byte("x"))); !errors.Is(err, os.ErrExist) {
		t.Errorf("a file that is there: got %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "x" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
