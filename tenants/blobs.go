package tenants

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/internal/durable"
)

// blobs keeps module files, one for each digest, whoever uploaded it: <dir>/<digest>.wasm.
//
// A file is durable before the first record that refers to it, and goes after the last. So a crash
// leaves at worst a file that no record names. It stays, for nobody can tell it from a file whose
// records are in another store: an upload of the same bytes takes it over.
type blobs struct {
	dir string

	// mu guards files. It is held while a name in dir appears, goes or is opened, short system calls,
	// so that one module's delete cannot take the file that another's upload has just put there, nor
	// make it look lost to who opens it.
	mu    sync.Mutex
	files map[Digest]*blob // while holds > 0 also such that nothing refers to any more
	holds int              // copies under way, for which no file goes
}

// blob is a file that a version, or an upload about to become one, refers to.
type blob struct {
	bytes int64
	refs  int
}

// openBlobs makes dir if it is missing and removes what uploads left there when a process died.
func openBlobs(dir string) (*blobs, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("tenants: module files: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(escapeGlob(dir), stagePrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("tenants: module files: %w", err)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("tenants: module files: %w", err)
		}
	}
	if err := durable.SyncFolder(filepath.Dir(filepath.Clean(dir))); err != nil {
		return nil, fmt.Errorf("tenants: module files: %w", err)
	}
	return &blobs{dir: dir, files: map[Digest]*blob{}}, nil
}

func (b *blobs) path(d Digest) string { return filepath.Join(b.dir, moduleFileName(d)) }

// refer counts one more version that needs d.
func (b *blobs) refer(d Digest, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.referLocked(d, bytes)
}

func (b *blobs) referLocked(d Digest, bytes int64) {
	f, ok := b.files[d]
	if !ok {
		f = &blob{bytes: bytes}
		b.files[d] = f
	}
	f.refs++
}

// keep gives a staged file its name and refers to it. It returns once both are on disk. A file
// that has the name already is replaced: it has the same bytes, or it is damaged.
func (b *blobs) keep(st *Staged) error {
	if err := st.sync(b.dir); err != nil { // first, or the name could stand for less than all of it
		return fileError("keep module file", err)
	}
	if err := b.rename(st); err != nil {
		return fileError("keep module file", err)
	}
	if err := durable.SyncFolder(b.dir); err != nil {
		b.drop(st.Digest)
		return fileError("keep module file", err)
	}
	return nil
}

func (b *blobs) rename(st *Staged) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.Rename(st.path, b.path(st.Digest)); err != nil {
		return err
	}
	b.referLocked(st.Digest, st.Bytes)
	return nil
}

// drop ends one reference. The last one takes the file with it, in the memory of the file system:
// if it comes back after a crash, it is a file that no record names.
func (b *blobs) drop(d Digest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.files[d]
	if !ok {
		return
	}
	if f.refs--; f.refs == 0 && b.holds == 0 {
		b.removeLocked(d)
	}
}

func (b *blobs) removeLocked(d Digest) {
	delete(b.files, d)
	os.Remove(b.path(d)) // what stays behind costs space and nothing else
}

// removed makes sure that of some files those are gone, durably, that nothing refers to. It is CodeHostBusy while they are held.
func (b *blobs) removed(digests []Digest) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range digests {
		switch f, ok := b.files[d]; {
		case ok && f.refs > 0:
			continue // another namespace has it
		case ok:
			return &abi.Error{Code: abi.CodeHostBusy, Message: "A backup needs the modules", Retry: time.Second}
		}
		if err := os.Remove(b.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError("remove module file", err)
		}
	}
	if err := durable.SyncFolder(b.dir); err != nil {
		return fileError("remove module files", err)
	}
	return nil
}

// hold keeps every file that there is from going until release.
func (b *blobs) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holds++
}

func (b *blobs) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holds--; b.holds > 0 {
		return
	}
	for d, f := range b.files {
		if f.refs == 0 {
			b.removeLocked(d)
		}
	}
}

// open returns the file of d and its size. A file that versions refer to and that is missing or has
// another size is kv.ErrCorrupt; CodeModuleNotFound if no version refers to it.
func (b *blobs) open(d Digest) (*os.File, int64, error) {
	f, size, ok, err := b.find(d)
	switch {
	case !ok:
		return nil, 0, abi.Wrap(abi.CodeModuleNotFound, nil)
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, errCorrupt("module file "+d.String(), nil, errors.New("it is missing; upload the module again"))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("tenants: module file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = errCorrupt("module file "+d.String(), nil, fmt.Errorf("it has %d bytes, not %d", info.Size(), size))
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// find opens the file of d if it is referred to. Looking and opening are one step: a file that goes in
// between, with the last version that needs it, would look like one that is lost.
func (b *blobs) find(d Digest) (f *os.File, size int64, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	blob, ok := b.files[d]
	if !ok {
		return nil, 0, false, nil
	}
	f, err = os.Open(b.path(d))
	return f, blob.bytes, true, err
}

// Wasm returns a version's bytes, which the caller owns. Bytes that are missing or are not what
// was uploaded are kv.ErrCorrupt. Every digest must come from a Version of the namespace that asks:
// files know no namespace.
func (r *Registry) Wasm(d Digest) ([]byte, error) {
	f, size, err := r.OpenWasm(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // spare room, or reading grows it
	if _, err := b.ReadFrom(f); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// OpenWasm is Wasm as a stream of known length. A stream of other bytes than those uploaded ends
// with kv.ErrCorrupt before its last part, so nobody can take it for whole.
func (r *Registry) OpenWasm(d Digest) (io.ReadCloser, int64, error) {
	f, size, err := r.blobs.open(d)
	if err != nil {
		return nil, 0, err
	}
	return &checkedReader{f: f, want: d, left: size, sum: sha256.New()}, size, nil
}

// checkedReader reads a file and compares its digest before it gives the last bytes away.
type checkedReader struct {
	f    *os.File
	want Digest
	left int64
	sum  hash.Hash
	err  error // what every later Read returns
}

func (c *checkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.f.Read(p[:min(int64(len(p)), c.left)])
	c.sum.Write(p[:n])
	c.left -= int64(n)
	switch {
	case c.left == 0 && Digest(c.sum.Sum(nil)) == c.want:
		c.err = io.EOF
		return n, nil
	case c.left == 0 || err == io.EOF:
		c.err = errCorrupt("module file "+c.want.String(), nil, errors.New("other bytes than were uploaded; upload the module again"))
		clear(p[:n])
		return 0, c.err
	case err != nil:
		c.err = fmt.Errorf("tenants: module file: %w", err)
	}
	return n, c.err
}

func (c *checkedReader) Close() error { return c.f.Close() }
