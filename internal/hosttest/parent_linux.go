package hosttest

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill a child when the thread that starts it ends: with this process, since Go keeps its
// threads, but for one whose goroutine ends while it is locked to it.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
