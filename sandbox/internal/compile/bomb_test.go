package compile_test

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// TestBombs sends what kills or stops a host that compiles by itself. Each ends by the right limit, this
// process does not grow, and a neighbour is served meanwhile.
func TestBombs(t *testing.T) {
	c := open(t, compile.Config{MaxConcurrent: 2})
	c.SetLimits(func(c *compile.Config) { c.CPUTime, c.MemoryBytes = time.Second, 256<<20 })
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
	for _, tt := range []struct {
		name, mode string
		limits     func(*compile.Config)
		wasm       []byte
		want       compile.Kind
	}{
		{"processor time", "spin", func(c *compile.Config) { c.CPUTime = time.Second }, small(1), compile.KindCPU},
		{"memory", "grow", func(c *compile.Config) { c.MemoryBytes = 64 << 20 }, small(1), compile.KindMemory},
		{"size of entry", "", func(c *compile.Config) { c.EntryBytes = 5000 }, nested(1000), compile.KindSize},
		{"time to load", "", func(c *compile.Config) { c.LoadTime = time.Microsecond }, nested(1000), compile.KindLoad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, compile.Config{})
			c.SetLimits(tt.limits)
			c.SetTestMode(tt.mode)
			_, err := c.Compile(bg, "a", tt.wasm)
			wantKind(t, err, tt.want)
			wantEmpty(t, c)
		})
	}
}

// TestDeadline: a worker that had its share of processor time when its deadline comes was slow; one that had
// next to none met a busy machine. The deadline comes when the worker says that it has had so much, because
// how long that takes is the machine's affair.
func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		name, mode string
		want       compile.Kind
	}{
		{"a worker that worked", "work 2s", compile.KindTimeout},
		{"a worker that did not", "hang", compile.KindBusy},
		{"deaf to signals", "deaf", compile.KindBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := open(t, compile.Config{})
			// Its share is half of its processor time: between that and all of it the first has room.
			c.SetLimits(func(c *compile.Config) { c.CPUTime, c.WallTime = 3*time.Second, time.Hour })
			c.SetTestMode(tt.mode)
			c.SetDeadline(func() { came(func() bool { return inBox(c, "pid") != "" }) })
			_, err := c.Compile(bg, "a", small(1))
			wantKind(t, err, tt.want)
			wantEmpty(t, c)
		})
	}
}

// TestWallTime: the clock ends a worker. Which of the two kinds it is depends on the machine.
func TestWallTime(t *testing.T) {
	c := open(t, compile.Config{})
	c.SetLimits(func(c *compile.Config) { c.WallTime = time.Second })
	c.SetTestMode("hang")
	_, err := c.Compile(bg, "a", small(1))
	var e *compile.Error
	if !errors.As(err, &e) || e.Kind != compile.KindBusy && e.Kind != compile.KindTimeout {
		t.Errorf("error is %v", err)
	}
	wantEmpty(t, c)
}
