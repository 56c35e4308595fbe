package compile_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// workerLog counts the workers that ended.
type workerLog struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (w *workerLog) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *workerLog) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.buf.String(), "compile worker ended")
}

func (w *workerLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestShared: equal bytes from several namespaces at once take one worker, and the entry is the same.
func TestShared(t *testing.T) {
	var log workerLog
	c := open(t, compile.Config{MaxConcurrent: 1, Logger: log.logger()})
	before := log.ended()
	wasm := localsByIfs(100, 300)
	entries := make([]compile.Entry, 8)
	var wg sync.WaitGroup
	for i := range entries {
		wg.Go(func() {
			e, err := c.Compile(bg, string(rune('a'+i%4)), wasm)
			if err != nil {
				t.Error(err)
			}
			entries[i] = e
		})
	}
	wg.Wait()
	for _, e := range entries {
		if e != entries[0] || e.Size == 0 {
			t.Errorf("entries differ: %+v and %+v", e, entries[0])
		}
	}
	if n := log.ended() - before; n != 1 {
		t.Errorf("%d workers ran for equal bytes", n)
	}
}

// TestSharedOutlivesItsStarter: whoever started a run may leave without harm to those who joined it.
func TestSharedOutlivesItsStarter(t *testing.T) {
	c := open(t, compile.Config{MaxConcurrent: 1})
	c.SetTestMode("wait")
	wasm := small(20)
	ctx, leave := context.WithCancelCause(bg)
	gone := errors.New("client is gone")
	first := make(chan error, 1)
	go func() {
		_, err := c.Compile(ctx, "a", wasm)
		first <- err
	}()
	eventually(t, "a worker waits", func() bool { return inBox(c, "pid") != "" })
	second := make(chan error, 1)
	go func() {
		_, err := c.Compile(bg, "b", wasm)
		second <- err
	}()
	eventually(t, "the second waits", func() bool { return c.Users(wasm) == 2 })
	leave(gone)
	if err := <-first; !errors.Is(err, gone) {
		t.Errorf("the first got %v, want the cause of its context", err)
	}
	must(os.WriteFile(filepath.Join(filepath.Dir(inBox(c, "pid")), "go"), nil, 0o600))
	if err := <-second; err != nil {
		t.Error("the second:", err)
	}
}

// inBox returns the path of a file in the box of the only worker, or nothing.
func inBox(c *compile.Compiler, name string) string {
	list, _ := filepath.Glob(filepath.Join(c.TempDir(), "run-*", "box", name))
	if len(list) != 1 {
		return ""
	}
	return list[0]
}

// TestFairness: many compilations of one class that never end do not keep another class waiting, nor do
// equal bytes that wait in the queue of the other class.
func TestFairness(t *testing.T) {
	c := open(t, compile.Config{MaxConcurrent: 2})
	c.SetTestMode("hang-if-long")
	ctx, stop := context.WithCancel(bg)
	var wg sync.WaitGroup
	long := func(i int) []byte { return small(200 + i) }
	quick := small(4)
	for i := range 5 {
		wg.Go(func() { c.Compile(ctx, "many", long(i)) })
	}
	eventually(t, "one works and four wait", func() bool { return c.Running() == 1 && c.Waiting() == 4 })
	wg.Go(func() { c.Compile(ctx, "many", quick) })
	eventually(t, "five wait", func() bool { return c.Waiting() == 5 })
	for i := range 3 {
		if _, err := c.Compile(bg, "few", small(5+i)); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Compile(bg, "few", quick); err != nil {
		t.Error("equal bytes:", err)
	}
	stop()
	wg.Wait()
	eventually(t, "all places are free", func() bool { return c.Running() == 0 && c.Waiting() == 0 })
	wantEmpty(t, c)
}
