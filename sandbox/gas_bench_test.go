//go:build unix

package sandbox

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// benchGas is the gas of which the benchmark takes the time.
const benchGas = 100_000_000

// processorTime is what this process has used. A clock on the wall would measure who else is there.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGas reports how long the gas of a turn lasts, in seconds of a processor, in code that does one
// thing only.
func BenchmarkGas(b *testing.B) {
	s := open(b, b.TempDir(), func(c *Config) { c.Gas = benchGas })
	wasm, names := spenders()
	v := acquire(b, s, wasm)
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			best := time.Duration(1 << 62)
			for b.Loop() {
				w := newWorld()
				i := newInstance(b, v, w)
				start := processorTime()
				_, err := i.Call(hostfuncs.NewCall(b.Context(), w, &hostfuncs.Kernel{}, i, nil), name)
				best = min(best, processorTime()-start)
				var limit *LimitError
				var refused *abi.Error
				if !(errors.As(err, &limit) && limit.Gas) && !errors.As(err, &refused) {
					b.Fatal(err)
				}
				if used := i.Used(); used < benchGas {
					best = time.Duration(float64(best) * benchGas / float64(used))
				}
				i.drop()
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(best.Seconds()*abi.MaxGas/benchGas, "s/turn")
		})
	}
}
