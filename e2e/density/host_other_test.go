//go:build !linux

package density

import "syscall"

func childOf() *syscall.SysProcAttr { return nil }
