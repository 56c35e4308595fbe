package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestSyncsSeenFromOutside watches the system calls of a host: between two answers of a counter
// that one client increments there is always a sync that succeeded. It needs strace, which
// `make deps` installs.
func TestSyncsSeenFromOutside(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	s := serve(t)
	admin := s.token("admin", "default")
	s.upload(admin, "counter", "examples/wasm/counter")
	id := s.actor(admin, "counter", "k")
	s.output(admin, id, "increment", "[1]")

	trace := filepath.Join(t.TempDir(), "trace")
	var said bytes.Buffer
	tracer := exec.Command(strace, "-f", "-o", trace, "-s", "4096", "-e", "trace=msync,fsync,fdatasync,write", "-p", fmt.Sprint(s.Cmd.Process.Pid))
	tracer.Stderr = &said
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	s.await("the tracer", func() bool {
		s.request("GET", "/healthz", "", nil)
		b, _ := os.ReadFile(trace)
		return bytes.Contains(b, []byte("HTTP/1.1 200")) || tracer.ProcessState != nil
	})
	const increments = 200
	for range increments {
		s.output(admin, id, "increment", "[1]")
	}
	tracer.Process.Signal(syscall.SIGINT) // it detaches
	tracer.Wait()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	answers, syncs, late := countAnswers(string(b))
	t.Logf("%d answers, %d syncs, %d answers without a sync before them", answers, syncs, late)
	if answers != increments || late > 0 {
		t.Errorf("%d of %d answers seen, %d of them before their sync: %s", answers, increments, late, said.String())
	}
}

var (
	syncLine   = regexp.MustCompile(`(msync|fsync|fdatasync)(\(.*\)| resumed>.*\)) += 0$`)
	answerLine = regexp.MustCompile(`write\(.*\{\\"output\\":\d+\}`)
)

// countAnswers reads a trace: how many increments were answered, how many syncs succeeded, and how
// many answers had no sync since the answer before.
func countAnswers(trace string) (answers, syncs, late int) {
	synced := false
	for line := range strings.Lines(trace) {
		line = strings.TrimSpace(line)
		switch {
		case syncLine.MatchString(line):
			syncs++
			synced = true
		case answerLine.MatchString(line):
			answers++
			if !synced {
				late++
			}
			synced = false
		}
	}
	return answers, syncs, late
}
