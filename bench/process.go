package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startTime = 30 * time.Second // in which a server must listen
	stopTime  = 20 * time.Second // in which it must end: a host drains for 10 s and 5 s
	logTail   = 20               // lines of its log that an error shows
)

// process is a server that we started. It is killed if this process dies.
type process struct {
	name string
	addr string // host:port that it said it listens on
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended; log and err are set then
	log  []string      // its last lines
	err  error
}

// startProcess starts a server and waits until it listens, as it must say with one line of JSON on
// its standard error; see parseListening. A process is returned, to be stopped, whenever one was started. Call it on the main goroutine: see prepare.
func startProcess(ctx context.Context, bin string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(bin), cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Env = environ()
	prepare(p.cmd)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan string, 1)
	go func() { // ends with the process
		defer close(p.done)
		p.follow(stderr, listening)
		p.err = p.cmd.Wait()
	}()
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case p.addr = <-listening:
		return p, nil
	case <-p.done:
		return p, errors.New(p.name + " ended at its start")
	case <-timeout.C:
		return p, fmt.Errorf("%s does not listen after %v", p.name, startTime)
	case <-ctx.Done():
		return p, ctx.Err()
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// follow reads the log to its end.
func (p *process) follow(log io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if addr, ok := parseListening(line); ok {
			select {
			case listening <- addr:
			default:
			}
		}
		p.log = append(p.log[max(0, len(p.log)-logTail+1):], line)
	}
	_, _ = io.Copy(io.Discard, log) // after a line that is too long: it must not block the server
}

// parseListening returns the address if a line of a log says that a server listens, ours with
// {"msg":"listening","url":"http://…"} and workerd with {"event":"listen","port":…}.
func parseListening(line string) (addr string, ok bool) {
	var l struct {
		Msg, URL, Event string
		Port            int
	}
	switch err := json.Unmarshal([]byte(line), &l); {
	case err != nil:
		return "", false
	case l.Msg == "listening":
		return strings.CutPrefix(l.URL, "http://")
	}
	return fmt.Sprintf("127.0.0.1:%d", l.Port), l.Event == "listen" && l.Port > 0
}

// stop asks the process to end, kills it if it does not, and waits. It returns an error with the
// end of the log unless the process ended well, and only when it was asked to.
func (p *process) stop() error {
	early := false
	select {
	case <-p.done:
		early = true
	default:
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it fails if the process has just ended
	}
	timeout := time.AfterFunc(stopTime, func() { p.cmd.Process.Kill() })
	defer timeout.Stop()
	<-p.done
	switch {
	case early:
		return fmt.Errorf("%s ended by itself: %v\n%s", p.name, p.err, strings.Join(p.log, "\n"))
	case p.err != nil:
		return fmt.Errorf("%s did not end well: %w\n%s", p.name, p.err, strings.Join(p.log, "\n"))
	}
	return nil
}
