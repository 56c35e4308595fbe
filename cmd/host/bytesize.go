package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes, as a flag: 1073741824, 1048576KiB, 1024MiB or 1GiB.
type byteSize int64

// defaultMinFree is room for what is under way when a disk becomes full: five tables in memory of 64 MiB, those of
// a compaction, and what the caches of the sandbox take meanwhile.
const defaultMinFree byteSize = 1 << 30

var byteUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

var errByteSize = errors.New("a size is a number of bytes, or one with KiB, MiB or GiB behind it")

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.bytes {
			return errByteSize
		}
		*b = byteSize(int64(n) * unit.bytes)
		return nil
	}
	return errByteSize
}

// String implements pflag.Value.
func (b *byteSize) String() string {
	for _, unit := range byteUnits {
		if n := int64(*b); n != 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return "0"
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return "size" }
