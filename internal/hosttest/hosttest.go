// Package hosttest runs the host in tests as its operators do: the program, in a process of its own, on a data folder that
// outlives the process.
//
// It owns how a process begins and ends: the build, the address, the time until it is ready, what it prints, a stop, a kill
// and a further start; and how a request reaches it. What is asked of a host, and what an answer has to be, it leaves to
// the tests. For a host within the test's own process there is actorstest.
package hosttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/sandbox"
)

// T is what a host needs of the test that it is for.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Main is TestMain of a package that uses Binary or Dir: it lets the test binary be a compile worker, runs the tests and
// removes the folder.
func Main(run func() int) (code int) {
	sandbox.MaybeWorker()
	defer func() { os.RemoveAll(madeDir) }()
	return run()
}

var madeDir string // empty until Dir makes it

var dir = sync.OnceValues(func() (path string, err error) {
	madeDir, err = os.MkdirTemp("", "vivarium-host-")
	return madeDir, err
})

// Dir returns a folder that all tests of this process share, until Main ends.
func Dir(t T) string {
	t.Helper()
	path, err := dir()
	must(t, err)
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	path, err := dir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(path, "host")
	return path, build(path)
})

// Binary returns the path of the host's program, built once in a process.
func Binary(t T) string {
	t.Helper()
	path, err := binary()
	must(t, err)
	return path
}

// Build makes the host's program another way, by flags of go build.
func Build(t T, path string, flags ...string) {
	t.Helper()
	must(t, build(path, flags...))
}

func build(path string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./cmd/host")...)
	cmd.Dir = actorstest.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the host: %w: %s", err, out)
	}
	return nil
}

// FreeAddr returns a host:port that nobody listens at: of a child, say, once it has begun.
func FreeAddr(t T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}
