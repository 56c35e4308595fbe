package compile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A run has a directory of its own in TempDir. The worker sees only the box; what the host makes of its
// content lies beside it, out of its reach, until it is renamed into the cache.
const (
	boxName    = "box"
	stagedName = "staged"
	runPattern = "run-*"
)

// prepareDirs makes the directories and, if no other host uses TempDir, removes what is left in it.
func (c *Compiler) prepareDirs() error {
	for _, dir := range []string{c.cfg.CacheDir, c.cfg.TempDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("compile: %w", err)
		}
	}
	// Workers get a path as their directory, and the process may change its own.
	for _, dir := range []*string{&c.cfg.CacheDir, &c.cfg.TempDir} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("compile: %w", err)
		}
		*dir = abs
	}
	lock, alone, err := lockDir(filepath.Join(c.cfg.TempDir, "lock"))
	if err != nil {
		return fmt.Errorf("compile: lock %s: %w", c.cfg.TempDir, err)
	}
	c.lock = lock
	if alone {
		left, err := filepath.Glob(filepath.Join(c.cfg.TempDir, runPattern))
		for _, dir := range left {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		if err != nil {
			return fmt.Errorf("compile: clean up: %w", err)
		}
	}
	return shareLock(lock)
}

// newRunDir makes the directory of a run with an empty box in it.
func (c *Compiler) newRunDir() (dir string, err error) {
	if dir, err = os.MkdirTemp(c.cfg.TempDir, runPattern); err != nil {
		return "", err
	}
	if err = os.Mkdir(filepath.Join(dir, boxName), 0o700); err != nil {
		os.RemoveAll(dir)
	}
	return dir, err
}

// outputError says what is wrong with what a worker left.
type outputError string

func (e outputError) Error() string { return string(e) }

// onlyEntry returns the key of the one file in wazero's directory in the box. Anything else there is an
// outputError. The worker is dead, so nothing changes any more.
func onlyEntry(box, cacheDir string) (key string, err error) {
	only := func(dir string) (os.DirEntry, error) {
		d, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		list, err := d.ReadDir(2) // there may be millions
		switch {
		case errors.Is(err, io.EOF):
			return nil, outputError("the worker left no compiled code")
		case err != nil:
			return nil, err
		case len(list) > 1:
			return nil, outputError("the worker left more than one file")
		}
		return list[0], nil
	}
	top, err := only(box)
	if err != nil {
		return "", err
	}
	if top.Name() != cacheDir || !top.IsDir() {
		return "", outputError("the worker left something else than a cache directory")
	}
	file, err := only(filepath.Join(box, cacheDir))
	if err != nil {
		return "", err
	}
	if !file.Type().IsRegular() || !isKey(file.Name()) {
		return "", outputError("the worker left something else than a cache entry")
	}
	return file.Name(), nil
}

// install copies the worker's file into the cache and returns the entry of e's name, with e's code. Nothing is synced: an entry that a
// crash has cut off does not have the checksum of its note and is made again, and a sync here is one that the
// commits of actors would wait for. It is a copy because a file that the worker made may have other names or open descriptors; its mode and owner are
// the worker's too.
func (c *Compiler) install(runDir string, e Entry) (Entry, error) {
	from, err := openRegular(filepath.Join(runDir, boxName, filepath.FromSlash(e.Name)))
	if errors.Is(err, errNotRegular) {
		return e, outputError("the worker left something else than a file")
	} else if err != nil {
		return e, err
	}
	defer from.Close()
	if info, err := from.Stat(); err != nil {
		return e, err
	} else if info.Size() > c.cfg.EntryBytes {
		return e, &Error{Kind: KindSize, Detail: fmt.Sprintf("the compiled code has %d bytes, more than %d", info.Size(), c.cfg.EntryBytes)}
	}
	staged := filepath.Join(runDir, stagedName)
	if e.Size, e.Checksum, err = copyEntry(staged, io.LimitReader(from, c.cfg.EntryBytes), c.header()); err != nil {
		return e, err
	}
	return e, c.place(staged, e)
}

// place moves a file into the cache as e.
func (c *Compiler) place(staged string, e Entry) error {
	to := c.path(e.Name)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	// The note first: without it, or with one that does not fit, the entry is made again.
	if err := writeNote(staged+noteSuffix, e); err != nil {
		return err
	}
	if err := os.Rename(staged+noteSuffix, to+noteSuffix); err != nil {
		return err
	}
	return os.Rename(staged, to)
}

// A note beside an entry holds what the host knew of it when it put it there, so that the same bytes
// need no second worker: another version, another namespace, a lost record. wazero does not look at it.
const (
	noteSuffix = ".json"
	maxNote    = 1 << 10 // bytes
)

func writeNote(path string, e Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, _, err = copyEntry(path, bytes.NewReader(text), nil)
	return err
}

// find returns the entry of that name if it is in the cache and its file is what the host put there.
func (c *Compiler) find(name string) (Entry, error) {
	var e Entry
	path := c.path(name)
	f, err := openRegular(path + noteSuffix)
	if err != nil {
		return e, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxNote)).Decode(&e); err != nil {
		return e, err
	}
	if e.Name != name {
		return e, ErrStale
	}
	return e, c.verified.verify(path, e)
}

// header is how each entry of this wazero begins.
func (c *Compiler) header() []byte {
	version := strings.TrimPrefix(c.names.dir, "wazero-")
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		version = version[:i]
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		version = version[:i]
	}
	return append([]byte("WAZEVO"), append([]byte{byte(len(version))}, version...)...)
}

// copyEntry copies from into a new file, which must begin with header.
func copyEntry(path string, from io.Reader, header []byte) (size int64, checksum string, err error) {
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	begin := make([]byte, len(header))
	if _, err := io.ReadFull(from, begin); err != nil || !bytes.Equal(begin, header) {
		return 0, "", outputError("the worker left a file that is not compiled code of this wazero")
	}
	h := sha256.New()
	w := io.MultiWriter(h, to)
	if _, err := w.Write(begin); err != nil {
		return 0, "", err
	}
	n, err := io.Copy(w, from)
	if err != nil {
		return 0, "", err
	}
	return n + int64(len(begin)), hex.EncodeToString(h.Sum(nil)), nil
}
