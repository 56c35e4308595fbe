//go:build unix

package main

import "syscall"

// maxDescriptors returns how many files and connections the process may have open, 0 if that is not known. Go has
// raised it to what the system allows.
func maxDescriptors() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return int(min(uint64(r.Cur), 1<<30))
}
