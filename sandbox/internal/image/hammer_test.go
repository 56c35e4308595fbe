package image_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
)

// TestHammer makes, soils, resets and closes memories of one image on many goroutines, and closes
// the image meanwhile.
func TestHammer(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		im, err := a.New(image.Spec{Memory: append([]byte{7}, make([]byte, image.WasmPageSize-1)...), MaxWasmPages: 4})
		imagetest.Must(t, err)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 0))
				for n := 0; ; n++ {
					m, err := im.NewMemory()
					if errors.Is(err, image.ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					for range r.IntN(4) {
						at := r.IntN(image.WasmPageSize)
						m.Bytes()[at] ^= 0xff
						if got, err := m.Changed(nil); err != nil || len(got) != 1 || got[0] != uint32(at/image.PageSize) {
							t.Errorf("Changed = %v, %v, want page %d", got, err, at/image.PageSize)
						}
						check(t, m.Reset())
						if got, _ := m.Changed(nil); len(got) != 0 {
							t.Errorf("changed after Reset: %v", got)
						}
					}
					a.Stats()
					im.ResidentBytes()
					check(t, m.Close())
					if g == 0 && n == 100 {
						check(t, im.Close())
					}
				}
			})
		}
		wg.Wait()
	})
}

// check is for goroutines that may not end the test.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
