//go:build linux || darwin

package badgerkv

import (
	"os"
	"syscall"
)

// freeSpace returns how many bytes an ordinary process may still write to the disk of dir.
func freeSpace(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}

// usedSpace returns how many bytes the files of dir take on the disk, which is less than their sizes: Badger makes them
// larger than what it has written. What cannot be looked at counts as nothing.
func usedSpace(dir string) (n int64) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue // removed meanwhile
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			n += s.Blocks * 512
		}
	}
	return n
}
