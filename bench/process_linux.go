package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Linux kills a child when the thread that started it ends. The main goroutine starts them all, and
// keeps its thread for as long as the process lives.
func init() { runtime.LockOSThread() }

// prepare makes a child die with us, and lets only us interrupt it: an interrupt from the terminal
// goes to its process group.
func prepare(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

const (
	freeze = syscall.SIGSTOP
	thaw   = syscall.SIGCONT
)

// signal sends a signal to the process and those that it started.
func (p *process) signal(s syscall.Signal) error { return syscall.Kill(-p.pid(), s) }
