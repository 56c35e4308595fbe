// Package guestbuild turns a folder of Go source into a guest with the author's Go toolchain.
//
// It owns how the SDK reaches the build: a guest outside this repository is built against the SDK
// that is embedded in this binary, so that its author needs neither our repository nor the host's
// dependencies. It leaves installing Go to the author, and uploading to its caller.
//
// One invariant: the author's folder is only read. Everything that the build needs besides lies in a
// cache folder and is shown to the toolchain as an overlay. The same source and toolchain give the
// same bytes wherever they lie, because versions of a module are known by their digest.
package guestbuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Options say what to build. Only Dir is needed.
type Options struct {
	// Dir is the folder of the guest's main package. It may be a module, part of one, or have no
	// go.mod at all. A module need not require the SDK; if it does, the version is ignored, unless
	// it replaces the SDK by a folder of its own, which is then used.
	Dir string

	// Out is where the Wasm file is put, replacing what is there in one step. Empty means nowhere.
	Out string

	// Strip leaves out the names of functions: a smaller file, and backtraces without names.
	Strip bool

	// CacheDir is where the SDK is put. Empty means "vivarium" in the user's cache folder.
	CacheDir string

	// Stderr gets what the toolchain prints while it works. Nil means nowhere; a failure has it too.
	Stderr io.Writer
}

// ErrNoGo reports that there is no Go toolchain to build with.
var ErrNoGo = errors.New("the go command is not in PATH: install Go 1.26 or newer, see https://go.dev/dl")

// Error reports that the toolchain did not accept the guest.
type Error struct {
	Dir    string // what was built
	Output string // what the toolchain printed, paths relative to Dir
}

// Error returns what the toolchain printed, as it printed it.
func (e *Error) Error() string { return strings.TrimRight(e.Output, "\n") }

// Build builds a guest and returns the Wasm file. It returns an [*Error] if the toolchain refuses
// the source, and [ErrNoGo] if there is no toolchain. It is safe for concurrent use, also by several
// processes.
func Build(ctx context.Context, o Options) ([]byte, error) {
	goCmd, err := exec.LookPath("go")
	if err != nil {
		return nil, ErrNoGo
	}
	if o.Dir, err = absDir(o.Dir); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "vivarium-build-")
	if err != nil {
		return nil, fmt.Errorf("guestbuild: %w", err)
	}
	defer os.RemoveAll(tmp)
	b := build{Options: o, goCmd: goCmd, tmp: tmp}
	overlay, err := b.overlay(ctx)
	if err != nil {
		return nil, err
	}
	wasm, err := b.compile(ctx, overlay)
	if err != nil || o.Out == "" {
		return wasm, err
	}
	return wasm, replaceFile(o.Out, wasm)
}

// build is one run of Build.
type build struct {
	Options
	goCmd string
	tmp   string // removed at the end
}

// compile runs go build. An empty overlay means none.
func (b *build) compile(ctx context.Context, overlay string) ([]byte, error) {
	out := filepath.Join(b.tmp, "guest.wasm")
	args := []string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o", out}
	if b.Strip {
		args = append(args, "-ldflags=-s -w")
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if _, err := b.run(ctx, append(args, ".")...); err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// run runs the go command in the guest's folder and returns its standard output.
func (b *build) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, b.goCmd, args...)
	cmd.Dir = b.Dir
	// A workspace around the folder would bring its own idea of the SDK.
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "CGO_ENABLED=0", "PWD="+b.Dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if b.Stderr != nil {
		cmd.Stderr = io.MultiWriter(&stderr, b.Stderr)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("guestbuild: go %s: %w", args[0], ctx.Err())
	case errors.As(err, &exit) && stderr.Len() > 0:
		return nil, &Error{Dir: b.Dir, Output: stderr.String()}
	case err != nil:
		return nil, fmt.Errorf("guestbuild: go %s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}

func absDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	fi, err := os.Stat(abs)
	if err != nil {
		return "", fmt.Errorf("guestbuild: %w", err)
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("guestbuild: %s is not a folder", abs)
	}
	// The toolchain compares the paths of an overlay with its own, which have no symbolic links.
	return filepath.EvalSymlinks(abs)
}

// replaceFile writes a file so that a reader finds the old or the new one, whole.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-")
	if err != nil {
		return fmt.Errorf("guestbuild: %w", err)
	}
	defer os.Remove(f.Name()) // fails once renamed
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("guestbuild: %w", err)
	}
	return nil
}
