package sandbox

import (
	"fmt"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

// benchGuests are those whose instances are measured, with the turn that is called and the one that fills
// a memory.
func benchGuests() map[string][2]turn {
	inc := sdkTurn("counter", "increment", "[1]")
	return map[string][2]turn{
		"counter":        {sdkTurn("counter", "nop", "[]"), inc},
		"assemblyscript": {{"echo", "echo", "x"}, {"count", "count", ""}},
	}
}

func eachBenchGuest(b *testing.B, f func(b *testing.B, s *Sandbox, v *Version, call, fill turn)) {
	for _, g := range testGuests() {
		turns, ok := benchGuests()[g.name]
		if !ok {
			continue
		}
		b.Run("guest="+g.name, func(b *testing.B) {
			s := open(b, b.TempDir())
			f(b, s, acquire(b, s, g.wasm(b)), turns[0], turns[1])
		})
	}
}

// BenchmarkInstance makes instances: new ones, and by resetting the one that was used before.
func BenchmarkInstance(b *testing.B) {
	eachBenchGuest(b, func(b *testing.B, s *Sandbox, v *Version, call, _ turn) {
		w := newWorld()
		b.Run("new", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newInstance(b, v, w).drop()
			}
		})
		b.Run("new+call", func(b *testing.B) {
			for b.Loop() {
				i := newInstance(b, v, w)
				mustTurn(b, i, w, call)
				i.drop()
			}
		})
		b.Run("shell", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newInstance(b, v, w).Close()
			}
		})
		b.Run("shell+call", func(b *testing.B) {
			for b.Loop() {
				i := newInstance(b, v, w)
				mustTurn(b, i, w, call)
				i.Close()
			}
		})
	})
}

// BenchmarkCall calls the same instance again.
func BenchmarkCall(b *testing.B) {
	eachBenchGuest(b, func(b *testing.B, _ *Sandbox, v *Version, call, _ turn) {
		w := newWorld()
		i := newInstance(b, v, w)
		defer i.Close()
		b.ReportAllocs()
		for b.Loop() {
			mustTurn(b, i, w, call)
		}
	})
}

// BenchmarkSleep puts an actor to sleep and wakes it, with so many calls behind it; and wakes it without
// its memory, each up to its first answer.
func BenchmarkSleep(b *testing.B) {
	eachBenchGuest(b, func(b *testing.B, s *Sandbox, v *Version, call, fill turn) {
		for _, calls := range []int{1, 100, 1000} {
			for _, kept := range []bool{true, false} {
				b.Run(fmt.Sprintf("calls=%d/kept=%v", calls, kept), func(b *testing.B) {
					w := newWorld()
					i := newInstance(b, v, w)
					for range calls {
						mustTurn(b, i, w, fill)
					}
					id := tenants.NewActorID(tenants.Default)
					d, err := pagedelta.Capture(i.mem, mark(id, 1), i.globals.Values(nil))
					must(b, err)
					b.ReportAllocs()
					for b.Loop() {
						i.Sleep(id, 1)
						if !kept {
							s.Forget(id)
						}
						var got bool
						if i, got = wake(b, v, w, id, 1); got != kept {
							b.Fatal("kept is", got)
						}
						mustTurn(b, i, w, call)
					}
					b.ReportMetric(float64(len(d.Bytes())), "delta-B")
					i.Close()
				})
			}
		}
	})
}
