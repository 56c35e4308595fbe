package compile_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// TestBombs sends what kills or stops a host that compiles by itself. Each ends by the right limit and in
// time, this process does not grow, and a neighbour is served meanwhile.
func TestBombs(t *testing.T) {
	const wall = 12 * time.Second
	c := open(t, compile.Config{WallTime: wall, CPUTime: time.Second, MemoryBytes: 256 << 20, MaxConcurrent: 2})
	tests := []struct {
		name  string
		wasm  []byte
		kinds []compile.Kind // more than one where it depends on the machine what is reached first
	}{
		{"vector lie", lie(), []compile.Kind{compile.KindMemory}},
		{"nested blocks", nested(20_000), []compile.Kind{compile.KindCPU}},
		{"locals by ifs", localsByIfs(5000, 5000), []compile.Kind{compile.KindCPU, compile.KindMemory}},
		{"branch table", brTable(1000, 1_000_000), []compile.Kind{compile.KindCPU, compile.KindMemory}},
	}
	if compile.RaceEnabled {
		tests = tests[1:3] // without a limit of the kernel the lie takes the machine's memory
	}
	heap, resident := memory(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			neighbour := make(chan error, 1)
			began := time.Now()
			go func() {
				_, err := c.Compile(bg, "neighbour", small(len(tt.name)))
				neighbour <- err
			}()
			_, err := c.Compile(bg, "attacker", tt.wasm)
			t.Logf("%d bytes, ended after %v", len(tt.wasm), time.Since(began).Round(time.Millisecond))
			kind := tt.kinds[0]
			for _, k := range tt.kinds {
				if e, ok := err.(*compile.Error); ok && e.Kind == k {
					kind = k
				}
			}
			wantKind(t, err, kind)
			if took := time.Since(began); took > wall+2*time.Second {
				t.Errorf("took %v", took)
			}
			if err := <-neighbour; err != nil {
				t.Error("the neighbour was not served:", err)
			}
		})
	}
	heap2, resident2 := memory(t)
	t.Logf("heap %d → %d KiB, resident %d → %d KiB", heap>>10, heap2>>10, resident>>10, resident2>>10)
	if resident2 > resident+32<<20 && !compile.RaceEnabled {
		t.Errorf("the host grew from %d to %d resident bytes", resident, resident2)
	}
	wantEmpty(t, c)
}

// memory returns the heap in use and, on Linux, the resident memory of this process.
func memory(t *testing.T) (heap, resident int64) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
		resident = pages * int64(os.Getpagesize())
	}
	return int64(m.HeapAlloc), resident
}

// TestLimits reaches each limit in the plainest way.
func TestLimits(t *testing.T) {
	run := func(name, mode string, cfg compile.Config, wasm []byte, want compile.Kind) {
		t.Run(name, func(t *testing.T) {
			c := open(t, cfg)
			c.SetTestMode(mode)
			_, err := c.Compile(bg, "a", wasm)
			wantKind(t, err, want)
			wantEmpty(t, c)
		})
	}
	run("processor time", "spin", compile.Config{CPUTime: time.Second}, small(1), compile.KindCPU)
	run("wall time", "spin", compile.Config{WallTime: 1500 * time.Millisecond, CPUTime: 8 * time.Second}, small(1), compile.KindTimeout)
	run("no time at all", "hang", compile.Config{WallTime: time.Second}, small(1), compile.KindBusy)
	run("deaf to signals", "deaf", compile.Config{WallTime: time.Second}, small(1), compile.KindBusy)
	run("memory", "grow", compile.Config{MemoryBytes: 64 << 20}, small(1), compile.KindMemory)
	run("size of entry", "", compile.Config{EntryBytes: 5000}, nested(1000), compile.KindSize)
}

func TestSlowLoad(t *testing.T) {
	c := open(t, compile.Config{})
	c.SetLoadTime(time.Microsecond) // after the first worker, which would fail too
	_, err := c.Compile(bg, "a", nested(1000))
	wantKind(t, err, compile.KindLoad)
}
