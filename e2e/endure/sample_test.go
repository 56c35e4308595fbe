package endure

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vivarium-run/vivarium/internal/hosttest"
)

// sample is what a host held at one moment. Sizes are in bytes.
type sample struct {
	at         time.Duration // since the load began
	anon, file int64         // resident memory of its own, and pages of mapped files, which the system takes back
	heap       int64         // live, at the last garbage collection
	goroutines int
	threads    int
	files      int              // open descriptors but those of the data: tables come and go with its size
	disk       map[string]int64 // blocks in use, by folder of the data
	p99        time.Duration    // of the calls since the sample before
	calls      int
}

// witness reads what Go's runtime says about itself when the environment asks it to: no part of the host is asked,
// and nothing is opened that could be asked by others.
type witness struct {
	mu         sync.Mutex // guards the fields below
	heap       int64
	goroutines int // of the last whole list
	counting   int
	lists      int           // that were whole
	more       chan struct{} // closed with the next one
}

// witnessEnv has the runtime print the live heap at each collection, and all goroutines now and then.
func witnessEnv(every time.Duration) string {
	return fmt.Sprintf("GODEBUG=gctrace=1,schedtrace=%d,scheddetail=1", every.Milliseconds())
}

// see takes the runtime's lines.
func (w *witness) see(line []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.TrimSpace(string(line))
	switch {
	case strings.HasPrefix(text, "gc ") && strings.Contains(text, " MB, "):
		before, _, _ := strings.Cut(text, " MB, ") // ... 4->4->1 MB, 4 MB goal
		if n, err := strconv.Atoi(before[strings.LastIndexByte(before, '>')+1:]); err == nil {
			w.heap = int64(n) << 20
		}
	case strings.HasPrefix(text, "SCHED "):
		if w.counting > 0 {
			w.goroutines = w.counting
			w.lists++
			close(w.more)
			w.more = make(chan struct{})
		}
		w.counting = 0
	case strings.HasPrefix(text, "G") && strings.Contains(text, ": status="):
		if !strings.Contains(text, ": status=6(") { // one that has ended, and whose memory waits for another
			w.counting++
		}
	case strings.HasPrefix(text, "P") && strings.Contains(text, ": status="), strings.HasPrefix(text, "M") && strings.Contains(text, ": p="):
	default:
		return false
	}
	return true
}

func (w *witness) says() (heap int64, goroutines int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heap, w.goroutines
}

// listed returns how many lists there were.
func (w *witness) listed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lists
}

// next returns a channel that is closed once there are more lists than that.
func (w *witness) next(than int) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lists > than {
		done := make(chan struct{})
		close(done)
		return done
	}
	return w.more
}

// look takes a sample of a process and its data.
func (w *witness) look(p *hosttest.Process, data string) (s sample, err error) {
	s.heap, s.goroutines = w.says()
	if runtime.GOOS != "linux" {
		return s, errors.New("only Linux says what a process holds")
	}
	has, err := p.Holds()
	if err != nil {
		return s, err
	}
	s.anon, s.file, s.threads = has.Anon, has.File+has.Shmem, has.Threads
	for _, at := range has.Open {
		if !strings.HasPrefix(at, data) {
			s.files++
		}
	}
	s.disk, err = used(data)
	return s, err
}

// used returns how much of the disk each folder of a data folder takes. Files come and go meanwhile.
func used(data string) (map[string]int64, error) {
	sum := map[string]int64{}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		folder, _, _ := strings.Cut(rel, string(filepath.Separator))
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum[folder] += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}
