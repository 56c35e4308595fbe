package pagedelta_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/internal/imagetest"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
)

// BenchmarkSleep captures the Go counter after some calls and brings it back, in the shell it had
// and in a new one.
func BenchmarkSleep(b *testing.B) {
	v := counter(b)
	a := image.NewArena(image.Config{})
	im := v.Image(b, a, 1024)
	defer im.Close()
	for _, calls := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("calls=%d", calls), func(b *testing.B) {
			i := v.Shell(b)
			defer i.Close()
			for range calls {
				i.Turn("increment", "[1]")
			}
			var captured, reset, applied, appliedNew time.Duration
			var d *pagedelta.Delta
			b.ReportAllocs()
			for b.Loop() {
				t := time.Now()
				d = capture(b, i)
				captured += time.Since(t)

				t = time.Now()
				i.Reset()
				reset += time.Since(t)

				t = time.Now()
				imagetest.Must(b, d.Apply(i.Memory))
				imagetest.Must(b, i.Globals.Set(d.Globals()))
				applied += time.Since(t)

				b.StopTimer()
				j := v.Shell(b)
				if n := d.WasmPages() - j.Memory.WasmPages(); n > 0 {
					j.Module.Memory().Grow(n)
				}
				b.StartTimer()
				t = time.Now()
				imagetest.Must(b, d.Apply(j.Memory))
				appliedNew += time.Since(t)
				b.StopTimer()
				j.Close()
				b.StartTimer()
			}
			each := func(t time.Duration) float64 { return float64(t.Microseconds()) / float64(b.N) }
			b.ReportMetric(each(captured), "capture-µs")
			b.ReportMetric(each(reset), "reset-µs")
			b.ReportMetric(each(applied), "apply-µs")
			b.ReportMetric(each(appliedNew), "apply-new-µs")
			b.ReportMetric(float64(d.Pages()), "pages")
			b.ReportMetric(float64(len(d.Bytes())), "delta-B")
		})
	}
}
