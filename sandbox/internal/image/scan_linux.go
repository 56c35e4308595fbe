package image

import (
	"encoding/binary"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// touched asks the kernel which pages are private. Where it cannot be trusted, all may be.
func (m *mapped) touched(n int, f func(lo, hi int)) {
	pm := pagemap()
	if pm == nil || !scanPagemap(pm, m.b[:n*PageSize], f) {
		f(0, n)
	}
}

// An entry of /proc/self/pagemap is 64 bits for each page of the machine. A private page of ours is
// present or swapped out, and is not a page of the file.
const (
	entryPresent = 1 << 63
	entrySwapped = 1 << 62
	entryOfFile  = 1 << 61
)

// scanPagemap calls f for runs of private pages. It reports false, perhaps after some calls, if the
// kernel gave no answer.
func scanPagemap(pm *os.File, b []byte, f func(lo, hi int)) bool {
	size := os.Getpagesize()
	first := uintptr(unsafe.Pointer(unsafe.SliceData(b))) / uintptr(size)
	entries := entryBuffers.Get().(*entryBuffer)
	defer entryBuffers.Put(entries)
	per := size / PageSize // our pages in one of the machine's; 1 unless it has large ones
	lo, hi := 0, 0
	for at, n := 0, len(b)/size; at < n; {
		buf := entries[:min(8*(n-at), len(entries))]
		if k, _ := pm.ReadAt(buf, int64(first+uintptr(at))*8); k != len(buf) {
			return false
		}
		for ; len(buf) > 0; buf, at = buf[8:], at+1 {
			e := binary.LittleEndian.Uint64(buf)
			if e&(entryPresent|entrySwapped) == 0 || e&entryOfFile != 0 {
				continue
			}
			if at*per != hi {
				if lo < hi {
					f(lo, hi)
				}
				lo = at * per
			}
			hi = (at + 1) * per
		}
	}
	if lo < hi {
		f(lo, hi)
	}
	return true
}

type entryBuffer [32 << 10]byte // for 16 MiB of memory

var entryBuffers = sync.Pool{New: func() any { return new(entryBuffer) }}

// pagemap returns the process's page map, or nil if there is none that tells the truth: it may be
// hidden from us, or be made up by a sandbox around the process.
var pagemap = sync.OnceValue(func() *os.File {
	pm, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	if !isTruthful(pm) {
		pm.Close()
		return nil
	}
	return pm
})

// isTruthful compares what the page map says of a small private mapping with what was done to it.
func isTruthful(pm *os.File) bool {
	fd, err := createMemfd()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	size := os.Getpagesize()
	if unix.Ftruncate(fd, int64(8*size)) != nil {
		return false
	}
	b, err := unix.Mmap(fd, 0, 8*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return false
	}
	defer unix.Munmap(b)
	sum := b[1*size] // read only: present, of the file
	b[3*size] = 1    // written: private
	b[5*size] = sum  // written with what it was: private all the same
	var got [8]bool
	per := size / PageSize
	ok := scanPagemap(pm, b, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			got[i/per] = true
		}
	})
	return ok && got == [8]bool{3: true, 5: true}
}
