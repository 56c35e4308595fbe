//go:build figures

package sandbox

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// uploadFigures are the times from the bytes of a Go module to a version that is ready.
type uploadFigures struct {
	wasm  []byte
	cells map[string]*cell
}

const (
	uploadCold   = "cold: nothing is known of the module"
	uploadDisk   = "cached on disk: another process prepared it before"
	uploadMemory = "in memory: the version is in use"
	uploadPlain  = "unmetered, compiled in the process, no check and no image"
)

var uploadRows = []string{
	uploadCold, "— check", "— meter, compile in a worker, load", "— start once, make the image", "— rewrite to the second form, with the code of the first, load", "— save",
	uploadDisk, uploadMemory, uploadPlain,
}

func newUploadFigures(t *testing.T) *uploadFigures {
	dir := filepath.Join(root(), "examples", "wasm", "counter")
	wasm, err := guestbuild.Build(context.Background(), guestbuild.Options{Dir: dir, Strip: true})
	must(t, err)
	f := &uploadFigures{wasm: wasm, cells: map[string]*cell{}}
	for _, row := range uploadRows {
		f.cells[row] = &cell{}
	}
	return f
}

func (f *uploadFigures) timed(row string, do func()) {
	start := time.Now()
	do()
	f.cells[row].add(float64(time.Since(start)))
}

// run prepares the module in folders of its own, then again as another process would, and once more
// step by step.
func (f *uploadFigures) run(t *testing.T) {
	dir := t.TempDir()
	own := func(c *Config) { c.CompiledDir = filepath.Join(c.Dir, "compiled") }
	for _, row := range []string{uploadCold, uploadDisk} {
		s := openFresh(t, dir, own)
		var v *Version
		f.timed(row, func() { v = f.acquire(t, s) })
		if row == uploadDisk {
			f.timed(uploadMemory, func() { f.acquire(t, s).Release() })
		}
		v.Release()
		must(t, s.Close())
	}
	f.steps(t, openFresh(t, t.TempDir(), own))
	f.plain(t)
}

// openFresh is open with folders that no other test has.
func openFresh(t *testing.T, dir string, own func(*Config)) *Sandbox {
	return open(t, dir, func(c *Config) {
		own(c)
		must(t, os.MkdirAll(c.CompiledDir, 0o700))
	})
}

func (f *uploadFigures) acquire(t *testing.T, s *Sandbox) *Version {
	v, err := s.Acquire(context.Background(), source(f.wasm))
	must(t, err)
	return v
}

// steps goes the way of Version.build.
func (f *uploadFigures) steps(t *testing.T, s *Sandbox) {
	ctx := context.Background()
	src := source(f.wasm)
	v := &Version{s: s, key: versionKey{src.Class, src.Digest}}
	var rec prepared
	for n, step := range []func() error{
		func() (err error) { v.facts, err = s.check(f.wasm); return err },
		func() (err error) {
			v.start = startExports(v.facts)
			rec, err = v.compile(ctx, f.wasm, nil, compile.Entry{})
			return err
		},
		func() (err error) {
			v.image, err = v.startOnce(ctx, src)
			v.code.Close(ctx)
			v.code = nil
			return err
		},
		func() (err error) { rec, err = v.compile(ctx, f.wasm, snapshotOf(v.image), rec.Entry); return err },
		func() error { return v.save(rec) },
	} {
		f.timed(uploadRows[1+n], func() { must(t, step()) })
	}
	v.free()
}

func (f *uploadFigures) plain(t *testing.T) {
	ctx := context.Background()
	cache, err := wazero.NewCompilationCacheWithDir(t.TempDir())
	must(t, err)
	defer cache.Close(ctx)
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	defer r.Close(ctx)
	f.timed(uploadPlain, func() {
		_, err := r.CompileModule(ctx, f.wasm)
		must(t, err)
	})
}

func (f *uploadFigures) write(p *page) {
	p.table("Upload to ready", fmt.Sprintf("A Go module of %.1f MB: check, meter, compile in a worker, start, image, compile the form that begins with the image. Without the network and the store. The steps are of an upload of their own.", float64(len(f.wasm))/1e6),
		"way", "time")
	for _, row := range uploadRows {
		p.row(row, f.cells[row].text(span))
	}
}
