//go:build !unix

package compile

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

func setPortableLimits(job) {}

func watchCPU(job) {}

func lookAtLimits(job, *Protections) {}

func askToStop(p *os.Process) { p.Kill() }

func killGroup(*os.Process) {}

func deathSignal(*os.ProcessState) syscall.Signal { return 0 }

func newGroup(*exec.Cmd) {}

// lockDir cannot tell whether another host uses the directory, so nothing is cleaned up.
func lockDir(path string) (f *os.File, alone bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	return f, false, err
}

func shareLock(*os.File) error { return nil }

var began = time.Now()

// cpuTime returns the wall time, which is never less.
func cpuTime() time.Duration { return time.Since(began) }
