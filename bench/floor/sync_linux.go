package main

import (
	"os"
	"syscall"
)

// syncData returns once the file's bytes are on disk.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
