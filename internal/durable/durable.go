// Package durable has files appear whole, and stay after a crash of the machine.
//
// It owns the order in which that is so: the bytes of a file are on disk BEFORE it gets its name, and the name is on disk
// BEFORE anybody is told. It leaves to its callers what they write, and the files of engines to the engines.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile makes a file of what write puts into it, mode 0600, in the place of one that has the path. It is on disk when
// WriteFile returns nil. If write fails, which it may until it returns, nothing has changed, and the error is its own.
func WriteFile(path string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing, once it is renamed
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// SyncFolder returns once the names in a folder are on disk.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
