package egress

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// TestEachPhaseHasItsTime has a server, or a name server, fall silent in each phase of a request.
func TestEachPhaseHasItsTime(t *testing.T) {
	silent := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } // until the client gives up
	after := func(text string) func(net.Conn) {
		return func(c net.Conn) { _, _ = io.WriteString(c, text); silent(c) }
	}
	const short = 50 * time.Millisecond
	tests := []struct {
		name, scheme string
		answer       func(net.Conn)
		limit        Config
		text         string
	}{
		{"handshake", "https", silent, Config{Connect: short}, "the server did not answer in time"},
		{"header", "http", silent, Config{Header: short}, "the server did not answer in time"},
		{"within the header", "http", after("HTTP/1.1 200 OK\r\nX: y\r\n"), Config{Header: short}, "the server did not answer in time"},
		{"body", "http", after("HTTP/1.1 200 OK\r\n\r\n"), Config{Silence: short}, "the server did not go on with its answer in time"},
		{"within the body", "http", after("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), Config{Silence: short}, "the server did not go on with its answer in time"},
		{"within a chunk", "http", after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"), Config{Silence: short}, "the server did not go on with its answer in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := serveRaw(t, tt.answer)
			tt.limit.AllowLoopback = []string{address}
			w := newWorld(t, tt.limit)
			_, _, err := w.get(t, tt.scheme+"://"+address, tt.scheme+"://"+address)
			checkCode(t, err, abi.CodeFetchFailed, tt.text)
			w.Close() // which waits: nothing of the request is left
		})
	}
	t.Run("name", func(t *testing.T) {
		mute, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer mute.Close()
		w := newWorld(t, Config{Connect: short})
		w.config.Resolver.Dial = func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("udp", mute.LocalAddr().String())
		}
		_, _, err = w.get(t, "http://slow.example", "http://slow.example")
		checkCode(t, err, abi.CodeFetchFailed, "the name could not be resolved")
	})
}

// TestSilenceIsTheServers: while nobody reads, the server may be silent.
func TestSilenceIsTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		ended := false
		body := &watched{r, time.Minute, func() { ended = true; w.Close() }}
		go func() { _, _ = w.Write([]byte("part")) }() // ends with the read
		if _, err := io.ReadFull(body, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if time.Sleep(time.Hour); ended {
			t.Error("the request ended while nobody read")
		}
		begun := time.Now()
		if _, err := body.Read(make([]byte, 1)); err != io.EOF || !ended || time.Since(begun) != time.Minute {
			t.Errorf("a read ended after %v with %v, ended: %v", time.Since(begun), err, ended)
		}
	})
}
