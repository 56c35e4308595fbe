//go:build unix && !linux

package compile

import "syscall"

// setDeathSignal has no form here. A worker ends when its input does.
func setDeathSignal(*syscall.SysProcAttr) {}
