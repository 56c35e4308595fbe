//go:build !linux

package compile

import "os/exec"

// awaitExit waits and reaps in one, so what a worker may have left in its group is not killed after it:
// by then the group's number may be another's.
func awaitExit(cmd *exec.Cmd) (reaped bool, err error) { return true, cmd.Wait() }
