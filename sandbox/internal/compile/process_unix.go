//go:build unix

package compile

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// askToStop lets a launcher kill and reap its worker. A worker without launcher dies of it.
func askToStop(p *os.Process) { p.Signal(syscall.SIGTERM) }

// killGroup kills what a worker may have left. p is not yet reaped, so its group's number is its own.
func killGroup(p *os.Process) { unix.Kill(-p.Pid, unix.SIGKILL) }

// deathSignal returns the signal that a worker died of, or zero. A launcher tells it as a shell does.
func deathSignal(s *os.ProcessState) syscall.Signal {
	switch status, ok := s.Sys().(syscall.WaitStatus); {
	case ok && status.Signaled():
		return status.Signal()
	case s.ExitCode() > signalExit:
		return syscall.Signal(s.ExitCode() - signalExit)
	}
	return 0
}

// lockDir opens the lock of a directory. alone says that no other process holds it; it then cannot be
// taken before shareLock.
func lockDir(path string) (f *os.File, alone bool, err error) {
	if f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, false, err
	}
	return f, err == nil, nil
}

// shareLock keeps others from cleaning up while f is open.
func shareLock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func newGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	setDeathSignal(cmd.SysProcAttr)
}
