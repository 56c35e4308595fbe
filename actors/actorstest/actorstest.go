// Package actorstest runs a whole host in a test, with nothing replaced: a store on disk, the
// registry, the sandbox, real guests built from source.
package actorstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// Options are what a test may change. The zero value is the real thing.
type Options struct {
	Dir    string                  // of the data; empty means a new one, and a sandbox that the next stack has too: see Main
	Store  func(kv.Store) kv.Store // stands before the store, such as kvtest.Gate
	Config func(*actors.Config)    // changes the host's settings

	// KeepGas is sandbox.Config.KeepGas of a stack in a folder of its own. Zero means that all memories are kept, however little they
	// cost: what is kept is more than what is made again, and so is what may be wrong with it.
	KeepGas int64
}

// Stack is a running host and its parts. Close ends it; the data stays until the test ends.
type Stack struct {
	Dir      string
	Store    kv.Store
	Registry *tenants.Registry
	Sandbox  *sandbox.Sandbox
	Host     *actors.Host

	tb     testing.TB
	engine *engine // of the sandbox; nil if that is the stack's own
	once   sync.Once
}

// Open starts a host and closes it when the test ends.
func Open(tb testing.TB, o Options) *Stack {
	tb.Helper()
	s := &Stack{Dir: o.Dir, tb: tb}
	if s.Dir == "" {
		s.Dir = tb.TempDir()
	}
	store, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(s.Dir, "store")})
	must(tb, err)
	s.Store = store
	if o.Store != nil {
		s.Store = o.Store(store)
	}
	s.Registry, err = tenants.OpenRegistry(context.Background(), s.Store, filepath.Join(s.Dir, "modules"))
	must(tb, err)
	s.openSandbox(o)
	c := actors.Config{Store: s.Store, Registry: s.Registry, Sandbox: s.Sandbox, Logger: slog.New(slog.DiscardHandler)}
	c.MaxWait = time.Minute // tests share their machine
	if o.Config != nil {
		o.Config(&c)
	}
	s.Host, err = actors.Start(c)
	must(tb, err)
	s.Registry.SetHasActors(s.Host.HasActors)
	tb.Cleanup(s.Close)
	return s
}

// openSandbox takes an engine that stacks share, if there are any and the sandbox need not be the folder's own.
func (s *Stack) openSandbox(o Options) {
	s.tb.Helper()
	if o.Dir == "" {
		s.engine = takeEngine(s.tb)
	}
	if s.engine == nil {
		s.Sandbox = openSandbox(s.tb, filepath.Join(s.Dir, "sandbox"), max(o.KeepGas, 1), func() *tenants.Registry { return s.Registry })
		return
	}
	s.engine.owner.Store(s.Registry)
	s.Sandbox = s.engine.Sandbox
}

// Close ends the host and its parts, in order. It may be called again.
func (s *Stack) Close() {
	s.once.Do(func() {
		s.Host.Close()
		s.Registry.Close()
		if s.engine != nil {
			s.engine.giveBack()
		} else {
			s.Sandbox.Close()
		}
		s.Store.Close()
	})
}

// Upload makes a guest of this repository (see Guest) a live module of a namespace, which is made
// if there is none.
func (s *Stack) Upload(ns tenants.ID, module, guest string) tenants.Version {
	s.tb.Helper()
	return s.UploadBytes(ns, actors.UploadOptions{Module: module, Live: true}, Guest(s.tb, guest))
}

// UploadBytes is Upload for any module and any choices.
func (s *Stack) UploadBytes(ns tenants.ID, o actors.UploadOptions, wasm []byte) tenants.Version {
	s.tb.Helper()
	if _, err := s.Registry.Namespace(ns); err != nil {
		_, err := s.Registry.CreateNamespace(context.Background(), ns, "")
		must(s.tb, err)
	}
	v, _, _, err := s.Host.Upload(context.Background(), ns, bytes.NewReader(wasm), o)
	must(s.tb, err)
	return v
}

// Actor returns the id of the actor at an address, made if there is none.
func (s *Stack) Actor(ns tenants.ID, name string, key ...string) tenants.ActorID {
	s.tb.Helper()
	var info actors.Info
	must(s.tb, s.patiently(func() (err error) {
		info, _, err = s.Host.GetOrCreate(context.Background(), Address(s.tb, ns, name, key...), actors.CreateOptions{})
		return err
	}))
	return info.ID
}

// Call runs an action with arguments that encode as JSON.
func (s *Stack) Call(id tenants.ActorID, action string, args ...any) (json.RawMessage, error) {
	if args == nil {
		args = []any{}
	}
	list, err := json.Marshal(args)
	must(s.tb, err)
	r, err := s.Host.Call(context.Background(), id, actors.Request{Action: action, Args: list})
	return r.Output, err
}

// MustCall is Call for an action that must succeed. result may be nil.
func (s *Stack) MustCall(id tenants.ActorID, result any, action string, args ...any) {
	s.tb.Helper()
	var out json.RawMessage
	err := s.patiently(func() (err error) { out, err = s.Call(id, action, args...); return err })
	if err != nil {
		s.tb.Fatalf("%s%v: %v", action, args, err)
	}
	if result != nil {
		must(s.tb, json.Unmarshal(out, result))
	}
}

// patiently asks again, as clients do, while the host has too much to do: tests share their machine.
func (s *Stack) patiently(ask func() error) (err error) {
	s.tb.Helper()
	kvtest.Eventually(s.tb, "the host is less busy", func() bool {
		err = ask()
		return abi.CodeOf(err) != abi.CodeHostBusy
	})
	return err
}

// Log returns the text of an actor's log.
func (s *Stack) Log(id tenants.ActorID) string {
	s.tb.Helper()
	lines, err := s.Host.Logs(context.Background(), id, 0)
	must(s.tb, err)
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l.Level + " " + l.Source + ": " + l.Text + "\n")
	}
	return b.String()
}

// Address returns an address.
func Address(tb testing.TB, ns tenants.ID, name string, key ...string) tenants.Address {
	tb.Helper()
	k, err := tenants.NewKey(key...)
	must(tb, err)
	return tenants.Address{Namespace: ns, Name: name, Key: k}
}

var (
	builtMu sync.Mutex // guards built
	built   = map[string][]byte{}
)

// Guest returns the compiled guest in a folder of this repository, such as "examples/wasm/counter",
// built once in a process; a folder that holds a .wasm file is not built.
func Guest(tb testing.TB, dir string) []byte {
	tb.Helper()
	builtMu.Lock()
	defer builtMu.Unlock()
	if wasm, ok := built[dir]; ok {
		return wasm
	}
	path := filepath.Join(Root(), filepath.FromSlash(dir))
	var wasm []byte
	committed, err := filepath.Glob(filepath.Join(path, "*.wasm"))
	must(tb, err)
	if len(committed) > 0 {
		wasm, err = os.ReadFile(committed[0])
	} else {
		wasm, err = guestbuild.Build(context.Background(), guestbuild.Options{Dir: path})
	}
	must(tb, err)
	built[dir] = wasm
	return wasm
}

// Root returns the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// CacheDir returns a folder for compiled code that all test processes share: compiling a Go guest
// takes seconds.
func CacheDir(tb testing.TB) string {
	tb.Helper()
	dir, err := cacheDir()
	must(tb, err)
	return dir
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "vivarium-test", "compiled")
	return dir, os.MkdirAll(dir, 0o700)
}

// ShareCompiled has a host that will run on a data folder, in a process of its own, keep compiled code in CacheDir.
func ShareCompiled(data string) error {
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	sandbox := filepath.Join(data, "sandbox")
	if err := os.MkdirAll(sandbox, 0o700); err != nil {
		return err
	}
	err = os.Symlink(dir, filepath.Join(sandbox, "compiled"))
	if errors.Is(err, fs.ErrExist) {
		return nil // it ran on this folder already
	}
	return err
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
