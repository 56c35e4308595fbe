//go:build !linux

package endure

import "syscall"

func childOf() *syscall.SysProcAttr { return nil }
