// Hold keeps a listening socket and runs a host behind it, as systemd does with a socket unit: hold ADDR COMMAND…
// It starts the command and then obeys lines of its standard input: "term" and "kill" end the command and wait for
// that, "start" starts it again. After each it prints the line. At the end of its input it kills the command.
//
// A shell cannot keep a socket, and Node would accept what comes in.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func run(addr string, command []string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	held, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	l.Close() // held goes on
	host, err := start(held, command)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "term":
			err = end(host, syscall.SIGTERM)
		case "kill":
			err = end(host, syscall.SIGKILL)
		case "start":
			host, err = start(held, command)
		}
		if err != nil {
			return err
		}
		fmt.Println(lines.Text())
	}
	return end(host, syscall.SIGKILL)
}

func start(held *os.File, command []string) (*exec.Cmd, error) {
	const script = `LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, command...)...)
	cmd.ExtraFiles = []*os.File{held}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd, cmd.Start()
}

// end waits until the command has ended, however it does.
func end(cmd *exec.Cmd, signal syscall.Signal) error {
	if cmd.ProcessState != nil {
		return nil
	}
	if err := cmd.Process.Signal(signal); err != nil {
		return err
	}
	_ = cmd.Wait()
	return nil
}
