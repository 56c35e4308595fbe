//go:build !linux

package hosttest

func playRole() {}
