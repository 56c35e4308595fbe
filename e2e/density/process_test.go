package density

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// held is what a process has at one moment, as Linux says.
type held struct {
	rss, own    int64 // bytes in memory; of these the ones that no file has
	descriptors int   // but those of tables
	tables      int   // descriptors of the store's tables: they come and go with the bytes that it holds
	threads     int
}

func (h *host) holds() (v held) {
	h.t.Helper()
	status := h.proc("status")
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		var n int64
		fmt.Sscan(string(rest), &n)
		switch string(name) {
		case "VmRSS":
			v.rss = n << 10
		case "RssAnon":
			v.own = n << 10
		case "Threads":
			v.threads = int(n)
		}
	}
	open, err := os.ReadDir(filepath.Join(h.folder(), "fd"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, fd := range open {
		if at, err := os.Readlink(filepath.Join(h.folder(), "fd", fd.Name())); err == nil && strings.HasSuffix(at, ".sst") {
			v.tables++
		} else if err == nil {
			v.descriptors++
		}
	}
	return v
}

// tick is the kernel's unit of time for programs, the same on every platform of Go's.
const tick = 10 * time.Millisecond

// processor returns the processor time that the process has used.
func (h *host) processor() time.Duration {
	h.t.Helper()
	b := h.proc("stat")
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // a name may hold anything
	user, err := strconv.Atoi(string(f[11]))
	if err != nil {
		h.t.Fatal(err)
	}
	system, err := strconv.Atoi(string(f[12]))
	if err != nil {
		h.t.Fatal(err)
	}
	return time.Duration(user+system) * tick
}

func (h *host) folder() string { return filepath.Join("/proc", strconv.Itoa(h.Cmd.Process.Pid)) }

func (h *host) proc(file string) []byte {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.folder(), file))
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// settle waits until hosts have nothing left to do, and have given back what they do not need: their own memory stays
// as it is for some seconds.
func settle(hosts ...*host) {
	for _, h := range hosts {
		before, quiet := h.holds().own, 0
		h.Await(2*time.Minute, time.Second, func() bool {
			now := h.holds().own
			if quiet++; now > before+1<<20 || now < before-1<<20 {
				before, quiet = now, 0
			}
			return quiet > 6
		})
	}
}

// used returns how much of the disk a folder takes, in bytes.
func used(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			n += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
