package tenants

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// stagePrefix begins the name of a file that is not a module's yet.
const stagePrefix = "stage-"

// heldBytes is the size up to which an upload stays in memory until Publish. Files come and go at the cost of
// the commits that are synced meanwhile, and most of what is refused is small.
const heldBytes = 256 << 10

// Staged is an upload that is not a version yet, in memory or in a file. Its owner calls Discard in the end,
// in any case. Not safe for concurrent use, except Discard.
type Staged struct {
	Digest Digest
	Bytes  int64

	held    []byte // all of it, if there is no path
	path    string
	discard func() // removes the file, once
	gone    atomic.Bool
}

// Stage reads an upload of at most limit bytes, which Publish brings to the disk. More bytes are
// CodeBodyTooLarge. An error of src that carries no code is CodeInvalidRequest, or CodeBodyTooSlow
// if it is a deadline's: the client's fault, not ours.
func (r *Registry) Stage(src io.Reader, limit int64) (*Staged, error) {
	st := &Staged{}
	st.discard = sync.OnceFunc(func() {
		st.gone.Store(true)
		if st.path != "" {
			os.Remove(st.path)
		}
	})
	if err := st.fill(r.blobs.dir, src, limit); err != nil {
		st.Discard()
		return nil, err
	}
	return st, nil
}

func (s *Staged) fill(dir string, src io.Reader, limit int64) error {
	sum := sha256.New()
	from := &sourceReader{src: io.TeeReader(io.LimitReader(src, limit+1), sum)}
	begin, err := io.ReadAll(io.LimitReader(from, heldBytes+1))
	n := int64(len(begin))
	if err == nil && n > heldBytes {
		n, err = s.spill(dir, io.MultiReader(bytes.NewReader(begin), from))
	} else {
		s.held = begin
	}
	switch {
	case from.err != nil:
		return sourceError(from.err)
	case err != nil:
		return fileError("stage upload", err)
	case n > limit:
		return abi.Errorf(abi.CodeBodyTooLarge, "the module has more than %d bytes", limit)
	}
	s.Digest, s.Bytes = Digest(sum.Sum(nil)), n
	return nil
}

// spill copies from to a new file.
func (s *Staged) spill(dir string, from io.Reader) (int64, error) {
	f, err := os.CreateTemp(dir, stagePrefix) // O_EXCL, 0600
	if err != nil {
		return 0, err
	}
	s.path = f.Name()
	n, err := io.Copy(f, from)
	return n, errors.Join(err, f.Close())
}

// sourceReader remembers the source's error, to tell it from the disk's.
type sourceReader struct {
	src io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func sourceError(err error) error {
	if coded := new(abi.Error); errors.As(err, &coded) {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return abi.Wrap(abi.CodeBodyTooSlow, err)
	}
	return abi.Wrap(abi.CodeInvalidRequest, fmt.Errorf("tenants: read upload: %w", err))
}

// fileError gives an error of the file system its code.
func fileError(doing string, err error) error {
	code := abi.CodeInternal
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		code = abi.CodeStorageFull
	}
	return abi.Wrap(code, fmt.Errorf("tenants: %s: %w", doing, err))
}

// ReadAll returns the bytes, which nobody may change. It fails after Publish and Discard.
func (s *Staged) ReadAll() ([]byte, error) {
	b := s.held
	if s.gone.Load() {
		return nil, fmt.Errorf("tenants: read upload: %w", os.ErrClosed)
	}
	if s.path != "" {
		var err error
		if b, err = os.ReadFile(s.path); err != nil {
			return nil, fmt.Errorf("tenants: read upload: %w", err)
		}
	}
	if Digest(sha256.Sum256(b)) != s.Digest {
		return nil, errCorrupt("upload "+s.Digest.String(), nil, errors.New("other bytes than were written"))
	}
	return b, nil
}

// sync returns once the bytes are in a file on disk.
func (s *Staged) sync(dir string) error {
	if s.path == "" {
		if _, err := s.spill(dir, bytes.NewReader(s.held)); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // after Sync: closing tells nothing new
	return f.Sync()
}

// Discard removes the upload unless Publish has used it up. It may be called again.
func (s *Staged) Discard() { s.discard() }

// escapeGlob makes dir match itself and nothing else.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
