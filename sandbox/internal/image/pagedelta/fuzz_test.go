package pagedelta_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/pack"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
)

// FuzzDecodeDelta decodes and applies deltas that have the right checksum and image, and anything
// else. What can be applied must be captured again as the same.
func FuzzDecodeDelta(f *testing.F) {
	a := image.NewArena(image.Config{Copy: true})
	im, err := a.New(image.Spec{Memory: append(make([]byte, image.WasmPageSize-3), 1, 2, 3), Globals: []uint64{1, 2}, MaxWasmPages: 1})
	imagetest.Must(f, err)
	m, err := im.NewMemory()
	imagetest.Must(f, err)
	for _, at := range []int{0, 5000, 65535} {
		m.Bytes()[at] ^= 0xff
		d, err := pagedelta.Capture(m, mark, []uint64{3, 4})
		imagetest.Must(f, err)
		f.Add(d.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		if len(b) > 12+32 {
			digest := im.Digest()
			copy(b[12:], digest[:])
			b, _ = pack.Seal(b)
		}
		imagetest.Must(t, m.Reset())
		d, err := pagedelta.Decode(b)
		if err != nil {
			if !errors.Is(err, pagedelta.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if err := d.Apply(m); err != nil {
			if n, _ := m.Changed(nil); len(n) != 0 {
				t.Errorf("%v, and pages %v are changed", err, n)
			}
			return
		}
		want := bytes.Clone(m.Bytes())
		again, err := pagedelta.Capture(m, d.Mark(), d.Globals())
		imagetest.Must(t, err)
		imagetest.Must(t, m.Reset())
		imagetest.Must(t, again.Apply(m))
		if !bytes.Equal(m.Bytes(), want) {
			t.Error("the memory changed by being captured")
		}
	})
}
