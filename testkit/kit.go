// Package testkit runs a compiled guest in an ordinary go test: on the host's own turn path, on a store on
// disk, in the sandbox, with everything replaced but time and the world outside.
//
//	k := testkit.Start(t, testkit.Options{Dir: "."})
//	a := k.Actor("counter", "lobby")
//	a.MustCall(&n, "increment", 3)
//	k.Advance(time.Hour)
//
// It owns the scripted world: a clock that moves when it is told to, clients with names, servers that the guest
// fetches from, restarts and new versions. It leaves building to guestbuild, and quick tests of a guest's logic,
// without Wasm, to guest-sdk/guesttest.
//
// One invariant: what the guest sees and what is on disk is what a host would have made of it. Nothing here
// looks into an actor by another way than the host's inspector. Requests have their deadlines in real time.
package testkit

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/guest-sdk/guestbuild"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// The sandbox compiles in a process of its own, which is this program again. This runs before anything of the
// packages that import the kit, so their tests need no TestMain for it.
func init() { sandbox.MaybeWorker() }

// Options say what to run. Dir or Wasm is needed.
type Options struct {
	Dir    string // of the guest's main package, or a .wasm file; built once in a process
	Wasm   []byte // the compiled guest, instead of Dir
	Module string // its name; empty means that of Dir, or "guest"
	Input  string // input form of a plain module, args or value; empty means args

	Config  map[string]string // settings of the module
	Secrets map[string]string // that requests of the guest may name, for every host
	Now     time.Time         // what the clock shows first; zero means some fixed time

	// Fetch answers what the guest fetches, whatever host it names, with http and with https; see r.URL. Nil
	// means that nothing may be fetched. The guest is granted the hosts that its manifest names one by one, and
	// Egress: what a manifest that asks for any host, or a plain module, needs.
	Fetch  func(w http.ResponseWriter, r *http.Request)
	Egress []string

	// Patience is how long, in real time, the kit waits for the host to have done what it has to do. Zero
	// means 30 s.
	Patience time.Duration
}

// Kit is a host with one namespace, and the world around it. Its methods fail the test if the host does not do
// what they say. They are for the test's goroutine.
type Kit struct {
	tb    testing.TB
	o     Options
	dir   string // of the data
	clock *actorstest.Clock
	world *world
	seen  *seen
	stack *actorstest.Stack
	web   *web

	clients []*Client      // of this life of the host
	closing sync.WaitGroup // clients that tell the host that they have gone
	closed  atomic.Int64   // of them, ever
}

// Start builds the guest, starts a host with it and stops that when the test ends.
func Start(tb testing.TB, o Options) *Kit {
	tb.Helper()
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Module == "" {
		o.Module = moduleName(o.Dir)
	}
	k := &Kit{tb: tb, o: o, dir: tb.TempDir(), clock: actorstest.NewClock(), seen: newSeen(tb)}
	if !o.Now.IsZero() {
		k.clock = actorstest.ClockAt(o.Now)
	}
	k.world = openWorld(tb, o.Fetch)
	wasm := o.Wasm
	if wasm == nil {
		wasm = Build(tb, o.Dir)
	}
	k.open()
	k.Install(o.Module, wasm)
	changes := map[string]*string{}
	for name, value := range o.Config {
		changes[name] = &value
	}
	_, err := k.stack.Registry.SetConfig(tb.Context(), tenants.Default, o.Module, changes)
	k.must(err)
	return k
}

// open starts the host on the kit's data.
func (k *Kit) open() {
	k.tb.Helper()
	k.stack = actorstest.Open(k.tb, actorstest.Options{Dir: k.dir, Config: k.configure})
}

func (k *Kit) configure(c *actors.Config) {
	c.Now = k.clock.Now
	c.IdleTime = forever
	c.OnLog, c.OnEvent = k.seen.line, k.seen.event
	c.Logger = slog.New(slog.NewTextHandler(k.seen, &slog.HandlerOptions{Level: slog.LevelError}))
	k.world.configure(c, k.o.Secrets)
}

// forever is longer than a test.
const forever = 1000 * time.Hour

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// moduleName returns what `host deploy` would call a module.
func moduleName(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil || dir == "" {
		return "guest"
	}
	name := strings.Trim(notInName.ReplaceAllString(strings.TrimSuffix(filepath.Base(abs), ".wasm"), "-"), "-._")
	if !tenants.ValidName(name) {
		return "guest"
	}
	return name
}

// builds are the guests that this process has built, by folder.
var builds sync.Map // string -> func() ([]byte, error)

// Build returns the guest of a folder, built with the Go toolchain once in a process, or the content of a .wasm
// file. What the toolchain says against it fails the test.
func Build(tb testing.TB, dir string) []byte {
	tb.Helper()
	abs, err := filepath.Abs(dir)
	if err != nil {
		tb.Fatal(err)
	}
	build, _ := builds.LoadOrStore(abs, sync.OnceValues(func() ([]byte, error) {
		if filepath.Ext(abs) == ".wasm" {
			return os.ReadFile(abs)
		}
		return guestbuild.Build(context.Background(), guestbuild.Options{Dir: abs})
	}))
	wasm, err := build.(func() ([]byte, error))()
	if err != nil {
		tb.Fatalf("testkit: build %s: %v", dir, err)
	}
	return wasm
}

// Deploy makes the guest of another folder the live version of the module, and returns its number. Actors change
// to it before their next turn.
func (k *Kit) Deploy(dir string) int {
	k.tb.Helper()
	return k.Install(k.o.Module, Build(k.tb, dir))
}

// Install makes a compiled guest the live version of any module, and returns its number. What a host would
// refuse fails the test.
func (k *Kit) Install(module string, wasm []byte) int {
	k.tb.Helper()
	o := actors.UploadOptions{Module: module, Live: true}
	if module == k.o.Module {
		o.Input = tenants.InputForm(k.o.Input)
	}
	v := k.stack.UploadBytes(tenants.Default, o, wasm)
	g := tenants.Grants{Uploads: true}
	if k.o.Fetch != nil {
		g.Egress = append(slices.DeleteFunc(slices.Clone(v.Egress), func(s string) bool { return s == "*" }), k.o.Egress...)
	}
	_, err := k.stack.Registry.SetGrants(k.tb.Context(), tenants.Default, module, g)
	k.must(err)
	return v.Number
}

func (k *Kit) must(err error) {
	k.tb.Helper()
	if err != nil {
		k.tb.Fatalf("testkit: %v", err)
	}
}
