package image_test

import (
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
)

func benchForms(b *testing.B, f func(b *testing.B, v *imagetest.Version, a *image.Arena)) {
	v := counter(b)
	for _, form := range []struct {
		name string
		cfg  image.Config
	}{{"mapping", image.Config{}}, {"copying", image.Config{Copy: true}}} {
		a := image.NewArena(form.cfg)
		im := v.Image(b, a, 1024)
		defer im.Close()
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			f(b, v, a)
		})
	}
}

// BenchmarkNewInstance makes and closes an instance of the Go counter.
func BenchmarkNewInstance(b *testing.B) {
	benchForms(b, func(b *testing.B, v *imagetest.Version, a *image.Arena) {
		for b.Loop() {
			v.Shell(b).Close()
		}
	})
}

// BenchmarkNewMemory is the part of it that is not wazero's.
func BenchmarkNewMemory(b *testing.B) {
	a := image.NewArena(image.Config{})
	im := counter(b).Image(b, a, 1024)
	defer im.Close()
	for b.Loop() {
		m, err := im.NewMemory()
		imagetest.Must(b, err)
		imagetest.Must(b, m.Close())
	}
}

// BenchmarkShell resets a shell, then runs its first call and one more.
func BenchmarkShell(b *testing.B) {
	benchForms(b, func(b *testing.B, v *imagetest.Version, a *image.Arena) {
		i := v.Shell(b)
		defer i.Close()
		steps := []struct {
			name string
			f    func()
		}{
			{"reset", i.Reset},
			{"first", func() { i.Turn("increment", "[1]") }},
			{"second", func() { i.Turn("increment", "[1]") }},
			{"changed", func() { _, err := i.Memory.Changed(nil); imagetest.Must(b, err) }},
		}
		var total [4]int64
		for b.Loop() {
			i.Forget()
			for k, s := range steps {
				t := now()
				s.f()
				total[k] += now() - t
			}
		}
		for k, s := range steps {
			b.ReportMetric(float64(total[k])/float64(b.N)/1e3, s.name+"-µs")
		}
	})
}

var started = time.Now()

func now() int64 { return int64(time.Since(started)) }
