package compile

import (
	"log/slog"
	"strconv"
)

// Protections are what protects the host from a worker on this machine. Each is best effort: what the
// kernel or the container refuses is absent. They are what a worker at the end of its preparations found
// when it looked or tried, not what it asked for.
type Protections struct {
	Deadline       bool `json:"deadline"`         // the host kills the worker's process group in time
	CPULimit       bool `json:"cpu_limit"`        // RLIMIT_CPU
	MemoryLimit    bool `json:"memory_limit"`     // RLIMIT_DATA and RLIMIT_AS; without it only the worker's own watch
	FileLimits     bool `json:"file_limits"`      // RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_CORE = 0
	ProcessLimit   bool `json:"process_limit"`    // RLIMIT_NPROC; only in a user namespace, where it counts the worker alone
	LowPriority    bool `json:"low_priority"`     // nice as configured
	KilledFirst    bool `json:"killed_first"`     // the kernel's first choice when memory runs out
	DiesWithHost   bool `json:"dies_with_host"`   // by a signal of the kernel; without it by the end of its input
	NoDescriptors  bool `json:"no_descriptors"`   // inherits none but its three pipes
	NoPrivileges   bool `json:"no_privileges"`    // no capability in force, no_new_privs
	UserNamespace  bool `json:"user_namespace"`   // is nobody there
	OwnNetwork     bool `json:"own_network"`      // an empty network namespace
	Landlock       int  `json:"landlock"`         // version of the kernel's interface; zero means absent
	OwnFilesOnly   bool `json:"own_files_only"`   // opening anything outside its directory failed
	SystemCalls    bool `json:"system_calls"`     // a seccomp filter allows what compiling needs
	NoSockets      bool `json:"no_sockets"`       // making a socket failed
	NoNewProcesses bool `json:"no_new_processes"` // fork and execve failed
}

// list returns each protection by name.
func (p Protections) list() (names []string, inForce []bool) {
	add := func(name string, on bool) { names, inForce = append(names, name), append(inForce, on) }
	add("deadline", p.Deadline)
	add("cpu-limit", p.CPULimit)
	add("memory-limit", p.MemoryLimit)
	add("file-limits", p.FileLimits)
	add("process-limit", p.ProcessLimit)
	add("low-priority", p.LowPriority)
	add("killed-first", p.KilledFirst)
	add("dies-with-host", p.DiesWithHost)
	add("no-descriptors", p.NoDescriptors)
	add("no-privileges", p.NoPrivileges)
	add("user-namespace", p.UserNamespace)
	add("own-network", p.OwnNetwork)
	landlock := "landlock"
	if p.Landlock > 0 {
		landlock += "-v" + strconv.Itoa(p.Landlock)
	}
	add(landlock, p.Landlock > 0)
	add("own-files-only", p.OwnFilesOnly)
	add("seccomp", p.SystemCalls)
	add("no-sockets", p.NoSockets)
	add("no-new-processes", p.NoNewProcesses)
	return names, inForce
}

// InForce returns the names of the protections that are there.
func (p Protections) InForce() []string { return p.pick(true) }

// Absent returns the names of those that are not.
func (p Protections) Absent() []string { return p.pick(false) }

func (p Protections) pick(want bool) []string {
	var picked []string
	names, inForce := p.list()
	for i, name := range names {
		if inForce[i] == want {
			picked = append(picked, name)
		}
	}
	return picked
}

// LogValue lists both.
func (p Protections) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("in_force", p.InForce()), slog.Any("absent", p.Absent()))
}
