package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// inheritedFD is the first descriptor that a supervisor hands over, after the three standard ones.
const inheritedFD = 3

// listen returns a listener on addr, or the one that a supervisor holds for the host: then who connects while the
// host is being started again waits and is not refused, which Rivet's clients do not survive. The protocol is
// systemd's: LISTEN_PID is this process and LISTEN_FDS is 1.
func listen(addr string) (l net.Listener, inherited bool, err error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		l, err = net.Listen("tcp", addr)
		return l, false, err
	}
	if n := os.Getenv("LISTEN_FDS"); n != "1" {
		return nil, true, fmt.Errorf("the supervisor hands over %q sockets, and the host takes 1", n)
	}
	f := os.NewFile(inheritedFD, "inherited listener")
	defer f.Close() // the listener has a copy, which no child gets
	if l, err = net.FileListener(f); err != nil {
		return nil, true, fmt.Errorf("the socket that the supervisor hands over: %w", err)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		l.Close()
		return nil, true, fmt.Errorf("the socket that the supervisor hands over is a %s, and the host takes TCP", l.Addr().Network())
	}
	return l, true, nil
}
