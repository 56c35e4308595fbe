//go:build !linux

package compile

import (
	"os"
	"os/exec"
)

// awaitExit waits and reaps in one, so what a worker may have left in its group is not killed after it:
// by then the group's number may be another's.
func awaitExit(cmd *exec.Cmd) (reaped bool, err error) { return true, cmd.Wait() }

// peakMemory is not known where the kernel does not limit the worker's memory.
func peakMemory(*os.ProcessState) int64 { return 0 }
