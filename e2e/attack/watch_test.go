package attack

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/internal/hosttest"
)

// victim calls the counter of another namespace without end and checks each answer.
type victim struct {
	h      *host
	id     string
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	count int
	wrong []string
	took  []time.Duration
}

// watch begins to call the victim. It stops with the test.
func (h *host) watch() *victim {
	h.t.Helper()
	return h.watchEvery(10 * time.Millisecond)
}

// watchEvery is watch with another pause between two calls.
func (h *host) watchEvery(pause time.Duration) *victim {
	h.t.Helper()
	if a := h.upload(h.victim, "counter", actorstest.Guest(h.t, "examples/wasm/counter")); a.status != 201 {
		h.t.Fatalf("upload of the victim: %s", a)
	}
	v := &victim{h: h}
	id, a := h.actor(h.victim, "counter", "k", "")
	if id == "" {
		h.t.Fatalf("make the victim: %s", a)
	}
	v.id = id
	ctx, cancel := context.WithCancel(context.Background())
	v.cancel = cancel
	v.wg.Go(func() {
		for ctx.Err() == nil {
			v.once()
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
	h.t.Cleanup(v.stop)
	return v
}

func (v *victim) stop() { v.cancel(); v.wg.Wait() }

// once calls the victim and checks that it counts on by one.
func (v *victim) once() {
	a, err := v.h.try(context.Background(), "POST", "/gateway/"+v.id+"/action/increment", v.h.victim, `{"args":[1]}`)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.count++
	want := fmt.Sprintf(`"output":%d}`, v.count)
	if err != nil || a.status != 200 || !strings.Contains(strings.ReplaceAll(string(a.body), " ", ""), want) {
		v.wrong = append(v.wrong, fmt.Sprintf("call %d: %s %v, want %s", v.count, a, err, want))
		return
	}
	v.took = append(v.took, a.took)
}

// taken returns and forgets the times since the last call, and what was wrong.
func (v *victim) taken() (took []time.Duration, wrong []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	took, wrong, v.took, v.wrong = v.took, v.wrong, nil, nil
	return took, wrong
}

// check reports what went wrong since the last check, and that there were answers.
func (v *victim) check(t *testing.T) {
	t.Helper()
	took, wrong := v.taken()
	if len(wrong) > 0 {
		t.Errorf("the victim got %d wrong answers: %.2000s", len(wrong), strings.Join(wrong[:min(3, len(wrong))], "; "))
	}
	if len(took) == 0 && len(wrong) == 0 {
		v.once() // the row was over sooner than the pause between two calls
		if took, wrong = v.taken(); len(took) == 0 {
			t.Errorf("the victim got no answer: %v", wrong)
		}
	}
	t.Logf("the victim had %d answers, p50 %v, p99 %v", len(took), quantile(took, 0.5).Round(10*time.Microsecond), quantile(took, 0.99).Round(10*time.Microsecond))
}

// quantile returns the p-th part of the times, sorted by it.
func quantile(took []time.Duration, p float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(p*float64(len(took))))]
}

// holding is what the host's process holds at one moment.
type holding struct {
	hosttest.Holding
	own     int64    // memory that the system cannot take back when it likes
	workers []string // child processes
	temp    []string // files of uploads and workers that have not gone
}

// kinds says what its memory is.
func (r holding) kinds() string {
	return fmt.Sprintf(" RssAnon %d MiB RssFile %d MiB RssShmem %d MiB", r.Anon>>20, r.File>>20, r.Shmem>>20)
}

// holds looks at the host's process from outside.
func (h *host) holds() (r holding) {
	r.Holding, _ = h.Holds() // of a process that has ended, nothing: see alive
	r.own = r.Anon + r.Shmem
	r.workers = children(h.Cmd.Process.Pid)
	for _, dir := range []string{"sandbox", "modules"} {
		filepath.WalkDir(filepath.Join(h.Data, dir), func(path string, d fs.DirEntry, err error) error {
			name := filepath.Base(path)
			parent := filepath.Base(filepath.Dir(path))
			if err == nil && !d.IsDir() && name != "lock" && (strings.HasPrefix(name, "tmp") || strings.HasPrefix(parent, ".work") || strings.Contains(path, "/.work/") || strings.Contains(path, "/staging/")) {
				r.temp = append(r.temp, path)
			}
			return nil
		})
	}
	return r
}

// children returns the processes below pid.
func children(pid int) []string {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents := map[string]string{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		i := bytes.LastIndexByte(b, ')')
		if err != nil || i < 0 {
			continue // it has ended
		}
		if f := strings.Fields(string(b[i+1:])); len(f) > 1 {
			parents[strings.Split(path, "/")[2]] = f[1]
		}
	}
	var list []string
	for child := range parents {
		for p := parents[child]; p != "" && p != "0" && p != "1"; p = parents[p] {
			if p == strconv.Itoa(pid) {
				list = append(list, child)
				break
			}
		}
	}
	return list
}

// Slack of what a host may hold on to after an attack. Versions stay prepared for a while, each with
// an image, so descriptors are bounded, not equal.
const (
	slackFDs     = 48
	slackThreads = 32
	giveBack     = 3 * time.Second
)

// The short form may run on a machine that is busy with other tests, so it waits longer before it says
// that something is not given back.
func giveBackTime() time.Duration {
	if *long {
		return giveBack
	}
	return 10 * giveBack
}

// givenBack waits until the host holds no more than before, apart from memory: no workers, no
// temporary files, few descriptors.
func (h *host) givenBack(t *testing.T, before holding) {
	t.Helper()
	h.givenBackWithin(t, before, giveBackTime())
}

func (h *host) givenBackWithin(t *testing.T, before holding, within time.Duration) {
	t.Helper()
	h.client.CloseIdleConnections()
	var now holding
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now = h.holds()
		if len(now.workers) == 0 && len(now.temp) == 0 && len(now.Open) <= len(before.Open)+slackFDs && now.Threads <= before.Threads+slackThreads {
			return
		}
	}
	t.Errorf("after %v the host holds %d descriptors (before: %d), %d threads (%d), workers %v, files %v",
		within, len(now.Open), len(before.Open), now.Threads, before.Threads, now.workers, now.temp)
}

// alive fails the test at once if the host has ended.
func (h *host) alive(t *testing.T) {
	t.Helper()
	if h.Ended() {
		t.Fatalf("THE HOST HAS DIED: %s", tail(h.Printed(), 6000))
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
