//go:build unix

package compile

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxFiles bounds the descriptors of a worker. It needs about ten.
const maxFiles = 64

// setCommonLimits sets what all systems have. SIGXFSZ is ignored so that a file that is too large is an
// error that can be told, not a death.
func setCommonLimits(j job) {
	signal.Ignore(syscall.SIGXFSZ)             // kept over exec
	setLimit(unix.RLIMIT_CPU, uint64(j.CPU)+1) // SIGKILL, for a worker that does not end by itself
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CPU, &l) == nil {
		put(&l.Cur, min(uint64(j.CPU), uint64(l.Max))) // SIGXCPU, see watchCPU
		unix.Setrlimit(unix.RLIMIT_CPU, &l)
	}
	setLimit(unix.RLIMIT_FSIZE, uint64(j.Entry))
	setLimit(unix.RLIMIT_NOFILE, maxFiles)
	setLimit(unix.RLIMIT_CORE, 0)
}

func hasCommonFileLimits(j job) bool {
	return hasLimit(unix.RLIMIT_FSIZE, uint64(j.Entry)) && hasLimit(unix.RLIMIT_NOFILE, maxFiles) && hasLimit(unix.RLIMIT_CORE, 0)
}

// watchCPU ends the worker with an answer when the kernel says that its processor time is used up. From
// outside it would be a guess: the kernel counts ticks for the limit, but not for what it reports of the
// dead, and on a busy machine the two differ by a fifth.
func watchCPU(j job) {
	used := make(chan os.Signal, 1)
	signal.Notify(used, syscall.SIGXCPU)
	<-used
	answer(result{Kind: KindCPU, Detail: cpuDetail(time.Duration(j.CPU) * time.Second)})
}

// setLimit lowers a limit for good.
func setLimit(resource int, value uint64) {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) == nil && uint64(l.Max) < value {
		value = uint64(l.Max)
	}
	put(&l.Cur, value)
	put(&l.Max, value)
	unix.Setrlimit(resource, &l)
}

// put sets a number whose type differs between systems.
func put[T int64 | uint64](to *T, value uint64) { *to = T(value) }

// hasLimit reports whether a limit is at most value.
func hasLimit(resource int, value uint64) bool {
	var l unix.Rlimit
	return unix.Getrlimit(resource, &l) == nil && uint64(l.Max) <= value
}

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
