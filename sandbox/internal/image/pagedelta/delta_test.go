package pagedelta_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
)

var seed = flag.Uint64("seed", 0, "repeats a failed random test")

// random returns a source that a failure can be repeated with.
func random(t testing.TB) *rand.Rand {
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

func forms(t *testing.T, f func(t *testing.T, a *image.Arena)) {
	for name, c := range map[string]image.Config{"mapping": {}, "few kept": {KeepBytes: 3 * image.PageSize}, "copying": {Copy: true}} {
		t.Run(name, func(t *testing.T) {
			a := image.NewArena(c)
			f(t, a)
			if got := a.Stats(); got != (image.Stats{}) {
				t.Errorf("left behind: %+v", got)
			}
		})
	}
}

func tiny(t testing.TB, a *image.Arena) (*imagetest.Version, *image.Image) {
	t.Helper()
	v := imagetest.Tiny(t, imagetest.Module{MinPages: 2, MaxPages: 40, Data: true})
	return v, v.Image(t, a, 40)
}

var mark = pagedelta.Mark{Owner: "actor", Position: 7}

func capture(t testing.TB, i *imagetest.Instance) *pagedelta.Delta {
	t.Helper()
	d, err := pagedelta.Capture(i.Memory, mark, i.Globals.Values(nil))
	imagetest.Must(t, err)
	return d
}

// wake brings a delta back in a shell that is as good as new, by way of its byte form.
func wake(t testing.TB, i *imagetest.Instance, d *pagedelta.Delta) {
	t.Helper()
	d, err := pagedelta.Decode(d.Bytes())
	imagetest.Must(t, err)
	if !d.Matches(mark, i.Memory.Image().Digest()) {
		t.Fatal("the delta does not match")
	}
	if n := d.WasmPages() - i.Memory.WasmPages(); n > 0 {
		if _, ok := i.Module.Memory().Grow(n); !ok {
			t.Fatalf("growing by %d", n)
		}
	}
	imagetest.Must(t, d.Apply(i.Memory))
	imagetest.Must(t, i.Globals.Set(d.Globals()))
}

func checkSame(t *testing.T, got, want *imagetest.Instance) {
	t.Helper()
	if !bytes.Equal(got.Memory.Bytes(), want.Memory.Bytes()) {
		t.Error("the memories differ")
	}
	if g, w := got.Globals.Values(nil), want.Globals.Values(nil); !slices.Equal(g, w) {
		t.Errorf("globals %v, want %v", g, w)
	}
}

// TestRandomLives lets instances live random lives, with growth, pages of noise and pages that are
// put back to what they were, and brings them back in new, used and grown shells.
func TestRandomLives(t *testing.T) {
	r := random(t)
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		used := v.Shell(t)
		defer func() { used.Close() }()
		for range 30 {
			i := v.Shell(t)
			for range r.IntN(60) {
				live(r, i)
			}
			d := capture(t, i)
			fresh := v.Shell(t)
			wake(t, fresh, d)
			checkSame(t, fresh, i)
			fresh.Close()

			used.Reset()
			if used.Memory.WasmPages() > d.WasmPages() {
				if err := d.Apply(used.Memory); !errors.Is(err, pagedelta.ErrMismatch) {
					t.Errorf("applied to a larger memory: %v, want ErrMismatch", err)
				}
				used.Close()
				used = v.Shell(t)
			}
			wake(t, used, d)
			checkSame(t, used, i)
			for range 5 {
				if got, want := used.Call("bump"), i.Call("bump"); got != want {
					t.Errorf("bump = %d, want %d", got, want)
				}
			}
			i.Close()
		}
	})
}

// live makes one random step.
func live(r *rand.Rand, i *imagetest.Instance) {
	b := i.Memory.Bytes()
	n := len(b) / image.PageSize
	p := i.Memory.Page(uint32(r.IntN(n)))
	switch r.IntN(8) {
	case 0:
		i.Call("grow", uint64(r.IntN(3)))
	case 1:
		for k := range p {
			p[k] = byte(r.Uint32())
		}
	case 2:
		clear(p)
	case 3: // back to the image
		k := uint32(r.IntN(n))
		if base := i.Memory.Image().Page(k); base != nil {
			copy(i.Memory.Page(k), base)
		} else {
			clear(i.Memory.Page(k))
		}
	case 4:
		i.Call("bump")
	default:
		i.Call("poke", uint64(r.IntN(len(b)-8)), r.Uint64())
	}
}

// TestAllOfMemory captures more than one chunk of pages, none of which compresses.
func TestAllOfMemory(t *testing.T) {
	r := random(t)
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		i, j := v.Shell(t), v.Shell(t)
		defer i.Close()
		defer j.Close()
		i.Call("grow", 38)
		b := i.Memory.Bytes()
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		d := capture(t, i)
		if got, want := d.Pages(), len(b)/image.PageSize; got != want {
			t.Errorf("%d pages, want %d", got, want)
		}
		wake(t, j, d)
		checkSame(t, j, i)
	})
}

func TestUnchangedMemory(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		i := v.Shell(t)
		defer i.Close()
		i.Call("poke", 8, i.Call("peek", 8))
		d := capture(t, i)
		if d.Pages() != 0 || len(d.Bytes()) > 100 {
			t.Errorf("%d pages, %d bytes, want none and less than 100", d.Pages(), len(d.Bytes()))
		}
		wake(t, i, d)
	})
}

func TestMatches(t *testing.T) {
	a := image.NewArena(image.Config{})
	v, im := tiny(t, a)
	defer im.Close()
	other, err := a.New(image.Spec{Key: im.Key(), Memory: make([]byte, 2*image.WasmPageSize), Globals: im.Globals(), MaxWasmPages: 40})
	imagetest.Must(t, err)
	defer other.Close()
	i := v.Shell(t)
	defer i.Close()
	i.Call("poke", 0, 1)
	d := capture(t, i)
	for _, tt := range []struct {
		name  string
		mark  pagedelta.Mark
		image image.Digest
		want  bool
	}{
		{"same", mark, im.Digest(), true},
		{"another actor", pagedelta.Mark{Owner: "actor2", Position: 7}, im.Digest(), false},
		{"an older commit", pagedelta.Mark{Owner: "actor", Position: 6}, im.Digest(), false},
		{"a newer commit", pagedelta.Mark{Owner: "actor", Position: 8}, im.Digest(), false},
		{"same key, other content", mark, other.Digest(), false},
	} {
		if got := d.Matches(tt.mark, tt.image); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	m, err := other.NewMemory()
	imagetest.Must(t, err)
	defer m.Close()
	if err := d.Apply(m); !errors.Is(err, pagedelta.ErrMismatch) {
		t.Errorf("applied to another image: %v, want ErrMismatch", err)
	}
	if n, _ := m.Changed(nil); len(n) != 0 {
		t.Errorf("the other memory was changed: %v", n)
	}
}

func TestCaptureRefuses(t *testing.T) {
	a := image.NewArena(image.Config{})
	v, im := tiny(t, a)
	defer im.Close()
	i := v.Shell(t)
	if _, err := pagedelta.Capture(i.Memory, mark, nil); err == nil {
		t.Error("captured without globals")
	}
	if _, err := pagedelta.Capture(i.Memory, pagedelta.Mark{Owner: string(make([]byte, 2000))}, i.Globals.Values(nil)); err == nil {
		t.Error("captured for an owner of 2,000 bytes")
	}
	i.Close()
	if _, err := pagedelta.Capture(i.Memory, mark, make([]uint64, 3)); !errors.Is(err, image.ErrClosed) {
		t.Errorf("captured a closed memory: %v, want ErrClosed", err)
	}
	bare, err := a.Bare(1)
	imagetest.Must(t, err)
	defer bare.Close()
	if _, err := pagedelta.Capture(bare, mark, nil); !errors.Is(err, image.ErrNoImage) {
		t.Errorf("captured a bare memory: %v, want ErrNoImage", err)
	}
}

// TestDamage cuts a delta everywhere and flips each of its bits.
func TestDamage(t *testing.T) {
	a := image.NewArena(image.Config{})
	v, im := tiny(t, a)
	defer im.Close()
	i := v.Shell(t)
	defer i.Close()
	i.Call("poke", 70000, 1234)
	i.Call("grow", 1)
	b := capture(t, i).Bytes()
	for n := range b {
		if _, err := pagedelta.Decode(b[:n]); !errors.Is(err, pagedelta.ErrCorrupt) {
			t.Fatalf("cut to %d of %d bytes: %v, want ErrCorrupt", n, len(b), err)
		}
	}
	for bit := range 8 * len(b) {
		c := bytes.Clone(b)
		c[bit/8] ^= 1 << (bit % 8)
		if _, err := pagedelta.Decode(c); !errors.Is(err, pagedelta.ErrCorrupt) {
			t.Fatalf("bit %d flipped: %v, want ErrCorrupt", bit, err)
		}
	}
	if _, err := pagedelta.Decode(append(bytes.Clone(b), 0)); !errors.Is(err, pagedelta.ErrCorrupt) {
		t.Errorf("a byte too many: %v, want ErrCorrupt", err)
	}
	if _, err := pagedelta.Decode(b); err != nil {
		t.Errorf("the whole: %v", err)
	}
}

func counter(t testing.TB) *imagetest.Version {
	t.Helper()
	wasm, err := guestbuild.Build(context.Background(), guestbuild.Options{Dir: "../../../../examples/wasm/counter", Strip: true})
	imagetest.Must(t, err)
	return imagetest.Guest(t, wasm)
}

// TestCounterGuest puts a guest of the Go toolchain to sleep and wakes it while another one stays
// awake, and sees that nobody can tell them apart.
func TestCounterGuest(t *testing.T) {
	v := counter(t)
	r := random(t)
	forms(t, func(t *testing.T, a *image.Arena) {
		im := v.Image(t, a, 1024)
		defer im.Close()
		awake, sleeper := v.Shell(t), v.Shell(t)
		defer func() {
			awake.Close()
			sleeper.Close()
		}()
		for range 8 {
			for range r.IntN(50) {
				want := awake.Turn("increment", "[2]")
				if got := sleeper.Turn("increment", "[2]"); got != want {
					t.Fatalf("increment = %s, want %s", got, want)
				}
			}
			d := capture(t, sleeper)
			next := sleeper
			if r.IntN(2) == 0 || sleeper.Memory.Grown() {
				next = v.Shell(t)
				sleeper.Close()
			} else {
				next.Reset()
			}
			wake(t, next, d)
			sleeper = next
			checkSame(t, sleeper, awake)
		}
	})
}
