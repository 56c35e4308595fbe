package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Holding is what a process has at one moment, as Linux says. Memory is what is resident of it, in bytes.
type Holding struct {
	Anon    int64    // that no file has
	File    int64    // pages of files, such as the store's tables: the system takes them back when it likes
	Shmem   int64    // shared, in memory alone
	Threads int      // of the kernel
	Open    []string // what its descriptors are of
}

// Holds looks at the process from outside.
func (p *Process) Holds() (v Holding, err error) {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return v, err
	}
	v.read(status)
	open, err := os.ReadDir(p.proc("fd"))
	if err != nil {
		return v, err
	}
	for _, fd := range open {
		if at, err := os.Readlink(p.proc("fd", fd.Name())); err == nil { // it was closed meanwhile
			v.Open = append(v.Open, at)
		}
	}
	return v, nil
}

// read takes what a line each of a status says, memory in KiB.
func (v *Holding) read(status []byte) {
	for line := range bytes.Lines(status) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		var n int64
		fmt.Sscan(string(rest), &n) // many lines have no number
		switch string(name) {
		case "RssAnon":
			v.Anon = n << 10
		case "RssFile":
			v.File = n << 10
		case "RssShmem":
			v.Shmem = n << 10
		case "Threads":
			v.Threads = int(n)
		}
	}
}

// RSS is all memory that is resident.
func (v Holding) RSS() int64 { return v.Anon + v.File + v.Shmem }

// tick is the kernel's unit of time for programs, the same on every platform of Go's.
const tick = 10 * time.Millisecond

// Processor returns the processor time that the last process has used.
func (h *Host) Processor() time.Duration {
	h.t.Helper()
	b, err := os.ReadFile(h.proc("stat"))
	must(h.t, err)
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // a name may hold anything
	var ticks time.Duration
	for _, mode := range f[11:13] { // the user's time and the system's
		n, err := strconv.Atoi(string(mode))
		must(h.t, err)
		ticks += time.Duration(n)
	}
	return ticks * tick
}

func (p *Process) proc(path ...string) string {
	return filepath.Join(append([]string{"/proc", strconv.Itoa(p.Cmd.Process.Pid)}, path...)...)
}
