package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Entry is one file of compiled code. The caller keeps it in the record of the version that it belongs
// to and shows it to [Compiler.Verify] before each load.
type Entry struct {
	Name     string `json:"name"`     // relative to the cache directory: "wazero-<version>-<arch>-<os>/<64 hex digits>"
	Size     int64  `json:"size"`     // in bytes
	Checksum string `json:"checksum"` // SHA-256 of the file, in hex
	Code     string `json:"code"`     // equal for modules of which the engine makes the same code; see Reuse
}

// ErrStale reports that an entry cannot be loaded: it is gone, its bytes are not those that were
// recorded, or another wazero, processor or Options would look for another one. The module must be
// compiled again.
var ErrStale = errors.New("compile: entry must be compiled again")

// Verify returns nil if wazero, asked now to compile wasm with [RuntimeConfig] and the cache directory,
// will load e and compile nothing. Otherwise it returns an error that is ErrStale, or one of our side.
//
// The file's bytes are compared with the checksum at the first Verify of a process and whenever the
// file's identity, size or time has changed since; in between only these three are looked at. So it
// finds what crashes, disks, copies and operators do to the cache. It is no defence against someone who
// writes to the directory as the host: that person can also wait for the moment after Verify.
func (c *Compiler) Verify(e Entry, wasm []byte) error {
	if want := c.names.of(wasm); e.Name != want {
		return fmt.Errorf("%w: recorded as %s, needed as %s", ErrStale, oneLine(e.Name, 120), want)
	}
	return c.verified.verify(c.path(e.Name), e)
}

// path returns where the entry of a name lies.
func (c *Compiler) path(name string) string {
	return filepath.Join(c.cfg.CacheDir, filepath.FromSlash(name))
}

// Remove deletes an entry. A version that still needs it goes to the worker again.
func (c *Compiler) Remove(e Entry) error {
	dir, key, _ := strings.Cut(e.Name, "/")
	if !strings.HasPrefix(dir, "wazero-") || !isKey(key) {
		return fmt.Errorf("compile: %q is not the name of an entry", oneLine(e.Name, 120))
	}
	for _, name := range []string{key + noteSuffix, key} {
		err := os.Remove(filepath.Join(c.cfg.CacheDir, dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("compile: remove entry: %w", err)
		}
	}
	c.verified.set(filepath.Join(c.cfg.CacheDir, dir, key), verifiedFile{})
	return nil
}

// isKey reports whether s is 64 lower-case hex digits.
func isKey(s string) bool {
	if len(s) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// verifier remembers which files were hashed, by path. The zero value is ready.
type verifier struct {
	mu    sync.Mutex // guards files
	files map[string]verifiedFile
}

type verifiedFile struct {
	info     fs.FileInfo
	checksum string
}

func (v *verifier) verify(path string, e Entry) error {
	f, err := openRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.set(path, verifiedFile{})
		return fmt.Errorf("%w: it is gone", ErrStale)
	case errors.Is(err, errNotRegular):
		return fmt.Errorf("%w: %w", ErrStale, err)
	case err != nil:
		return fmt.Errorf("compile: verify entry: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("compile: verify entry: %w", err)
	}
	if info.Size() != e.Size {
		return fmt.Errorf("%w: it has %d bytes, recorded are %d", ErrStale, info.Size(), e.Size)
	}
	known := v.get(path)
	if known.info == nil || !os.SameFile(known.info, info) || known.info.Size() != info.Size() || !known.info.ModTime().Equal(info.ModTime()) {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return fmt.Errorf("compile: verify entry: %w", err)
		}
		known = verifiedFile{info: info, checksum: hex.EncodeToString(h.Sum(nil))}
		v.set(path, known)
	}
	if known.checksum != e.Checksum {
		return fmt.Errorf("%w: its checksum is not the recorded one", ErrStale)
	}
	return nil
}

func (v *verifier) get(path string) verifiedFile {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.files[path]
}

// set remembers a file, or forgets it if f is zero.
func (v *verifier) set(path string, f verifiedFile) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.info == nil {
		delete(v.files, path)
		return
	}
	if v.files == nil {
		v.files = map[string]verifiedFile{}
	}
	v.files[path] = f
}

var errNotRegular = errors.New("it is not a regular file")

// openRegular opens a regular file for reading, following no link at the end of path.
func openRegular(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	// Opening follows links, and a link may have come in between.
	if opened, err := f.Stat(); err != nil || !os.SameFile(info, opened) {
		f.Close()
		return nil, errNotRegular
	}
	return f, nil
}
