//go:build !unix

package badgerkv

import "os"

// lock leaves it to Badger to refuse a second process.
func lock(string) (*os.File, error) { return nil, nil }
