package hosttest

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a host that was started, and may have ended. Its methods are safe for concurrent use.
type Process struct {
	URL    string
	Cmd    *exec.Cmd
	Output *Output
	Done   <-chan struct{} // closed when it has ended and Cmd.ProcessState is there
}

// Start runs a command that is to answer at a URL, and does not wait until it does. Kill or Stop must end it; on Linux
// it dies with this process at the latest.
func Start(t T, url string, cmd *exec.Cmd, out *Output) *Process {
	t.Helper()
	done := make(chan struct{})
	cmd.Stdout, cmd.Stderr = out, out
	dieWithParent(cmd)
	must(t, cmd.Start())
	go func() { cmd.Wait(); close(done) }() // ends with the process
	return &Process{URL: url, Cmd: cmd, Output: out, Done: done}
}

// Addr returns the host:port of the URL.
func (p *Process) Addr() string { return strings.TrimPrefix(p.URL, "http://") }

// Printed returns what its output has taken up.
func (p *Process) Printed() string { return p.Output.String() }

// probe leaves no connection behind, which a test might count.
var probe = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Ready reports whether the host says that it takes work.
func (p *Process) Ready() bool {
	resp, err := probe.Get(p.URL + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// startTime is how long a host may take to get ready, on a machine that does other things too.
const startTime = 2 * time.Minute

// AwaitReady waits until the host is ready.
func (p *Process) AwaitReady() error {
	if err := p.Await(startTime, 2*time.Millisecond, p.Ready); err != nil {
		return fmt.Errorf("the host does not get ready: %w: %s", err, p.Printed())
	}
	return nil
}

// Await asks again and again whether something is so, until it is, the process has ended or the time is over.
func (p *Process) Await(patience, every time.Duration, is func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		if is() {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Done:
			return errors.New("the process ended")
		}
		if time.Now().After(end) {
			return errors.New("it takes too long")
		}
	}
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Kill ends the process as the machine would: at once. It may be called again, and where none was started.
func (p *Process) Kill() {
	if p != nil {
		p.Cmd.Process.Kill()
		<-p.Done
	}
}

// Stop asks the process to end, waits, and returns its exit code.
func (p *Process) Stop() (exit int) {
	p.Cmd.Process.Signal(syscall.SIGTERM)
	<-p.Done
	return p.Cmd.ProcessState.ExitCode()
}
