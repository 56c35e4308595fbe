package deltacache

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// folder holds the files of one process, named by numbers. What a file belongs to is known to the
// process alone: a later one cannot tell whether a delta is still its actor's last, and an actor
// whose delta is gone wakes from its committed state.
type folder struct {
	parent string
	path   string
}

// runPrefix begins the names of the folders that may be removed.
const runPrefix = "run-"

// openFolder makes a new folder below parent. Guests' memory is nobody else's to read.
func openFolder(parent string) (*folder, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, runPrefix) // with mode 0700
	if err != nil {
		return nil, err
	}
	return &folder{parent: parent, path: path}, nil
}

// sweep removes the folders of earlier processes, file by file so that it can be stopped.
func (f *folder) sweep(stopped func() bool) error {
	all, err := os.ReadDir(f.parent)
	for _, d := range all {
		path := filepath.Join(f.parent, d.Name())
		if path != f.path && d.IsDir() && strings.HasPrefix(d.Name(), runPrefix) {
			err = errors.Join(err, empty(path, stopped))
		}
	}
	return err
}

// empty removes a folder of files.
func empty(path string, stopped func() bool) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(256)
		for _, name := range names {
			if stopped() {
				return nil
			}
			os.Remove(filepath.Join(path, name)) // if one stays, removing the folder says why
		}
		if err != nil { // the end, most likely
			return os.Remove(path)
		}
	}
}

func (f *folder) name(file uint64) string {
	return filepath.Join(f.path, strconv.FormatUint(file, 36)+".delta")
}

// put writes a file. Nobody knows it before put has returned, and what a failure or a kill leaves of it is never read: it
// needs no other name until it is whole.
func (f *folder) put(file uint64, data []byte) error {
	err := os.WriteFile(f.name(file), data, 0o600)
	if err != nil {
		os.Remove(f.name(file))
	}
	return err
}

// take reads and removes a file.
func (f *folder) take(file uint64) ([]byte, error) {
	b, err := os.ReadFile(f.name(file))
	os.Remove(f.name(file)) // one that stays is removed by the next process
	return b, err
}

// removeTime is how long a process that ends removes files. There may be a quarter of a million of them; those that are left
// the next process removes while it works.
const removeTime = time.Second

// remove removes the folder with what is in it, or as much of it as there is time for.
func (f *folder) remove() error {
	late := time.Now().Add(removeTime)
	err := empty(f.path, func() bool { return time.Now().After(late) })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// files are files that are no longer needed, 0 being none.
type files []uint64

func (fs *files) add(file uint64) {
	if file != 0 {
		*fs = append(*fs, file)
	}
}

// unlink removes files. It is called without the lock.
func (c *Cache) unlink(fs files) {
	for _, f := range fs {
		os.Remove(c.dir.name(f))
	}
}
