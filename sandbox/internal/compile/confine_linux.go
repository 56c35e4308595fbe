package compile

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine takes on, on this thread, all that a process keeps over exec, and becomes the last stage. It
// does not return. What fails is absent from the report and does not stop the worker.
func confine(j job) {
	s := &j.Seen
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	s.OwnNetwork = j.NetNS != "" && networkNamespace() != "" && networkNamespace() != j.NetNS
	unix.Setpriority(unix.PRIO_PROCESS, 0, j.Nice)
	s.KilledFirst = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) == nil
	s.NoDescriptors = closeOnExec() == nil
	if s.UserNamespace {
		// Elsewhere it would count the host's threads too.
		setLimit(unix.RLIMIT_NPROC, 64)
	}
	setLimits(j)
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	dropCapabilities()
	s.Landlock, _ = restrictFiles(".")

	j.Stage = stageWork
	fail("exec", syscall.Exec(self, []string{workerName}, j.env()))
}

// closeOnExec keeps descriptors that the host inherited from whoever started it away from the worker.
func closeOnExec() error {
	err := unix.CloseRange(3, ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	list, err := os.ReadDir("/proc/self/fd") // kernels before 5.11
	for _, e := range list {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return err
}

// setLimits sets the limits of memory, which are not the same on all systems, and the common ones.
//
// RLIMIT_DATA counts private memory that may be written, which for Go is what it has mapped for use, in
// steps of 64 MiB; reserved address space does not count. RLIMIT_AS counts all; Go reserves about 1 GiB
// at its start and more as its heap grows.
func setLimits(j job) {
	if !raceEnabled { // the race detector maps terabytes
		setLimit(unix.RLIMIT_DATA, uint64(j.Memory)+128<<20)
		setLimit(unix.RLIMIT_AS, uint64(j.Memory)*2+2<<30)
	}
	setCommonLimits(j)
}

// dropCapabilities leaves this thread no capability. With no_new_privs exec gives none back, not even to
// root.
func dropCapabilities() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	unix.Capset(&header, &none[0])
}

func hasCapabilities() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return true
	}
	return data[0].Effective|data[1].Effective|data[0].Permitted|data[1].Permitted != 0
}

// networkNamespace names the network namespace of this thread; empty means unknown.
func networkNamespace() string {
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// Landlock's rights. The highest bit of each interface version, so that a kernel is asked for no more
// than it knows; see landlock(7).
const (
	landlockFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	// TRUNCATE came with version 3.
	landlockOwn = landlockFile | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landlockRun = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE
)

// landlockRuleset returns all that the interface of a version can refuse.
func landlockRuleset(version int) unix.LandlockRulesetAttr {
	var a unix.LandlockRulesetAttr
	switch {
	case version >= 5:
		a.Access_fs = 1<<16 - 1 // ioctl on devices
	case version >= 3:
		a.Access_fs = 1<<15 - 1 // truncate
	case version == 2:
		a.Access_fs = 1<<14 - 1 // links and renames between directories
	default:
		a.Access_fs = 1<<13 - 1
	}
	if version >= 4 {
		a.Access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

// restrictFiles leaves this thread dir to use and this executable with its libraries to read and run,
// which exec needs. It returns the version of the interface.
//
// It does by hand what go-landlock does, because that restricts all threads of a Go process, for which
// it brings C code into builds with cgo; here the one thread that calls exec is enough.
func restrictFiles(dir string) (version int, err error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	attr := landlockRuleset(int(v))
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return 0, errno
	}
	defer unix.Close(int(fd))
	allow := func(path string, access uint64) error {
		at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(at)
		rule := unix.LandlockPathBeneathAttr{Allowed_access: access & attr.Access_fs, Parent_fd: int32(at)}
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}
	err = errors.Join(allow(dir, landlockOwn), allow(self, landlockRun))
	for _, lib := range mappedFiles() {
		err = errors.Join(err, allow(lib, landlockRun))
	}
	if err != nil {
		return 0, err // restricted with a rule missing, exec would fail
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// mappedFiles returns the files that this process runs from: the executable and, if it is linked with
// libraries (as with the race detector), those, their loader and its index.
func mappedFiles() []string {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	seen := map[string]bool{}
	var files []string
	for s := bufio.NewScanner(f); s.Scan(); {
		i := strings.IndexByte(s.Text(), '/')
		if i < 0 || seen[s.Text()[i:]] {
			continue
		}
		path := s.Text()[i:]
		seen[path] = true
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			files = append(files, path)
		}
	}
	const index = "/etc/ld.so.cache"
	if _, err := os.Stat(index); err == nil && len(files) > 1 {
		files = append(files, index)
	}
	if raceEnabled {
		files = append(files, "/proc/self/environ") // where the race detector reads its options
	}
	return files
}
