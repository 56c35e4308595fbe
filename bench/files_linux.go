package main

import "syscall"

// raiseFiles raises the limit of open files as far as it may be, for this process and the servers: each socket is one,
// in each of the two. It returns the limit.
func raiseFiles() (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	l.Cur = l.Max
	return int(min(l.Max, 1<<20)), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
