package compile_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// attempts are what a worker that was taken over would try, and what must stop it.
var attempts = []struct {
	name string
	by   func(compile.Protections) bool // nil means that nothing promises it
	try  func(a jailArgs) error
}{
	{"read-passwd", ownFiles, func(jailArgs) error { return openFile("/etc/passwd", os.O_RDONLY) }},
	{"read-root", ownFiles, func(jailArgs) error { _, err := os.ReadDir("/"); return err }},
	{"read-host-env", ownFiles, func(a jailArgs) error { return openFile("/proc/"+a.host+"/environ", os.O_RDONLY) }},
	{"read-host-mem", ownFiles, func(a jailArgs) error { return openFile("/proc/"+a.host+"/mem", os.O_RDWR) }},
	{"write-tmp", ownFiles, func(jailArgs) error { return openFile("/tmp/vivarium-escape", os.O_CREATE|os.O_RDWR) }},
	{"write-cache", ownFiles, func(a jailArgs) error { return openFile(filepath.Join(a.cache, "x"), os.O_CREATE|os.O_RDWR) }},
	{"write-parent", ownFiles, func(jailArgs) error { return openFile("../staged", os.O_CREATE|os.O_RDWR) }},
	{"rename-out", ownFiles, func(a jailArgs) error {
		must(os.WriteFile("mine", nil, 0o600))
		defer os.Remove("mine")
		return os.Rename("mine", filepath.Join(a.cache, "x"))
	}},
	{"remove-cache", ownFiles, func(a jailArgs) error { return os.RemoveAll(filepath.Join(a.cache, "keep")) }},
	{"symlink", calls, func(jailArgs) error { return os.Symlink("/etc/passwd", "link") }},
	{"hard-link", calls, func(jailArgs) error { return os.Link("/etc/passwd", "link") }},
	{"chmod", calls, func(jailArgs) error { return os.Chmod(".", 0o777) }},
	{"device", calls, func(jailArgs) error { return unix.Mknod("dev", unix.S_IFCHR|0o600, 0x0103) }},
	{"socket-inet", noSockets, func(jailArgs) error { return socket(unix.AF_INET) }},
	{"socket-unix", noSockets, func(jailArgs) error { return socket(unix.AF_UNIX) }},
	{"socket-netlink", noSockets, func(jailArgs) error { return socket(unix.AF_NETLINK) }},
	{"socketpair", noSockets, func(jailArgs) error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }},
	{"dial", noSockets, func(a jailArgs) error { _, err := net.Dial("tcp", a.listener); return err }},
	{"exec", noProcesses, func(jailArgs) error { return syscall.Exec("/proc/self/exe", []string{"x"}, nil) }},
	{"fork", noProcesses, fork},
	{"start-process", noProcesses, func(jailArgs) error {
		_, err := os.StartProcess("/proc/self/exe", []string{"x"}, &os.ProcAttr{})
		return err
	}},
	{"kill-host", calls, func(a jailArgs) error { n, _ := strconv.Atoi(a.host); return unix.Kill(n, 0) }},
	{"kill-all", calls, func(jailArgs) error { return unix.Kill(-1, 0) }},
	{"ptrace", calls, func(a jailArgs) error { n, _ := strconv.Atoi(a.host); return unix.PtraceAttach(n) }},
	{"limit-host", calls, func(a jailArgs) error {
		n, _ := strconv.Atoi(a.host)
		return unix.Prlimit(n, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil)
	}},
	{"raise-limit", calls, func(jailArgs) error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}) }},
	{"unshare", calls, func(jailArgs) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{"mount", calls, func(jailArgs) error { return unix.Mount("none", ".", "tmpfs", 0, "") }},
	{"chroot", calls, func(jailArgs) error { return unix.Chroot(".") }},
	{"memfd", calls, func(jailArgs) error { _, err := unix.MemfdCreate("x", 0); return err }},
	{"io-uring", calls, func(jailArgs) error { return raw(unix.SYS_IO_URING_SETUP, 1, 0, 0) }},
	{"bpf", calls, func(jailArgs) error { return raw(unix.SYS_BPF, 0, 0, 0) }},
	{"perf", calls, func(jailArgs) error { return raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) }},
	{"keys", calls, func(jailArgs) error { return raw(unix.SYS_KEYCTL, 0, 0, 0) }},
	{"host-descriptor", func(p compile.Protections) bool { return p.NoDescriptors }, func(a jailArgs) error {
		fd, _ := strconv.Atoi(a.fd)
		var b [1]byte
		_, err := unix.Pread(fd, b[:], 0)
		return err
	}},
}

func ownFiles(p compile.Protections) bool    { return p.OwnFilesOnly }
func calls(p compile.Protections) bool       { return p.SystemCalls }
func noSockets(p compile.Protections) bool   { return p.NoSockets }
func noProcesses(p compile.Protections) bool { return p.NoNewProcesses }

type jailArgs struct{ cache, host, listener, fd string }

// tryJail runs in the worker.
func tryJail(args []string) string {
	a := jailArgs{args[0], args[1], args[2], args[3]}
	only := args[4:]
	var b strings.Builder
	for i, t := range attempts {
		if slices.Contains(only, strconv.Itoa(i)) {
			fmt.Fprintf(&b, "%d=%s ", i, errorName(t.try(a)))
		}
	}
	return b.String()
}

func openFile(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0o600)
	if err == nil {
		f.Close()
	}
	return err
}

func socket(family int) error {
	_, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return err
}

func raw(call, a, b, c uintptr) error {
	if _, _, no := unix.RawSyscall6(call, a, b, c, 0, 0, 0); no != 0 {
		return no
	}
	return nil
}

func fork(jailArgs) error {
	pid, _, no := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if no != 0 {
		return no
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

// TestJail has a worker try to get out in every way and prints what stopped it. What the probe says to
// be in force must stop it.
func TestJail(t *testing.T) {
	cfg := compile.Config{CacheDir: filepath.Join(t.TempDir(), "cache")}
	c := open(t, cfg)
	p := c.Protections()
	t.Logf("in force: %s", strings.Join(p.InForce(), " "))
	t.Logf("absent: %s", strings.Join(p.Absent(), " "))

	must(os.MkdirAll(filepath.Join(cfg.CacheDir, "keep"), 0o700))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer l.Close()
	fd, err := unix.Dup(int(leakedFile(t).Fd())) // not close-on-exec, as one from whoever started the host
	must(err)
	defer unix.Close(fd)

	const atOnce = 8 // so that the answers fit
	for lo := 0; lo < len(attempts); lo += atOnce {
		mode := fmt.Sprintf("jail %s %d %s %d", cfg.CacheDir, os.Getpid(), l.Addr(), fd)
		for i := lo; i < min(lo+atOnce, len(attempts)); i++ {
			mode += fmt.Sprint(" ", i)
		}
		c.SetTestMode(mode)
		_, err := c.Compile(context.Background(), "a", small(lo))
		var e *compile.Error
		if !errors.As(err, &e) || e.Kind != compile.KindRefused {
			t.Fatal(err)
		}
		for answer := range strings.FieldsSeq(e.Detail) {
			n, got, _ := strings.Cut(answer, "=")
			i, _ := strconv.Atoi(n)
			a := attempts[i]
			t.Logf("%-16s %s", a.name, got)
			if got == "DONE" && a.by(p) {
				t.Errorf("%s was possible although its protection is in force", a.name)
			}
		}
	}
	for _, path := range []string{"/tmp/vivarium-escape", filepath.Join(cfg.CacheDir, "x")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the worker made %s", path)
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.CacheDir, "keep")); err != nil {
		t.Error("the worker removed a directory of the host:", err)
	}
}

func leakedFile(t *testing.T) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	must(os.WriteFile(path, []byte("secret"), 0o600))
	f, err := os.Open(path)
	must(err)
	t.Cleanup(func() { f.Close() })
	return f
}
