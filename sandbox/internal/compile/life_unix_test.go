//go:build unix

package compile_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// hanging starts a compilation that hangs and returns the worker's process number.
func hanging(t *testing.T, c *compile.Compiler, ctx context.Context, wasm []byte) (pid int, result <-chan error) {
	t.Helper()
	r := make(chan error, 1)
	go func() {
		_, err := c.Compile(ctx, "a", wasm)
		r <- err
	}()
	return workerPID(t, c), r
}

func workerPID(t *testing.T, c *compile.Compiler) (pid int) {
	t.Helper()
	eventually(t, "a worker hangs", func() bool {
		data, _ := os.ReadFile(inBox(c, "pid"))
		pid, _ = strconv.Atoi(string(data))
		return pid > 0
	})
	return pid
}

func alive(pid int) bool { return unix.Kill(pid, 0) == nil }

func wantNoChildren(t *testing.T) {
	t.Helper()
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("there are children or zombies: %d, %v", pid, err)
	}
}

func TestCancelKills(t *testing.T) {
	for _, mode := range []string{"hang", "deaf"} {
		t.Run(mode, func(t *testing.T) {
			c := open(t, compile.Config{})
			c.SetTestMode(mode)
			ctx, cancel := context.WithCancel(bg)
			pid, result := hanging(t, c, ctx, small(1))
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v", err)
			}
			eventually(t, "the worker is dead", func() bool { return !alive(pid) })
			eventually(t, "its place is free", func() bool { return c.Running() == 0 })
			wantEmpty(t, c)
			wantNoChildren(t)
		})
	}
}

func TestKilledFromOutside(t *testing.T) {
	c := open(t, compile.Config{})
	c.SetTestMode("hang")
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV} {
		pid, result := hanging(t, c, bg, small(int(signal)))
		must(unix.Kill(pid, signal))
		e := wantKind(t, <-result, compile.KindCrashed)
		if signal == syscall.SIGKILL && !strings.Contains(e.Detail, "signal 9") {
			t.Errorf("detail is %q", e.Detail)
		}
	}
	c.SetTestMode("")
	if _, err := c.Compile(bg, "a", small(1)); err != nil {
		t.Error("afterwards:", err)
	}
	wantEmpty(t, c)
	wantNoChildren(t)
}

func TestCloseKills(t *testing.T) {
	c := open(t, compile.Config{})
	c.SetTestMode("hang")
	pid, result := hanging(t, c, bg, small(1))
	c.Close()
	if alive(pid) {
		t.Error("the worker lives")
	}
	wantKind(t, <-result, compile.KindUnavailable)
	_, err := c.Compile(bg, "a", small(2))
	wantKind(t, err, compile.KindUnavailable)
	c.Close()
	wantEmpty(t, c)
	wantNoChildren(t)
}

const hostVariable = "COMPILE_TEST_HOST"

// TestHostDies kills a host whose worker hangs. The worker must die with it, and the next host must clean
// up; not so one that starts while the first lives.
func TestHostDies(t *testing.T) {
	if dir := os.Getenv(hostVariable); dir != "" {
		c := open(t, compile.Config{CacheDir: dir})
		c.SetTestMode("hang")
		pid, result := hanging(t, c, bg, small(1))
		fmt.Println("worker", pid)
		t.Fatal(<-result)
	}
	dir := filepath.Join(t.TempDir(), "cache")
	host := exec.Command(os.Args[0], "-test.run=^TestHostDies$", "-test.v")
	host.Env = append(os.Environ(), hostVariable+"="+dir)
	out, err := host.StdoutPipe()
	must(err)
	must(host.Start())
	pid := 0
	for s := bufio.NewScanner(out); pid == 0 && s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "worker "); ok {
			pid, _ = strconv.Atoi(text)
		}
	}
	beside := open(t, compile.Config{CacheDir: dir})
	if left, _ := filepath.Glob(filepath.Join(beside.TempDir(), "run-*")); len(left) != 1 {
		t.Errorf("a second host removed the directory of the first: %v", left)
	}
	beside.Close()
	if pid == 0 || !alive(pid) {
		t.Fatalf("no worker: %d", pid)
	}
	must(host.Process.Kill())
	host.Wait()
	eventually(t, "the worker is dead", func() bool { return !alive(pid) })
	wantEmpty(t, open(t, compile.Config{CacheDir: dir}))
}

// TestHammerCompile has everything at once and counts what is left.
func TestHammerCompile(t *testing.T) {
	c := open(t, compile.Config{MaxConcurrent: 4, MaxWaitingPerClass: 100})
	c.SetTestMode("hang-if-long")
	round := func() {
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(bg, time.Duration(i)*20*time.Millisecond)
				defer cancel()
				class := strconv.Itoa(i % 5)
				switch i % 3 {
				case 0:
					c.Compile(ctx, class, small(200+i%7)) // hangs, is cancelled
				case 1:
					c.Compile(ctx, class, small(i%7)) // may be in time
				case 2:
					c.Compile(bg, class, []byte("not Wasm"))
				}
			})
		}
		wg.Wait()
		eventually(t, "all places are free", func() bool { return c.Running() == 0 && c.Waiting() == 0 })
	}
	round() // whatever is made once is made now
	fds, goroutines := openFiles(), runtime.NumGoroutine()
	round()
	eventually(t, "descriptors and goroutines are back", func() bool { return openFiles() <= fds && runtime.NumGoroutine() <= goroutines })
	wantEmpty(t, c)
	wantNoChildren(t)
}

// openFiles counts the descriptors of this process.
func openFiles() int {
	n := 0
	for fd := range 1024 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}
