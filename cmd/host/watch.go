package main

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a source tree must be quiet before it is built: editors write in steps.
const settleTime = 200 * time.Millisecond

// watch calls changed each time the files of g have changed and come to rest, until ctx ends.
func watch(ctx context.Context, g guest, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	if g.compiled() {
		err = w.Add(filepath.Dir(g.path)) // a file that is replaced is no longer watched itself
	} else {
		err = watchTree(w, g.path)
	}
	if err != nil {
		return err
	}
	quiet := time.NewTimer(0)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.Errors:
			return err
		case e := <-w.Events:
			if e.Has(fsnotify.Create) {
				watchTree(w, e.Name) // a new folder; a file is no tree and is left out
			}
			if g.source(e.Name) {
				quiet.Reset(settleTime)
			}
		case <-quiet.C:
			changed()
		}
	}
}

// watchTree watches a folder and those in it, except hidden ones.
func watchTree(w *fsnotify.Watcher, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.IsDir():
			return nil
		case path != root && strings.HasPrefix(d.Name(), "."), d.Name() == "node_modules":
			return fs.SkipDir
		}
		return w.Add(path)
	})
}

// source reports whether a file is one that g is made from.
func (g guest) source(path string) bool {
	if g.compiled() {
		return path == g.path
	}
	name := filepath.Base(path)
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") || name == "go.mod" || name == "go.sum"
}
