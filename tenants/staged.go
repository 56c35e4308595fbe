package tenants

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// stagePrefix begins the name of a file that is not a module's yet.
const stagePrefix = "stage-"

// Staged is an upload on disk that is not a version yet. Its owner calls Discard in the end, in any
// case. Not safe for concurrent use, except Discard.
type Staged struct {
	Digest Digest
	Bytes  int64

	path    string
	discard func() // removes the file, once
}

// Stage reads an upload of at most limit bytes and returns once it is on disk. More bytes are
// CodeBodyTooLarge. An error of src that carries no code is CodeInvalidRequest, or CodeBodyTooSlow
// if it is a deadline's: the client's fault, not ours.
func (r *Registry) Stage(src io.Reader, limit int64) (*Staged, error) {
	f, err := os.CreateTemp(r.blobs.dir, stagePrefix) // O_EXCL, 0600
	if err != nil {
		return nil, fileError("stage upload", err)
	}
	defer f.Close() // after Sync: closing tells nothing new
	st := &Staged{path: f.Name()}
	st.discard = sync.OnceFunc(func() { os.Remove(st.path) })
	if err := st.fill(f, src, limit); err != nil {
		st.Discard()
		return nil, err
	}
	return st, nil
}

func (s *Staged) fill(f *os.File, src io.Reader, limit int64) error {
	sum := sha256.New()
	from := &sourceReader{src: io.LimitReader(src, limit+1)}
	n, err := io.Copy(io.MultiWriter(f, sum), from)
	switch {
	case from.err != nil:
		return sourceError(from.err)
	case err != nil:
		return fileError("stage upload", err)
	case n > limit:
		return abi.Errorf(abi.CodeBodyTooLarge, "the module has more than %d bytes", limit)
	}
	if err := f.Sync(); err != nil {
		return fileError("stage upload", err)
	}
	s.Digest, s.Bytes = Digest(sum.Sum(nil)), n
	return nil
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

// ReadAll returns the bytes, which the caller owns. It fails after Publish and Discard.
func (s *Staged) ReadAll() ([]byte, error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return nil, fmt.Errorf("tenants: read upload: %w", err)
	}
	if Digest(sha256.Sum256(b)) != s.Digest {
		return nil, errCorrupt("upload "+s.Digest.String(), nil, errors.New("other bytes than were written"))
	}
	return b, nil
}

// Discard removes the upload unless Publish has used it up. It may be called again.
func (s *Staged) Discard() { s.discard() }

// escapeGlob makes dir match itself and nothing else.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
