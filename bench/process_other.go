//go:build !linux

package main

import (
	"os/exec"
	"syscall"
)

// prepare does nothing: bench builds everywhere and measures on Linux only, where /proc is.
func prepare(*exec.Cmd) {}

const (
	freeze = syscall.Signal(0)
	thaw   = syscall.Signal(0)
)

// signal does nothing, as prepare.
func (p *process) signal(syscall.Signal) error { return nil }
