package compile

import (
	"errors"
	"os"
	"strings"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// allowedCalls are the system calls that a worker has: Go's runtime (with and without cgo) and files.
// Every other one answers EPERM, but clone3, which answers ENOSYS so that libc falls back to clone, whose
// flags a filter can see. Names that an architecture does not have are left out.
//
// Missing with intent: sockets, fork, exec, signals to others, ptrace, mounts, namespaces, keys, bpf,
// perf, io_uring, links, modes and owners of files, devices.
const allowedCalls = `
	arch_prctl brk clock_getres clock_gettime clock_nanosleep close close_range epoll_create1 epoll_ctl
	epoll_pwait epoll_pwait2 epoll_wait eventfd2 exit exit_group fcntl fdatasync fstat fsync ftruncate
	futex getcwd getdents64 getegid geteuid getgid getpid getppid getpriority getrandom getrusage gettid
	gettimeofday getuid lseek lstat madvise membarrier mincore mkdir mkdirat mmap mprotect mremap munmap
	nanosleep newfstatat open openat pipe2 pread64 pwrite64 read readlink readlinkat readv rename
	renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigprocmask rt_sigreturn
	sched_getaffinity sched_yield set_robust_list set_tid_address setitimer sigaltstack stat statx
	sysinfo timer_create timer_delete timer_settime uname unlink unlinkat write writev`

// restrictCalls puts all threads, now and later, behind a filter.
func restrictCalls() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	var names []string
	for _, name := range strings.Fields(allowedCalls) {
		if _, ok := info.SyscallNames[name]; ok {
			names = append(names, name)
		}
	}
	equal := func(name string, arg uint32, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{
			{Argument: arg, Operation: seccomp.Equal, Value: value}}}
	}
	conditional := []seccomp.NameWithConditions{
		{Name: "clone", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		// Go interrupts its own threads to preempt them.
		equal("tgkill", 0, uint64(os.Getpid())),
		equal("kill", 0, uint64(os.Getpid())),
	}
	for _, option := range []uint64{unix.PR_GET_PDEATHSIG, unix.PR_GET_SECCOMP, unix.PR_SET_NAME, unix.PR_SET_VMA} {
		conditional = append(conditional, equal("prctl", 0, option))
	}
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno, // with EPERM
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: names, NamesWithCondtions: conditional},
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
			},
		},
	})
}

// lookAround completes what the earlier stages saw, before the filter hides it.
func lookAround(j job) Protections {
	s := j.Seen
	s.Deadline = true // the host's part
	s.CPULimit = hasLimit(unix.RLIMIT_CPU, uint64(j.CPU)+1)
	s.MemoryLimit = hasLimit(unix.RLIMIT_DATA, uint64(j.Memory)*2) && hasLimit(unix.RLIMIT_AS, uint64(j.Memory)*2+2<<30)
	s.FileLimits = hasCommonFileLimits(j)
	s.ProcessLimit = s.UserNamespace && hasLimit(unix.RLIMIT_NPROC, 64)
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	s.LowPriority = err == nil && nice == 20-j.Nice // the system call returns 20 - nice
	var signal int32
	err = unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&signal)), 0, 0, 0)
	s.DiesWithHost = err == nil && signal == int32(unix.SIGKILL)
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	s.NoPrivileges = err == nil && nnp == 1 && !hasCapabilities()
	return s
}

// tryForbidden tries what a worker must not be able to do. Each attempt is one that fails harmlessly
// with another error if it is allowed.
func tryForbidden(s *Protections) {
	_, err := os.ReadDir("/")
	_, err2 := os.Open("/proc/self/status")
	s.OwnFilesOnly = errors.Is(err, os.ErrPermission) && errors.Is(err2, os.ErrPermission)
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	const filtered = 2
	s.SystemCalls = err == nil && mode == filtered
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	s.NoSockets = err != nil
	// Exec of nothing, and a clone with flags that the kernel refuses to combine.
	_, _, exec := unix.RawSyscall(unix.SYS_EXECVE, 0, 0, 0)
	_, _, clone := unix.RawSyscall6(unix.SYS_CLONE, unix.CLONE_SIGHAND, 0, 0, 0, 0, 0)
	s.NoNewProcesses = exec == unix.EPERM && clone == unix.EPERM
}
