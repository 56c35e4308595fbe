package tenants

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// wantFiles holds that a folder has files of these names and no others.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}

func fileName(wasm string) string { return Digest(sha256.Sum256([]byte(wasm))).String() + ".wasm" }

func TestStage(t *testing.T) {
	r, _ := newDisk(t).open(t)
	coded := abi.Errorf(abi.CodeUnsupportedType, "no")
	much := func(n int) io.Reader { return io.LimitReader(endless{}, int64(n)) }
	tests := []struct {
		name string
		src  io.Reader
		want abi.Code // 0 means success
	}{
		{"below the limit", strings.NewReader("1234567"), 0},
		{"at the limit", iotest.OneByteReader(strings.NewReader("12345678")), 0},
		{"nothing", strings.NewReader(""), 0},
		{"above the limit", strings.NewReader("123456789"), abi.CodeBodyTooLarge},
		{"endless", endless{}, abi.CodeBodyTooLarge},
		{"breaks off", io.MultiReader(strings.NewReader("12"), iotest.ErrReader(io.ErrUnexpectedEOF)), abi.CodeInvalidRequest},
		{"too slow", iotest.ErrReader(os.ErrDeadlineExceeded), abi.CodeBodyTooSlow},
		{"error with a code", iotest.ErrReader(coded), abi.CodeUnsupportedType},
		{"all that is held", much(heldBytes), 0},
		{"more than is held", much(heldBytes + 1), 0},
		{"more than is held, breaks off", io.MultiReader(much(heldBytes+1), iotest.ErrReader(io.ErrUnexpectedEOF)), abi.CodeInvalidRequest},
		{"more than is held, above the limit", much(heldBytes + 9), abi.CodeBodyTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := int64(8)
			if strings.Contains(tt.name, "held") {
				limit += heldBytes
			}
			st, err := r.Stage(tt.src, limit)
			if tt.want != 0 {
				wantCode(t, err, tt.want)
				wantFiles(t, r.blobs.dir)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := st.ReadAll()
			if err != nil || int64(len(b)) != st.Bytes || Digest(sha256.Sum256(b)) != st.Digest {
				t.Errorf("ReadAll = %q, %v, of %+v", b, err, st)
			}
			if info, err := os.Stat(st.path); st.Bytes > heldBytes && (err != nil || info.Mode() != 0o600) {
				t.Errorf("%v, %v, want a file of mode 0600", info, err)
			} else if st.Bytes <= heldBytes && err == nil {
				t.Error("a small upload has a file")
			}
			st.Discard()
			st.Discard()
			wantFiles(t, r.blobs.dir)
			if _, err := st.ReadAll(); err == nil {
				t.Error("ReadAll works after Discard")
			}
		})
	}
	if info, err := os.Stat(r.blobs.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v, %v, want 0700", info.Mode(), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestFilesComeAndGo(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustNamespace(t, r, "acme")
	mustPublish(t, r, "x", sdk(Default, "one", "one"), true)
	mustPublish(t, r, "x", sdk(Default, "two", "two"), true)
	mustPublish(t, r, "x", sdk("acme", "one", "one"), true)
	mustPublish(t, r, "y", sdk("acme", "one", "one"), true)
	mustPublish(t, r, "x", sdk("acme", "one", "one"), true) // identical
	wantFiles(t, r.blobs.dir, fileName("x"), fileName("y"))
	steps := []struct {
		ns     ID
		module string
		want   []string
	}{
		{Default, "one", []string{fileName("x"), fileName("y")}},
		{"acme", "one", []string{fileName("x")}},
		{Default, "two", nil},
	}
	for _, tt := range steps {
		if err := r.DeleteModule(ctx, tt.ns, tt.module); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, r.blobs.dir, tt.want...)
	}
	_, err := r.Wasm(Digest(sha256.Sum256([]byte("x"))))
	wantCode(t, err, abi.CodeModuleNotFound)
}

// TestOpenAfterCrash has the folder as a process leaves it that dies within an upload.
func TestOpenAfterCrash(t *testing.T) {
	d := disk{filepath.Join(t.TempDir(), "da[ta]*")} // not a pattern
	r, closeAll := d.open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "a"), true)
	if st, err := r.Stage(io.LimitReader(endless{}, heldBytes+1), 1<<20); err != nil || st.path == "" { // never discarded
		t.Fatal(st, err)
	}
	closeAll()
	orphan := fileName("no record")
	if err := os.WriteFile(filepath.Join(d.blobs(), orphan), []byte("no rec"), 0o600); err != nil { // torn, even
		t.Fatal(err)
	}

	r, _ = d.open(t)
	wantFiles(t, d.blobs(), fileName("x"), orphan)
	_, err := r.Wasm(Digest(sha256.Sum256([]byte("no record"))))
	wantCode(t, err, abi.CodeModuleNotFound)
	v := mustPublish(t, r, "no record", sdk(Default, "m", "a"), true)
	if b, err := r.Wasm(v.Digest); err != nil || string(b) != "no record" {
		t.Errorf("Wasm = %q, %v", b, err)
	}
	if err := r.DeleteModule(context.Background(), Default, "m"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d.blobs())
}

func TestDamagedFile(t *testing.T) {
	wasm := strings.Repeat("wasm", 10_000)
	tests := map[string]func(path string) error{
		"missing":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"truncated": func(path string) error { return os.Truncate(path, int64(len(wasm)-1)) },
		"extended":  func(path string) error { return os.WriteFile(path, []byte(wasm+"x"), 0o600) },
		"changed":   func(path string) error { return os.WriteFile(path, []byte("W"+wasm[1:]), 0o600) },
		"last byte": func(path string) error { return os.WriteFile(path, []byte(wasm[:len(wasm)-1]+"x"), 0o600) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			r, closeAll := d.open(t)
			v := mustPublish(t, r, wasm, sdk(Default, "m", "a"), true)
			closeAll()
			if err := damage(filepath.Join(d.blobs(), fileName(wasm))); err != nil {
				t.Fatal(err)
			}
			r, _ = d.open(t) // the rest of the host must start
			b, err := r.Wasm(v.Digest)
			if b != nil || !errors.Is(err, kv.ErrCorrupt) || abi.CodeOf(err) != abi.CodeInternal {
				t.Fatalf("Wasm = %d bytes, %v, want %v", len(b), err, kv.ErrCorrupt)
			}
			if !strings.Contains(err.Error(), v.Digest.String()) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if again := mustPublish(t, r, wasm, sdk(Default, "m", "a"), true); again.Number != 1 {
				t.Errorf("version %d, want 1", again.Number)
			}
			if b, err := r.Wasm(v.Digest); err != nil || string(b) != wasm {
				t.Errorf("an upload did not repair it: %d bytes, %v", len(b), err)
			}
		})
	}
}

func TestOpenWasm(t *testing.T) {
	r, _ := newDisk(t).open(t)
	wasm := strings.Repeat("wasm", 10_000)
	v := mustPublish(t, r, wasm, sdk(Default, "m", "a"), true)
	empty := mustPublish(t, r, "", sdk(Default, "e", "e"), true)
	for want, d := range map[string]Digest{wasm: v.Digest, "": empty.Digest} {
		f, size, err := r.OpenWasm(d)
		if err != nil || size != int64(len(want)) {
			t.Fatalf("OpenWasm = %d bytes, %v, want %d", size, err, len(want))
		}
		if err := iotest.TestReader(f, []byte(want)); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}

	// Damage behind the part that was read already: the reader never gets the whole length.
	f, size, err := r.OpenWasm(v.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 100)
	if _, err := io.ReadFull(f, head); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.blobs.path(v.Digest), bytes.Repeat([]byte{0}, len(wasm)), 0o600); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(f)
	if !errors.Is(err, kv.ErrCorrupt) || int64(len(head)+len(rest)) >= size {
		t.Errorf("read %d of %d bytes, %v, want less and %v", len(head)+len(rest), size, err, kv.ErrCorrupt)
	}
}
