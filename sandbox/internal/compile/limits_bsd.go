//go:build unix && !linux

package compile

import "golang.org/x/sys/unix"

func setPortableLimits(j job) {
	setCommonLimits(j)
	unix.Setpriority(unix.PRIO_PROCESS, 0, j.Nice)
}

func lookAtLimits(j job, s *Protections) {
	s.CPULimit = hasLimit(unix.RLIMIT_CPU, uint64(j.CPU)+1)
	s.FileLimits = hasCommonFileLimits(j)
	nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	s.LowPriority = err == nil && nice == j.Nice
}
