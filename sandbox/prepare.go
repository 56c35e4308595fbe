package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/meter"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
)

// prepare makes v ready to run. Each step may refuse the module:
//
//  1. check it, before the engine sees a byte;
//  2. find what an earlier preparation left on disk, and be done;
//  3. meter it and compile the first form in a worker;
//  4. if all state lies in memory and globals: start it once, under gas, and keep that as an image. The second form begins
//     with the image. Its code is that of the first, or is compiled in a worker.
func (v *Version) prepare(ctx context.Context, src Source) error {
	b, err := src.Load()
	if err != nil {
		return err
	}
	ready := false
	err = v.chore(ctx, func() (refused error) {
		if v.facts, refused = v.s.check(b); refused != nil {
			return refused
		}
		v.start = startExports(v.facts)
		err := v.restore(ctx, b)
		if ready = err == nil; !ready && !errors.Is(err, os.ErrNotExist) {
			v.s.cfg.Logger.Warn("a prepared module cannot be used and is made again", "module", v.key.digest, "error", err)
		}
		return nil
	})
	if err != nil || ready {
		return err
	}
	return v.build(ctx, b, src)
}

// Chore runs f, the host's own work on what a class has uploaded. No meter bounds that, so there is one at a
// time, by turns of the classes: the other processors are for guests. f must not wait for anything.
func (s *Sandbox) Chore(ctx context.Context, class string, f func() error) error {
	if err := s.chores.Acquire(ctx, class); err != nil {
		return err
	}
	defer s.chores.Release()
	return f()
}

func (v *Version) chore(ctx context.Context, f func() error) error {
	return v.s.Chore(ctx, v.key.class, f)
}

// build takes steps 3 and 4.
func (v *Version) build(ctx context.Context, b []byte, src Source) error {
	rec, err := v.compile(ctx, b, nil, compile.Entry{})
	if err != nil {
		return err
	}
	if len(v.layout.Obstacles) > 0 {
		return v.save(rec)
	}
	first := rec.Entry
	im, err := v.startOnce(ctx, src)
	v.code.Close(ctx)
	v.code = nil
	if err != nil {
		v.s.removeEntries(v.key.class, first)
		return err
	}
	if rec, err = v.compile(ctx, b, snapshotOf(im), first); err != nil {
		im.Close()
		v.s.removeEntries(v.key.class, first)
		return err
	}
	v.image, rec.First = im, first
	return v.save(rec)
}

func snapshotOf(im *image.Image) *meter.Snapshot {
	return &meter.Snapshot{Pages: im.WasmPages(), Globals: im.Globals()}
}

// compileTries is how often a module is compiled before the host says that it cannot now.
const compileTries = 3

// compile rewrites the module, in its second form if there is a snapshot, and loads it compiled, from the code of the first
// form if that is its own. What may be otherwise the next time is tried again: an entry that was damaged since it was made, a worker
// that could not work. An upload has no part in that, so it is never told that it is at fault, nor that
// the host has one.
func (v *Version) compile(ctx context.Context, b []byte, snapshot *meter.Snapshot, first compile.Entry) (prepared, error) {
	var metered []byte
	err := v.chore(ctx, func() (err error) {
		metered, err = v.rewrite(b, snapshot)
		return err
	})
	if err != nil {
		return prepared{}, err
	}
	for range compileTries {
		var entry compile.Entry
		if entry, err = v.s.compiler.Reuse(first, metered); err != nil {
			entry, err = v.s.compiler.Compile(ctx, v.key.class, metered)
		}
		first = compile.Entry{} // the next try is with a worker
		if err == nil {
			err = v.chore(ctx, func() error { return v.load(ctx, entry, metered) })
		}
		if err == nil {
			return prepared{Entry: entry, Gas: v.gas}, nil
		}
		if !passing(err) {
			break
		}
		v.s.cfg.Logger.Warn("a module could not be compiled and is tried again", "module", v.key.digest, "error", err)
	}
	return prepared{}, compileError(err)
}

// passing reports whether an error of compiling has to do with the moment.
func passing(err error) bool {
	var e *compile.Error
	return errors.Is(err, compile.ErrStale) || errors.As(err, &e) && e.Kind == compile.KindUnavailable && !errors.Is(err, compile.ErrClosed)
}

func (v *Version) rewrite(b []byte, snapshot *meter.Snapshot) ([]byte, error) {
	metered, layout, err := meter.Rewrite(b, v.facts, meter.Options{
		MemoryPages: v.s.cfg.MemoryPages, TrapOnly: v.s.cfg.trapOnly(), Image: snapshot,
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	v.layout, v.globals = layout, nil
	for _, g := range layout.Globals {
		v.globals = append(v.globals, g.Export)
	}
	return metered, nil
}

// load hands the rewritten module to the engine, which must find it in its cache: the host compiles
// no upload itself. It is part of a chore.
func (v *Version) load(ctx context.Context, e compile.Entry, metered []byte) (err error) {
	if err := v.s.compiler.Verify(e, metered); err != nil {
		return err
	}
	// As a chore, because the engine offers code to others while it still completes it: a call of equal bytes,
	// as two namespaces may make, would get functions without a way in, and the process would end.
	if v.code, err = v.s.runtime.CompileModule(ctx, metered); err != nil {
		return fmt.Errorf("sandbox: load: %w", err)
	}
	return nil
}

// compileError translates what a worker says, and gives what the moment is to blame for the code of a
// host that is busy: it lacked processes, memory, descriptors or room on the disk.
func compileError(err error) error {
	var e *compile.Error
	switch {
	case errors.Is(err, compile.ErrClosed):
		return abi.Wrap(abi.CodeUnavailable, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return abi.Wrap(abi.CodeStorageFull, err)
	case passing(err):
		return &abi.Error{Code: abi.CodeHostBusy, Message: "The host cannot compile a module now", Retry: startTime, Cause: err}
	case !errors.As(err, &e):
		return err
	}
	switch {
	case e.Kind == compile.KindRefused:
		return abi.Errorf(abi.CodeModuleMalformed, "the module is not valid: %s", e.Detail)
	case e.Kind == compile.KindBusy:
		return &abi.Error{Code: abi.CodeHostBusy, Message: "Too many modules wait to be compiled", Retry: startTime, Cause: err}
	case e.Kind.Module():
		return (&abi.Error{Code: abi.CodeModuleLimit, Message: "The module cannot be compiled: " + e.Detail, Cause: err}).With(map[string]any{"reason": e.Kind})
	}
	return err
}

// startOnce starts the module and returns what the start-up left.
func (v *Version) startOnce(ctx context.Context, src Source) (*image.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	ctx, env := src.Start(ctx)
	i, err := v.NewInstance(ctx, env)
	if err != nil {
		return nil, &StartError{Env: env, Err: err}
	}
	defer i.drop() // and with it its memory
	v.gas = i.used
	spec := image.Spec{Key: v.imageKey(), Globals: i.globals.Values(nil), MaxWasmPages: v.layout.MemoryPages}
	if v.facts.Memory != nil {
		spec.Memory = i.mem.Bytes()
	}
	im, err := v.s.arena.New(spec)
	if errors.Is(err, image.ErrExhausted) {
		v.s.dropShells() // they wait for nobody in particular
		im, err = v.s.arena.New(spec)
	}
	return im, memoryError(err)
}

// StartError reports that the start-up of a module failed while it was prepared. Whoever waited for the
// preparation gets it, so it says in which world the module ran.
type StartError struct {
	Env Env   // from the Source.Start of the one that prepared
	Err error // of Version.NewInstance
}

func (e *StartError) Error() string { return e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }

// startExports are the functions that set an instance up, in order.
func startExports(f *validate.Facts) []string {
	var list []string
	if f.Start >= 0 {
		list = append(list, meter.StartExport)
	}
	for _, name := range []string{"_initialize", "hs_init", "__wasm_call_ctors"} {
		for _, e := range f.Exports {
			if e.Name == name && f.FuncType(e.Index).String() == "()->()" {
				return append(list, name)
			}
		}
	}
	return list
}

// prepared is what is kept on disk of a preparation.
type prepared struct {
	Key   string        `json:"key"` // of module, rewriter, engine and machine
	Entry compile.Entry `json:"entry"`
	First compile.Entry `json:"first,omitzero"` // of the form that was started, if there is an image
	Image bool          `json:"image"`          // there is an image beside it
	Gas   int64         `json:"gas"`
}

// base returns the path of v's files, without extension.
func (v *Version) base() string { return v.s.base(v.key) }

func (s *Sandbox) base(key versionKey) string {
	sum := sha256.Sum256(append([]byte(key.class+"\x00"), key.digest[:]...))
	return filepath.Join(s.cfg.Dir, "images", hex.EncodeToString(sum[:]))
}

func (v *Version) imageKey() image.Key {
	return image.Origin{
		Module:   v.key.class + "/" + v.key.digest.String(),
		Rewriter: fmt.Sprint(meter.Version, v.s.cfg.MemoryPages, v.s.cfg.trapOnly()),
		Engine:   engineVersion(),
		CPU:      runtime.GOARCH,
	}.Key()
}

// engineVersion returns the version of wazero in this binary.
func engineVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				return d.Version
			}
		}
	}
	return "unknown"
}

// save keeps the preparation for the next start of the host. The image comes first: a record without
// one would be of no use.
func (v *Version) save(rec prepared) error {
	key := v.imageKey()
	rec.Key = hex.EncodeToString(key[:])
	if err := os.MkdirAll(filepath.Dir(v.base()), 0o700); err != nil {
		return fmt.Errorf("sandbox: save: %w", err)
	}
	if v.image != nil {
		rec.Image = true
		err := writeFile(v.base()+".image", func(f *os.File) error { _, err := v.image.WriteTo(f); return err })
		if err != nil {
			return err
		}
	}
	return writeFile(v.base()+".json", func(f *os.File) error { return json.NewEncoder(f).Encode(rec) })
}

// writeFile replaces a file in one step. It is a cache, so nothing is synced: what a crash leaves does
// not pass its checksum.
func writeFile(path string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "tmp-")
	if err != nil {
		return fmt.Errorf("sandbox: save: %w", err)
	}
	defer os.Remove(f.Name())
	err = errors.Join(fill(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("sandbox: save: %w", err)
	}
	return nil
}

// maxRecord bounds a record on disk, in bytes: 10,000 globals and some text.
const maxRecord = 1 << 20

// restore takes up an earlier preparation. os.ErrNotExist means that there is none; after any error v
// is as before.
func (v *Version) restore(ctx context.Context, b []byte) (err error) {
	doc, err := readFile(v.base()+".json", maxRecord)
	if err != nil {
		return err
	}
	var rec prepared
	key := v.imageKey()
	if err := json.Unmarshal(doc, &rec); err != nil || rec.Key != hex.EncodeToString(key[:]) {
		return fmt.Errorf("sandbox: restore: another rewriter or engine, or a damaged record")
	}
	defer func() {
		if err != nil {
			v.free()
			v.image, v.code = nil, nil
		}
	}()
	var snapshot *meter.Snapshot
	if rec.Image {
		if err := v.readImage(key); err != nil {
			return err
		}
		snapshot = snapshotOf(v.image)
	}
	metered, err := v.rewrite(b, snapshot)
	if err != nil {
		return err
	}
	v.gas = rec.Gas
	return v.load(ctx, rec.Entry, metered)
}

func (v *Version) readImage(key image.Key) error {
	f, err := os.Open(v.base() + ".image")
	if err != nil {
		return err
	}
	defer f.Close()
	v.image, err = v.s.arena.Read(f, key)
	return err
}

func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("sandbox: %s is larger than %d bytes", filepath.Base(path), limit)
	}
	return os.ReadFile(path)
}
