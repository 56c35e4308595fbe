package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// tree returns a process and those that it started, while they run.
func tree(pid int) []int {
	all := []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is well formed
	for _, list := range lists {
		b, _ := os.ReadFile(list) // the thread may have ended
		for _, field := range bytes.Fields(b) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				all = append(all, tree(child)...)
			}
		}
	}
	return all
}

// usageOfTree is that of a process with its children.
func usageOfTree(pid int) (usage, error) {
	sum, err := usageOf(pid)
	for _, child := range tree(pid)[1:] {
		u, err := usageOf(child)
		if err != nil {
			continue // it has ended, and its parent counts its time
		}
		sum.cpu += u.cpu
		sum.rss += u.rss
	}
	return sum, err
}

// ownMemory is what a process with its children has of the machine's memory, in bytes: pages that several mappings
// share count once, and the kernel's tables of pages count, too. Pages of files do not, since the kernel takes them back as it likes: those of a
// store come and go by tens of MiB with each compaction.
func ownMemory(pid int) (int64, error) {
	var sum int64
	for _, p := range tree(pid) {
		for _, f := range []struct{ file, field string }{{"smaps_rollup", "Pss_Anon:"}, {"smaps_rollup", "Pss_Shmem:"}, {"status", "VmPTE:"}} {
			n, err := kibOf(fmt.Sprintf("/proc/%d/%s", p, f.file), f.field)
			if err != nil && (p == pid || !errors.Is(err, fs.ErrNotExist)) {
				return 0, err
			}
			sum += n << 10
		}
	}
	return sum, nil
}

// kibOf reads a line like "Pss:   12 kB".
func kibOf(path, field string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 3 && string(f[0]) == field {
			return strconv.ParseInt(string(f[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, field)
}
