package main

import "syscall"

// raiseFiles raises the limit of open files as far as it may be, for this process and the servers: each socket is one,
// in each of the two.
func raiseFiles() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = l.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}
