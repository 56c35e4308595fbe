package image_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
)

func fileOf(t testing.TB, im *image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := im.WriteTo(&b)
	imagetest.Must(t, err)
	if n != int64(b.Len()) {
		t.Errorf("WriteTo = %d, wrote %d", n, b.Len())
	}
	return b.Bytes()
}

// TestFile keeps an image in a file, and runs an instance of what it reads back.
func TestFile(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		back := checkFile(t, a, im)
		defer back.Close()
		v.Use(t, back)
		i := v.Shell(t)
		defer i.Close()
		if got := i.Call("bump"); got != 2 {
			t.Errorf("bump = %d, want 2", got)
		}
	})
}

// TestFileOfCounterGuest has more than one chunk of pages.
func TestFileOfCounterGuest(t *testing.T) {
	a := image.NewArena(image.Config{})
	v := counter(t)
	im := v.Image(t, a, 1024)
	defer im.Close()
	back := checkFile(t, a, im)
	defer back.Close()
	v.Use(t, back)
	i := v.Shell(t)
	defer i.Close()
	if got := i.Turn("increment", "[5]"); got != "5" {
		t.Errorf("increment = %s, want 5", got)
	}
}

// checkFile returns the image that comes back from a file, which the caller closes.
func checkFile(t *testing.T, a *image.Arena, im *image.Image) *image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	imagetest.Must(t, os.WriteFile(path, fileOf(t, im), 0o600))
	f, err := os.Open(path)
	imagetest.Must(t, err)
	defer f.Close()
	back, err := a.Read(f, im.Key())
	imagetest.Must(t, err)
	if back.Digest() != im.Digest() || !slices.Equal(back.Globals(), im.Globals()) ||
		back.WasmPages() != im.WasmPages() || back.MaxWasmPages() != im.MaxWasmPages() || back.StoredBytes() != im.StoredBytes() {
		t.Error("the image differs from what was written")
	}
	one, err := im.NewMemory()
	imagetest.Must(t, err)
	defer one.Close()
	two, err := back.NewMemory()
	imagetest.Must(t, err)
	defer two.Close()
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("a memory of the image that was read differs")
	}
	return back
}

func TestFileOfAnotherKey(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		_, im := tiny(t, a)
		defer im.Close()
		o := image.Origin{Module: "m", CPU: "other"}
		if _, err := a.Read(bytes.NewReader(fileOf(t, im)), o.Key()); !errors.Is(err, image.ErrKey) {
			t.Errorf("error %v, want ErrKey", err)
		}
	})
}

func TestKeysDiffer(t *testing.T) {
	seen := map[image.Key]image.Origin{}
	for _, o := range []image.Origin{{}, {Module: "ab"}, {Module: "a", Rewriter: "b"}, {Rewriter: "ab"}, {Engine: "ab"}, {CPU: "ab"}, {Module: "\x01a"}} {
		if other, ok := seen[o.Key()]; ok {
			t.Errorf("%+v and %+v have one key", o, other)
		}
		seen[o.Key()] = o
	}
}

// TestDamagedFile cuts a file and flips its bits.
func TestDamagedFile(t *testing.T) {
	a := image.NewArena(image.Config{Copy: true})
	_, im := tiny(t, a)
	defer im.Close()
	b := fileOf(t, im)
	refused := func(what string, at int, b []byte) {
		t.Helper()
		if _, err := a.Read(bytes.NewReader(b), im.Key()); !errors.Is(err, image.ErrCorrupt) {
			t.Fatalf("%s at %d of %d: %v, want ErrCorrupt", what, at, len(b), err)
		}
	}
	for n := range b {
		refused("cut", n, b[:n])
	}
	for bit := range 8 * len(b) {
		c := bytes.Clone(b)
		c[bit/8] ^= 1 << (bit % 8)
		refused("flipped", bit/8, c)
	}
	refused("longer", len(b), append(bytes.Clone(b), 0))
	// A new checksum does not make other content the image that the file says it is.
	for _, at := range []int{12 + 32, 12 + 64, 12 + 73} {
		c := bytes.Clone(b)
		c[at] ^= 1
		c, err := pack.Seal(c)
		imagetest.Must(t, err)
		refused("forged", at, c)
	}
}

func TestFileLargerThanTheArena(t *testing.T) {
	big := image.NewArena(image.Config{})
	im, err := big.New(image.Spec{Memory: make([]byte, image.WasmPageSize), MaxWasmPages: 20})
	imagetest.Must(t, err)
	defer im.Close()
	small := image.NewArena(image.Config{MaxWasmPages: 19})
	if _, err := small.Read(bytes.NewReader(fileOf(t, im)), im.Key()); !errors.Is(err, image.ErrCorrupt) {
		t.Errorf("a maximum above the arena's: %v, want ErrCorrupt", err)
	}
	if _, err := small.Read(endless{}, im.Key()); !errors.Is(err, image.ErrCorrupt) {
		t.Errorf("a file without end: %v, want ErrCorrupt", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestNewRefuses(t *testing.T) {
	a := image.NewArena(image.Config{MaxWasmPages: 4})
	for name, s := range map[string]image.Spec{
		"half a Wasm page":      {Memory: make([]byte, 100), MaxWasmPages: 4},
		"more than the maximum": {Memory: make([]byte, 2*image.WasmPageSize), MaxWasmPages: 1},
		"above the arena":       {MaxWasmPages: 5},
		"too many globals":      {Globals: make([]uint64, 10001)},
	} {
		if im, err := a.New(s); err == nil {
			im.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	if got := a.Stats(); got != (image.Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
}

// FuzzDecodeImage reads files that have the right checksum and anything else.
func FuzzDecodeImage(f *testing.F) {
	a := image.NewArena(image.Config{Copy: true, MaxWasmPages: 16})
	im, err := a.New(image.Spec{Memory: append(make([]byte, image.WasmPageSize-3), 1, 2, 3), Globals: []uint64{1, 2}, MaxWasmPages: 16})
	imagetest.Must(f, err)
	f.Add(fileOf(f, im))
	f.Add(fileOf(f, im)[:80])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) > 12+32 {
			key := im.Key()
			copy(b[12:], key[:])
			b, _ = pack.Seal(b)
		}
		got, err := a.Read(bytes.NewReader(b), im.Key())
		if err != nil {
			if !errors.Is(err, image.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		defer got.Close()
		again, err := a.Read(bytes.NewReader(fileOf(t, got)), im.Key())
		imagetest.Must(t, err)
		defer again.Close()
		if again.Digest() != got.Digest() {
			t.Error("the image changed by being written")
		}
	})
}
