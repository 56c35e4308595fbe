package tenants

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// ModuleFile is a module's file: its name, and its size in bytes.
type ModuleFile struct {
	Digest Digest
	Bytes  int64
}

// HoldFiles keeps the module files that there are, and those that come, from going until release is called, once.
// What a copy of the store that is begun meanwhile refers to is among those that files returns after it.
func (r *Registry) HoldFiles() (files func() []ModuleFile, release func()) {
	r.blobs.hold()
	return r.blobs.list, r.blobs.release
}

// list returns the files that versions refer to, or did when they were held, in order of their digests.
func (b *blobs) list() []ModuleFile {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]ModuleFile, 0, len(b.files))
	for d, f := range b.files {
		list = append(list, ModuleFile{d, f.bytes})
	}
	slices.SortFunc(list, func(a, b ModuleFile) int { return bytes.Compare(a.Digest[:], b.Digest[:]) })
	return list
}

// PutFile makes the file of a module in dir, a folder of module files that no registry has open, durable when it
// returns. Bytes with another digest leave nothing, and are kv.ErrCorrupt.
func PutFile(dir string, d Digest, src io.Reader) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, moduleFileName(d)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("tenants: put module file: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, sum), src)
	if err == nil && Digest(sum.Sum(nil)) != d {
		err = errCorrupt("module file "+d.String(), nil, errors.New("other bytes than its name says"))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// moduleFileName is that of a module's file.
func moduleFileName(d Digest) string { return d.String() + ".wasm" }
