package image_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
)

var moduleConfig = wazero.NewModuleConfig().WithName("")

// forms runs a test on the ways of keeping memories.
func forms(t *testing.T, f func(t *testing.T, a *image.Arena)) {
	for name, c := range map[string]image.Config{
		"mapping":      {},
		"few kept":     {KeepBytes: 5 * image.PageSize},
		"nothing kept": {KeepBytes: -1},
		"copying":      {Copy: true},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.Copy && runtime.GOOS != "linux" {
				t.Skip("no mappings here")
			}
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
	v := imagetest.Tiny(t, imagetest.Module{MinPages: 2, MaxPages: 8, Data: true})
	return v, v.Image(t, a, 8)
}

func TestInstanceBeginsAsFresh(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		fresh, shell := v.Fresh(t, a), v.Shell(t)
		defer fresh.Close()
		defer shell.Close()
		if !bytes.Equal(fresh.Memory.Bytes(), shell.Memory.Bytes()) {
			t.Error("the memories differ")
		}
		for _, g := range imagetest.GlobalNames {
			if got, want := shell.Module.ExportedGlobal(g).Get(), fresh.Module.ExportedGlobal(g).Get(); got != want {
				t.Errorf("global %s = %#x, want %#x", g, got, want)
			}
		}
		if got := shell.Call("bump"); got != 2 {
			t.Errorf("bump = %d, want 2", got)
		}
		if !bytes.HasPrefix(shell.Memory.Bytes()[100:], []byte("from a data segment")) {
			t.Error("the data segment is not in the image")
		}
	})
}

func TestInstancesDoNotShareWrites(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		one, two := v.Shell(t), v.Shell(t)
		defer one.Close()
		defer two.Close()
		before := bytes.Clone(two.Memory.Bytes())
		for addr := uint64(0); addr+8 <= 2*image.WasmPageSize; addr += 1000 {
			one.Call("poke", addr, 0xdeadbeef)
		}
		one.Call("grow", 3)
		one.Call("poke", 4*image.WasmPageSize, 1)
		if !bytes.Equal(two.Memory.Bytes(), before) {
			t.Error("an instance sees another's writes")
		}
		two.Call("grow", 3)
		three := v.Shell(t)
		defer three.Close()
		if !bytes.Equal(three.Memory.Bytes(), before) || two.Call("peek", 4*image.WasmPageSize) != 0 {
			t.Error("a later instance sees an earlier one's writes")
		}
	})
}

func TestReset(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		i := v.Shell(t)
		defer i.Close()
		want := bytes.Clone(i.Memory.Bytes())
		for range 3 {
			for addr := uint64(8); addr+8 <= 2*image.WasmPageSize; addr += 777 {
				i.Call("poke", addr, ^uint64(0))
			}
			i.Call("bump")
			i.Reset()
			if !bytes.Equal(i.Memory.Bytes(), want) || i.Call("bump") != 2 || i.Memory.Grown() {
				t.Fatal("the instance is not as it began")
			}
		}
		i.Call("grow", 2)
		i.Call("poke", 3*image.WasmPageSize+5, 9)
		i.Reset()
		if !i.Memory.Grown() || i.Memory.WasmPages() != 4 {
			t.Errorf("grown %t, %d Wasm pages, want true, 4", i.Memory.Grown(), i.Memory.WasmPages())
		}
		if !bytes.Equal(i.Memory.Bytes(), append(bytes.Clone(want), make([]byte, 2*image.WasmPageSize)...)) {
			t.Error("a grown memory is not the image followed by zeros")
		}
	})
}

func TestGrowthStopsAtTheMaximum(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v := imagetest.Tiny(t, imagetest.Module{MinPages: 1, MaxPages: 20})
		im := v.Image(t, a, 5)
		defer im.Close()
		i := v.Shell(t)
		defer i.Close()
		for want := uint64(1); want < 5; want++ {
			if got := i.Call("grow", 1); got != want {
				t.Fatalf("memory.grow = %d, want %d", got, want)
			}
			i.Call("poke", want*image.WasmPageSize, want)
		}
		if got := int32(i.Call("grow", 1)); got != -1 {
			t.Errorf("memory.grow past the image's maximum = %d, want -1", got)
		}
		for at := uint64(1); at < 5; at++ {
			if got := i.Call("peek", at*image.WasmPageSize); got != at {
				t.Errorf("page %d has %d after growth", at, got)
			}
		}
	})
}

func TestChanged(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		i := v.Shell(t)
		defer i.Close()
		old := i.Call("peek", 100)
		i.Call("poke", 5*image.PageSize-4, 1<<40) // across a border
		i.Call("poke", 100, 1)
		i.Call("poke", 100, old) // written, but not changed
		i.Call("grow", 1)
		i.Call("poke", 2*image.WasmPageSize, 1)
		got, err := i.Memory.Changed(nil)
		imagetest.Must(t, err)
		if want := []uint32{5, 32}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("Changed = %v, want %v", got, want)
		}
	})
}

// TestFailedInstantiation sees that nothing of an instance that never was is left.
func TestFailedInstantiation(t *testing.T) {
	tests := []struct {
		name    string
		module  imagetest.Module
		bare    uint32
		wantErr string
	}{
		{"data segment out of bounds", imagetest.Module{MinPages: 1, MaxPages: 2, BadData: true}, 2, "out of bounds"},
		{"start function traps", imagetest.Module{MinPages: 1, MaxPages: 2, BadStart: true}, 2, "unreachable"},
		{"module larger than its memory", imagetest.Module{MinPages: 3, MaxPages: 4}, 2, "begins with 3 Wasm pages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			forms(t, func(t *testing.T, a *image.Arena) {
				r := imagetest.NewRuntime(t)
				code, err := r.CompileModule(t.Context(), tt.module.Encode())
				imagetest.Must(t, err)
				mem, err := a.Bare(tt.bare)
				imagetest.Must(t, err)
				_, err = mem.Instantiate(t.Context(), func(ctx context.Context) (api.Module, error) {
					return r.InstantiateModule(ctx, code, moduleConfig)
				})
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
			})
		})
	}
}

// TestMisfits gives an image to modules that it is not of.
func TestMisfits(t *testing.T) {
	for name, m := range map[string]imagetest.Module{
		"smaller":     {MinPages: 1, MaxPages: 8},
		"larger":      {MinPages: 3, MaxPages: 8},
		"too large":   {MinPages: 9, MaxPages: 9},
		"none at all": {NoMemory: true},
	} {
		t.Run(name, func(t *testing.T) {
			forms(t, func(t *testing.T, a *image.Arena) {
				v, im := tiny(t, a)
				defer im.Close()
				code, err := v.Runtime.CompileModule(t.Context(), m.Encode())
				imagetest.Must(t, err)
				mem, err := im.NewMemory()
				imagetest.Must(t, err)
				mod, err := mem.Instantiate(t.Context(), func(ctx context.Context) (api.Module, error) {
					return v.Runtime.InstantiateModule(ctx, code, moduleConfig)
				})
				if err == nil || mod != nil {
					t.Errorf("module %v, error %v", mod, err)
				}
			})
		})
	}
}

func TestModuleWithoutMemory(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		r := imagetest.NewRuntime(t)
		code, err := r.CompileModule(t.Context(), imagetest.Module{NoMemory: true}.Encode())
		imagetest.Must(t, err)
		im, err := a.New(image.Spec{})
		imagetest.Must(t, err)
		defer im.Close()
		mem, err := im.NewMemory()
		imagetest.Must(t, err)
		mod, err := mem.Instantiate(t.Context(), func(ctx context.Context) (api.Module, error) {
			return r.InstantiateModule(ctx, code, moduleConfig)
		})
		imagetest.Must(t, err)
		defer mod.Close(t.Context())
	})
}

func TestInstantiateOnce(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		v, im := tiny(t, a)
		defer im.Close()
		code, err := v.Runtime.CompileModule(t.Context(), imagetest.Module{MinPages: 2, MaxPages: 8}.Encode())
		imagetest.Must(t, err)
		mem, err := im.NewMemory()
		imagetest.Must(t, err)
		_, err = mem.Instantiate(t.Context(), func(ctx context.Context) (api.Module, error) {
			m, err := v.Runtime.InstantiateModule(ctx, code, moduleConfig)
			imagetest.Must(t, err)
			defer m.Close(ctx)
			return v.Runtime.InstantiateModule(ctx, code, moduleConfig)
		})
		if !errors.Is(err, image.ErrClosed) {
			t.Errorf("two modules with one memory: %v, want ErrClosed", err)
		}
		if _, err := mem.Instantiate(t.Context(), nil); !errors.Is(err, image.ErrClosed) {
			t.Errorf("Instantiate with a closed memory: %v, want ErrClosed", err)
		}
	})
}

func TestInstantiatePassesOtherPanicsOn(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		mem, err := a.Bare(1)
		imagetest.Must(t, err)
		defer func() {
			if r := recover(); r != "ours" {
				t.Errorf("recovered %v, want ours", r)
			}
		}()
		mem.Instantiate(t.Context(), func(context.Context) (api.Module, error) { panic("ours") })
	})
}

func TestBareMemory(t *testing.T) {
	forms(t, func(t *testing.T, a *image.Arena) {
		mem, err := a.Bare(3)
		imagetest.Must(t, err)
		defer mem.Close()
		if err := mem.Reset(); !errors.Is(err, image.ErrNoImage) {
			t.Errorf("Reset = %v, want ErrNoImage", err)
		}
		if _, err := mem.Changed(nil); !errors.Is(err, image.ErrNoImage) {
			t.Errorf("Changed = %v, want ErrNoImage", err)
		}
		if _, err := a.Bare(1025); err == nil {
			t.Error("a bare memory above the arena's bound was made")
		}
	})
}

func TestBounds(t *testing.T) {
	a := image.NewArena(image.Config{MaxMappings: 3})
	im, err := a.New(image.Spec{Memory: make([]byte, image.WasmPageSize), MaxWasmPages: 2})
	imagetest.Must(t, err)
	if a.Stats().Mappings == 0 {
		t.Skip("no mappings here")
	}
	var ms [2]*image.Memory
	for i := range ms {
		ms[i], err = im.NewMemory()
		imagetest.Must(t, err)
	}
	if _, err := im.NewMemory(); !errors.Is(err, image.ErrExhausted) {
		t.Errorf("a fourth mapping: %v, want ErrExhausted", err)
	}
	if _, err := a.Bare(1); !errors.Is(err, image.ErrExhausted) {
		t.Errorf("a fourth mapping: %v, want ErrExhausted", err)
	}
	if got, want := a.Stats(), (image.Stats{Images: 1, Memories: 2, Mappings: 3, MappedBytes: 5 * image.WasmPageSize}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	imagetest.Must(t, im.Close())
	imagetest.Must(t, im.Close())
	if _, err := im.NewMemory(); !errors.Is(err, image.ErrClosed) {
		t.Errorf("NewMemory of a closed image: %v, want ErrClosed", err)
	}
	if got := ms[0].Bytes()[0]; got != 0 { // still mapped
		t.Errorf("first byte %d", got)
	}
	for _, m := range ms {
		imagetest.Must(t, m.Close())
		imagetest.Must(t, m.Close())
	}
	if got := a.Stats(); got != (image.Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
}

// counter compiles examples/wasm/counter, built from source.
func counter(t testing.TB) *imagetest.Version {
	t.Helper()
	wasm, err := guestbuild.Build(context.Background(), guestbuild.Options{Dir: "../../../examples/wasm/counter", Strip: true})
	imagetest.Must(t, err)
	return imagetest.Guest(t, wasm)
}

// TestCounterGuest compares a guest of the Go toolchain that begins as an image with one that was
// started up.
func TestCounterGuest(t *testing.T) {
	v := counter(t)
	forms(t, func(t *testing.T, a *image.Arena) {
		im := v.Image(t, a, 1024)
		defer im.Close()
		fresh, one, two := v.Fresh(t, a), v.Shell(t), v.Shell(t)
		defer fresh.Close()
		defer one.Close()
		defer two.Close()
		began := bytes.Clone(one.Memory.Bytes())
		for range 300 {
			want := fresh.Turn("increment", "[3]")
			if got := one.Turn("increment", "[3]"); got != want {
				t.Fatalf("increment: %s, want %s", got, want)
			}
		}
		if got := two.Turn("increment", "[4]"); got != "4" {
			t.Errorf("the other instance: %s, want 4", got)
		}
		one.Reset()
		if !bytes.Equal(one.Memory.Bytes()[:len(began)], began) {
			t.Error("Reset did not bring the image back")
		}
		one.Forget()
		if got := one.Turn("increment", "[1]"); got != "1" {
			t.Errorf("after Reset: %s, want 1", got)
		}
	})
}

// mappings returns how many mappings of images and open files the process has.
func mappings(t *testing.T) (maps, fds int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("no /proc here")
	}
	all, err := os.ReadDir("/proc/self/fd")
	imagetest.Must(t, err)
	return strings.Count(string(b), "vivarium-image"), len(all)
}

func TestResourcesAreGivenBack(t *testing.T) {
	v := imagetest.Tiny(t, imagetest.Module{MinPages: 2, MaxPages: 8})
	maps, fds := mappings(t)
	a := image.NewArena(image.Config{})
	for range 20 {
		im := v.Image(t, a, 8)
		var open []*imagetest.Instance
		for range 20 {
			i := v.Shell(t)
			i.Call("poke", 4000, 1)
			open = append(open, i)
			_, err := i.Memory.Changed(nil)
			imagetest.Must(t, err)
		}
		if got, _ := mappings(t); got != maps+21 {
			t.Fatalf("%d mappings with 20 instances, want %d", got-maps, 21)
		}
		imagetest.Must(t, im.Close())
		for _, i := range open {
			i.Close()
		}
	}
	// One file more is the page map, which stays open.
	if m, f := mappings(t); m != maps || f > fds+1 {
		t.Errorf("%d mappings and %d files, before %d and %d", m, f, maps, fds)
	}
}
