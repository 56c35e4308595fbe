package compile

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// self is this executable, also after the file was replaced by an upgrade.
const self = "/proc/self/exe"

// nobody is who a worker is in a namespace of its own: not root, so exec leaves it no capability there.
const nobody = 65534

// launch starts the worker in namespaces of its own and waits for it; where that is not allowed it goes
// on as the worker itself. It does not return.
//
// SIGTERM, the host's first word, makes it kill the worker and reap it, so that no zombie is left to a
// host that is process 1 of its container. If the host dies, the kernel kills the launcher and then, for
// the same reason, the worker.
func launch(j job) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	next := j
	next.Stage = stageConfine
	next.Seen.UserNamespace = true
	p, err := os.StartProcess(self, []string{workerName}, &os.ProcAttr{
		Env:   next.env(),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWIPC,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		signal.Reset(syscall.SIGTERM)
		unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWIPC) // may work for root; confine looks
		confine(j)
	}
	go func() {
		<-term
		p.Kill()
	}()
	state, err := p.Wait()
	if err != nil {
		fail("wait", err)
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		os.Exit(signalExit + int(status.Signal()))
	}
	os.Exit(state.ExitCode())
}
