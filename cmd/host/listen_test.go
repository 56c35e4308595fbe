package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/vivarium-run/vivarium/actors/actorstest"
)

// behind starts the host behind a socket that the test holds, as systemd would.
func behind(t *testing.T, held *os.File, url, fds string, args ...string) *process {
	t.Helper()
	const exec1 = `LISTEN_PID=$$ LISTEN_FDS=$1; export LISTEN_PID LISTEN_FDS; shift; exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", exec1, "sh", fds, os.Args[0]}, args...)...)
	cmd.ExtraFiles = []*os.File{held}
	return launch(t, url, cmd)
}

func hold(t *testing.T) (held *os.File, url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if held, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	return held, "http://" + l.Addr().String()
}

// While a host behind a held socket is started again its clients wait, however it ended.
func TestRestartBehindAHeldSocket(t *testing.T) {
	held, url := hold(t)
	args := []string{"dev", "--data", filepath.Join(t.TempDir(), "data")}
	p := behind(t, held, url, "1", args...)
	p.awaitReady()
	if a := p.request("PUT", "/modules/counter", "", actorstest.Guest(t, "examples/wasm/counter")); a.status != 201 {
		t.Fatal(a)
	}
	const at = "/gateway/counter/action/increment?rvt-method=getOrCreate&rvt-key=k&rvt-runner=default"
	if a := p.request("POST", at, "", `{"args":[1]}`); a.status != 200 {
		t.Fatal(a)
	}
	connect := func() *websocket.Conn {
		t.Helper()
		d := websocket.Dialer{Subprotocols: []string{"rivet", "rivet_encoding.json"}, HandshakeTimeout: time.Minute}
		c, _, err := d.Dial(strings.Replace(url, "http:", "ws:", 1)+"/gateway/counter/connect?rvt-method=get&rvt-key=k", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, m, err := c.ReadMessage(); err != nil || !strings.Contains(string(m), `"Init"`) {
			t.Fatalf("%s %v, want an init", m, err)
		}
		return c
	}
	want := []string{`{"output":2}`, `{"output":3}`}
	for i, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		c := connect()
		p.Cmd.Process.Signal(signal)
		_, _, err := c.ReadMessage()
		if going := websocket.IsCloseError(err, 1001); going != (signal == syscall.SIGTERM) {
			t.Errorf("after %v the socket ended with %v", signal, err)
		}
		c.Close()
		<-p.Done
		waits, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")) // though nobody is there to answer
		if err != nil {
			t.Fatal(err)
		}
		_ = waits.SetDeadline(time.Now().Add(time.Minute))
		if _, err := fmt.Fprintf(waits, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"args\":[1]}", at, strings.TrimPrefix(url, "http://")); err != nil {
			t.Fatal(err)
		}
		p = behind(t, held, url, "1", args...)
		resp, err := http.ReadResponse(bufio.NewReader(waits), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(b) != want[i] {
			t.Errorf("who asked while it was down got %d %s %v, want %s", resp.StatusCode, b, err, want[i])
		}
		waits.Close()
		connect().Close()
	}
}

// What is no socket of ours is said, not served.
func TestInheritedListenerRefused(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	held, url := hold(t)
	for name, tt := range map[string]struct {
		f    *os.File
		fds  string
		want string
	}{
		"two":       {held, "2", `"2" sockets`},
		"none":      {held, "", `"" sockets`},
		"no socket": {file, "1", "hands over"},
	} {
		p := behind(t, tt.f, url, tt.fds, "dev", "--data", filepath.Join(t.TempDir(), "data"))
		<-p.Done
		if p.Cmd.ProcessState.ExitCode() != 1 || !strings.Contains(p.Printed(), tt.want) {
			t.Errorf("%s: %v %s", name, p.Cmd.ProcessState, p.Printed())
		}
	}
}
