package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// usage is what a process has used.
type usage struct {
	cpu time.Duration // of all its threads and the children it has waited for, in steps of 10 ms
	rss int64         // bytes in memory now
}

// usageOf asks Linux about a process.
func usageOf(pid int) (usage, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("usage of a process (Linux only): %w", err)
	}
	return parseStat(b)
}

// tick is the kernel's unit of time for programs, the same on every platform of Go's.
const tick = 10 * time.Millisecond

// Fields of /proc/<pid>/stat after the name, counted from the state, which is field 3 of proc(5).
const (
	statUtime, statStime, statCutime, statCstime = 11, 12, 13, 14
	statRSS                                      = 21
)

// parseStat reads /proc/<pid>/stat. The process's name, in parentheses, may hold anything.
func parseStat(b []byte) (usage, error) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) <= statRSS {
		return usage{}, fmt.Errorf("stat of a process: %q", b)
	}
	var u usage
	for _, i := range []int{statUtime, statStime, statCutime, statCstime, statRSS} {
		n, err := strconv.ParseInt(string(fields[i]), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("stat of a process: %w", err)
		}
		if i == statRSS {
			u.rss = n * int64(os.Getpagesize())
		} else {
			u.cpu += time.Duration(n) * tick
		}
	}
	return u, nil
}
