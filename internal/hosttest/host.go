package hosttest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Host is a host with its data, which can be killed and started again on it. What a start reads of its fields may change
// between two.
type Host struct {
	*Process // of the last start; nil before it

	Binary    string   // the program
	Data, Key string   // the folder, and the file of the key that signs tokens
	Listen    string   // host:port of each start; empty means a free one
	Under     []string // a command before the host's own
	Args      []string // beside those that each start has
	Env       []string // beside this process's
	Output    Output   // of all its processes

	t T
}

// New prepares a host in a folder. It does not run yet, and Kill must end it when it does.
func New(t T, dir string) *Host {
	t.Helper()
	h := &Host{t: t, Binary: Binary(t), Data: filepath.Join(dir, "data"), Key: filepath.Join(dir, "key")}
	h.Run("key", h.Key)
	return h
}

// Begin starts a process and does not wait until it is ready.
func (h *Host) Begin() {
	h.t.Helper()
	addr := h.Listen
	if addr == "" {
		addr = FreeAddr(h.t)
	}
	args := slices.Concat(h.Under, []string{h.Binary, "serve", "--data", h.Data, "--key-file", h.Key, "--listen", addr}, h.Args)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), h.Env...)
	h.Process = Start(h.t, "http://"+addr, cmd, &h.Output)
}

// Start begins a process and waits until it is ready.
func (h *Host) Start() {
	h.t.Helper()
	h.Begin()
	must(h.t, h.AwaitReady())
}

// Kill ends the last process. It may be taken as a value before there is one: for a test's cleanup.
func (h *Host) Kill() { h.Process.Kill() }

// Run runs a command of the host that must succeed, and returns what it printed.
func (h *Host) Run(args ...string) (printed string) {
	h.t.Helper()
	printed, exit := h.TryRun(args...)
	if exit != 0 {
		h.t.Fatalf("host %s: exit code %d: %s", strings.Join(args, " "), exit, printed)
	}
	return printed
}

// TryRun runs a command of the host and returns what it printed, without the space around it, and its exit code.
func (h *Host) TryRun(args ...string) (printed string, exit int) {
	h.t.Helper()
	cmd := exec.Command(h.Binary, args...)
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		h.t.Fatalf("host %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), cmd.ProcessState.ExitCode()
}

// Token makes a token; an operator's has no namespace. More are further flags of the command.
func (h *Host) Token(role, namespace string, more ...string) string {
	h.t.Helper()
	args := []string{"token", "--key-file", h.Key, "--role", role}
	if namespace != "" {
		args = append(args, "--namespace", namespace)
	}
	return h.Run(append(args, more...)...)
}
