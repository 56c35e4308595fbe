//go:build !linux && !darwin

package badgerkv

import "errors"

// freeSpace fails: MinFree is to be zero here.
func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }

func usedSpace(string) int64 { return 0 }
