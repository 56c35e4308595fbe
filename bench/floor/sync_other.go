//go:build !linux

package main

import "os"

// syncData returns once the file's bytes are on disk.
func syncData(f *os.File) error { return f.Sync() }
