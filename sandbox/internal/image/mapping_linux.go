package image

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// canMap tells whether images can be mapped copy-on-write here.
const canMap = true

// kernelMappings returns how many mappings a process may have, or 0 if that is not known.
func kernelMappings() int {
	b, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}

// sealedImage is an image in a file without a name (memfd) that nobody can change any more. The
// file is as long as a memory can grow: an access to a mapping past the end of its file ends the
// process. What was not written is a hole, which takes no RAM until it is touched: reading a hole,
// or writing it in a private copy, makes the kernel keep a page of zeros for the file, shared by
// all copies, until the image is closed. So resident grows to at most the length of the file.
type sealedImage struct {
	a    *Arena
	fd   int
	base []byte // the first bytes of the file, as many as the image has
}

func newSealedImage(a *Arena, content []byte, stored pageSet, max int) (backing, error) {
	fd, err := createMemfd()
	switch err {
	case nil:
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM:
		return nil, fmt.Errorf("%w: memfd: %w", ErrExhausted, err)
	default:
		return nil, fmt.Errorf("image: memfd: %w", err)
	}
	s := &sealedImage{a: a, fd: fd}
	if err := s.write(content, stored, max); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// createMemfd asks for a file that can never be executed, which some systems insist on
// (vm.memfd_noexec) and kernels before 6.3 do not know.
func createMemfd() (int, error) {
	const name, flags = "vivarium-image", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

func (s *sealedImage) write(content []byte, stored pageSet, max int) error {
	if err := unix.Ftruncate(s.fd, int64(max)); err != nil {
		return fmt.Errorf("image: size the memfd: %w", err)
	}
	var err error
	stored.each(func(i int) bool {
		var n int
		if n, err = unix.Pwrite(s.fd, page(content, i), int64(i)*PageSize); err == nil && n != PageSize {
			err = unix.ENOSPC
		}
		return err == nil
	})
	if err == unix.ENOMEM || err == unix.ENOSPC {
		return fmt.Errorf("%w: fill the memfd: %w", ErrExhausted, err)
	}
	if err != nil {
		return fmt.Errorf("image: fill the memfd: %w", err)
	}
	if err := s.seal(); err != nil {
		return fmt.Errorf("image: seal the memfd: %w", err)
	}
	s.base, err = s.a.mmap(s.fd, len(content), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

// seal makes the file one that nobody can change. The kernel says EBUSY, after a third of a second, as
// long as somebody else holds one of its pages, which memory compaction does for a moment.
func (s *sealedImage) seal() (err error) {
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	for range 5 {
		if _, err = unix.FcntlInt(uintptr(s.fd), unix.F_ADD_SEALS, seals); err != unix.EBUSY {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrExhausted, err)
}

func (s *sealedImage) view() []byte { return s.base }

func (s *sealedImage) newRAM(im *Image, size int) (ram, error) {
	b, err := s.a.mmap(s.fd, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return &mapped{a: s.a, im: im, b: b}, nil
}

func (s *sealedImage) resident() int64 {
	var st unix.Stat_t
	if unix.Fstat(s.fd, &st) != nil {
		return 0
	}
	return st.Blocks * 512
}

func (s *sealedImage) close() error {
	return errors.Join(s.a.munmap(s.base), unix.Close(s.fd))
}

// mapped is a memory in one mapping that has room for all it may grow to.
type mapped struct {
	a  *Arena
	im *Image // nil means zeros
	b  []byte
}

// mapZeros maps memory that has no image.
func mapZeros(a *Arena, size int) (ram, error) {
	b, err := a.mmap(-1, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	return &mapped{a: a, b: b}, nil
}

func (m *mapped) grow(size int) []byte {
	if size > len(m.b) {
		return nil
	}
	return m.b[:size:size]
}

// reset writes the image's bytes over the first private pages and drops the others, so that the
// next access finds the file's again. Dropping all would be shorter, but each page that the next
// guest touches is then a fault: 10 µs under a hypervisor, against 0.5 µs for the copy, and guests of
// one version touch the same pages. The first pages are kept because heaps grow upwards: the pages
// behind are garbage of this guest's making.
func (m *mapped) reset(n int) error {
	pm := pagemap()
	keep := m.a.cfg.KeepBytes / PageSize
	if pm == nil || m.im == nil || keep <= 0 {
		return m.drop(0)
	}
	// What the guest cannot see is still as in the file: only visible pages were ever written.
	rest := -1
	ok := scanPagemap(pm, m.b[:n*PageSize], func(lo, hi int) {
		for i := lo; i < hi && rest < 0; i++ {
			if keep == 0 {
				rest = i
				return
			}
			keep--
			if base := m.im.Page(uint32(i)); base != nil {
				copy(page(m.b, i), base)
			} else {
				clear(page(m.b, i))
			}
		}
	})
	switch {
	case !ok:
		return m.drop(0)
	case rest >= 0:
		return m.drop(rest)
	}
	return nil
}

// drop makes all pages from one on those of the file again.
func (m *mapped) drop(from int) error {
	from -= from % (os.Getpagesize() / PageSize)
	if err := unix.Madvise(m.b[from*PageSize:], unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("image: reset: %w", err)
	}
	return nil
}

func (m *mapped) free() error {
	b := m.b
	m.b = nil
	return m.a.munmap(b)
}

// mmap maps size bytes and counts the mapping. No bytes take no mapping.
func (a *Arena) mmap(fd, size, prot, flags int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	if !a.reserve(size) {
		return nil, fmt.Errorf("%w: %d mappings are in use", ErrExhausted, a.cfg.MaxMappings)
	}
	b, err := unix.Mmap(fd, 0, size, prot, flags)
	if err != nil {
		a.release(size)
		return nil, fmt.Errorf("%w: mmap: %w", ErrExhausted, err)
	}
	return b, nil
}

func (a *Arena) munmap(b []byte) error {
	if b == nil {
		return nil
	}
	if err := unix.Munmap(b); err != nil {
		return fmt.Errorf("image: munmap: %w", err)
	}
	a.release(len(b))
	return nil
}

// reserve counts a mapping before it is made. A false answer counts nothing.
func (a *Arena) reserve(size int) bool {
	if a.mappings.Add(1) > int64(a.cfg.MaxMappings) {
		a.mappings.Add(-1)
		return false
	}
	a.mappedBytes.Add(int64(size))
	return true
}

// release is called when a mapping that reserve counted is no more.
func (a *Arena) release(size int) {
	a.mappings.Add(-1)
	a.mappedBytes.Add(-int64(size))
}
