package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// Bits of the first two bytes of a frame.
const (
	bitFIN  = 0x80
	bitRSV1 = 0x40
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80
)

// maskedFrame returns a frame as a client sends it: masked, by zeros.
func maskedFrame(first byte, payload string) string {
	return frameOf(first, bitMask, len(payload)) + payload
}

// frameOf returns the beginning of a frame of n bytes.
func frameOf(first, mask byte, n int) string {
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if mask != 0 {
		b = append(b, 0, 0, 0, 0)
	}
	return string(b)
}

// closing is the payload of a close.
func closing(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// endOf reads frames of the server until its close, which it returns: "close 1002 reason"; or "end", if there is none.
func endOf(c net.Conn, r *bufio.Reader) string {
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				return "waits"
			}
			return "end"
		}
		n := int64(head[1])
		switch n {
		case 126:
			var b [2]byte
			io.ReadFull(r, b[:])
			n = int64(binary.BigEndian.Uint16(b[:]))
		case 127:
			var b [8]byte
			io.ReadFull(r, b[:])
			n = int64(binary.BigEndian.Uint64(b[:]))
		}
		payload, _ := io.ReadAll(io.LimitReader(r, n))
		switch {
		case head[0]&15 != opClose:
		case len(payload) < 2:
			return "close"
		default:
			return strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(payload), payload[2:]))
		}
	}
}

// openAwake starts a server whose actors are awake, and stay so.
func openAwake(t *testing.T, change ...func(*Config)) *live {
	l := openLive(t, actorstest.Options{Config: func(c *actors.Config) { c.IdleTime = time.Hour }}, change...)
	for _, a := range [][2]string{{"events", "a"}, {"events", "other"}, {"raw", "a"}} {
		l.MustCall(l.Actor(tenants.Default, a[0], a[1]), nil, "nop")
	}
	return l
}

// steady returns how many goroutines there are when no socket is open.
func (l *live) steady(t *testing.T) int {
	t.Helper()
	kvtest.Eventually(t, "sockets are gone", func() bool { return l.srv.conns.count() == 0 && l.srv.held.sockets.taken() == 0 })
	n := runtime.NumGoroutine()
	for range 50 { // they end soon
		runtime.Gosched()
		n = max(n, runtime.NumGoroutine())
	}
	return n
}

// survives fails unless a socket works and goroutines come back.
func (l *live) survives(t *testing.T, before int) {
	t.Helper()
	c := dial(t, l.path("events", "other", "connect"), rivet)
	c.want(msgInit)
	c.send(msgAction(1, "nop", "[]"))
	c.want(msgResponse(1, `["$Undefined",0]`))
	c.Close()
	kvtest.Eventually(t, "goroutines come back", func() bool { return l.srv.conns.count() == 0 && runtime.NumGoroutine() <= before+4 })
	if n := l.srv.held.memory.taken(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
}

// TestHostileFrames breaks RFC 6455 on a connection, and on a raw socket.
func TestHostileFrames(t *testing.T) {
	l := openAwake(t)
	const text, binaryOp, more = bitFIN | opText, bitFIN | opBinary, 0
	mib := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, send, want, raw string // raw is that of a raw socket: empty means the same, a dash that it is no wrong there
	}{
		{"no mask", frameOf(text, 0, 2) + "{}", "close 1002 bad MASK", ""},
		{"reserved bit 1, as if compressed", maskedFrame(text|bitRSV1, "{}"), "close 1002 RSV1 set", ""},
		{"reserved bit 2", maskedFrame(text|bitRSV2, "{}"), "close 1002 RSV2 set", ""},
		{"reserved bit 3", maskedFrame(text|bitRSV3, "{}"), "close 1002 RSV3 set", ""},
		{"opcode 3", maskedFrame(bitFIN|3, "{}"), "close 1002 bad opcode 3", ""},
		{"opcode 15", maskedFrame(bitFIN|15, ""), "close 1002 bad opcode 15", ""},
		{"a fragmented ping", maskedFrame(opPing, "x"), "close 1002 FIN not set on control", ""},
		{"a long ping", maskedFrame(bitFIN|opPing, strings.Repeat("x", 126)), "close 1002 len > 125 for control", ""},
		{"a fragmented close", maskedFrame(opClose, closing(1000, "")), "close 1002 FIN not set on control", ""},
		{"a long close", maskedFrame(bitFIN|opClose, closing(1000, strings.Repeat("x", 124))), "close 1002 len > 125 for control", ""},
		{"a continuation of nothing", maskedFrame(bitFIN|more, "{}"), "close 1002 continuation after FIN", ""},
		{"a message within a message", maskedFrame(opText, "{") + maskedFrame(text, "}"), "close 1002 data before FIN", ""},
		{"another kind within a message", maskedFrame(opText, "{") + maskedFrame(binaryOp, "}"), "close 1002 data before FIN", ""},
		{"text that is not UTF-8", maskedFrame(text, "\xff\xfe"), "close 1007 ws.invalid_utf8", ""},
		{"text whose end is cut", maskedFrame(text, "\xe2\x82"), "close 1007 ws.invalid_utf8", ""},
		{"text that is not UTF-8, in fragments", maskedFrame(opText, "\xe2") + maskedFrame(bitFIN|more, "\x28\xa1"), "close 1007 ws.invalid_utf8", ""},
		{"a message of 1 MiB and a byte", maskedFrame(text, mib+"x"), "close 1011 message.incoming_too_long", "close 1009 message.incoming_too_long"},
		{"the same in fragments", maskedFrame(opText, mib) + maskedFrame(bitFIN|more, "x"), "close 1011 message.incoming_too_long", "close 1009 message.incoming_too_long"},
		{"fragments of a byte without end", maskedFrame(opText, "x") + strings.Repeat(maskedFrame(more, "x"), 1<<20), "close 1011 message.incoming_too_long", "close 1009 message.incoming_too_long"},
		{"empty fragments without end, then a close", maskedFrame(opText, "") + strings.Repeat(maskedFrame(more, ""), 1<<16) + maskedFrame(bitFIN|opClose, closing(1000, "")), "close 1000", ""},
		{"a length of 2^63", string([]byte{text, bitMask | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}), "close 1011 message.incoming_too_long", "close 1009 message.incoming_too_long"},
		{"a length of 2^40 and nothing, then the end", frameOf(text, bitMask, 1<<40), "end", ""},
		{"a length that is written too long", string([]byte{text, bitMask | 127, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0}) + "{}", "close 1011 actor.invalid_request", "-"},
		{"binary where text belongs", maskedFrame(binaryOp, `{}`), "close 1011 actor.invalid_request", "-"},
		{"a close", maskedFrame(bitFIN|opClose, closing(1000, "bye")), "close 1000", ""},
		{"a close without a code", maskedFrame(bitFIN|opClose, ""), "close", ""},
		{"a close of one byte", maskedFrame(bitFIN|opClose, "\x03"), "close", ""},
		{"a close of 999", maskedFrame(bitFIN|opClose, closing(999, "")), "close 1002 bad close code 999", ""},
		{"a close of 1004", maskedFrame(bitFIN|opClose, closing(1004, "")), "close 1002 bad close code 1004", ""},
		{"a close of 1005", maskedFrame(bitFIN|opClose, closing(1005, "")), "close 1002 bad close code 1005", ""},
		{"a close of 1006", maskedFrame(bitFIN|opClose, closing(1006, "")), "close 1002 bad close code 1006", ""},
		{"a close of 1015", maskedFrame(bitFIN|opClose, closing(1015, "")), "close 1002 bad close code 1015", ""},
		{"a close of 3000", maskedFrame(bitFIN|opClose, closing(3000, "")), "close 3000", ""},
		{"a close of 5000", maskedFrame(bitFIN|opClose, closing(5000, "")), "close 1002 bad close code 5000", ""},
		{"a close whose reason is not UTF-8", maskedFrame(bitFIN|opClose, closing(1000, "\xff")), "close 1002 invalid utf8 payload in close frame", ""},
		{"messages behind a close", maskedFrame(bitFIN|opClose, closing(1000, "")) + strings.Repeat(maskedFrame(text, "{}"), 1000), "close 1000", ""},
		{"a hundred pings, then a close", strings.Repeat(maskedFrame(bitFIN|opPing, "x"), 100) + maskedFrame(bitFIN|opClose, closing(1000, "")), "close 1000", ""},
		{"pongs that nobody asked for, then a close", strings.Repeat(maskedFrame(bitFIN|opPong, "x"), 10_000) + maskedFrame(bitFIN|opClose, closing(1000, "")), "close 1000", ""},
		{"half a frame, then the end", string([]byte{text}), "end", ""},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "close 1002 RSV1 set, bad opcode 7, bad MASK", ""},
	} {
		for _, route := range []struct{ actor, path, protocols, want string }{
			{"events", "connect", "Sec-WebSocket-Protocol: rivet, rivet_encoding.json\r\n", tt.want},
			{"raw", "websocket", "", tt.raw},
		} {
			if route.want == "-" {
				continue
			}
			t.Run(tt.name+", "+route.path, func(t *testing.T) {
				before := l.steady(t)
				c, r := rawSocket(t, l.path(route.actor, "a", route.path), route.protocols)
				go func() { // ends with the connection
					io.WriteString(c, tt.send)
					if strings.HasSuffix(tt.name, "the end") {
						c.(*net.TCPConn).CloseWrite()
					}
				}()
				want := route.want
				if want == "" {
					want = tt.want
				}
				if got := endOf(c, r); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				c.Close()
				l.survives(t, before)
			})
		}
	}
}

// TestHostileHandshakes asks for sockets in ways that are none. Nothing is upgraded, or what is ends by itself.
func TestHostileHandshakes(t *testing.T) {
	l := openAwake(t)
	const version, key = "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	path := "/" + strings.SplitN(strings.TrimPrefix(l.path("events", "a", "connect"), "ws://"), "/", 2)[1]
	noToken, _, _ := strings.Cut(path, "&rvt-token")
	get := func(path, header string) string { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + header + "\r\n" }
	bad := "Sec-WebSocket-Protocol: rivet, rivet_encoding.json, "
	for _, tt := range []struct{ name, send, want string }{
		{"no version", get(path, upgrade+key), "400 guard/invalid_request"},
		{"version 12", get(path, upgrade+key+"Sec-WebSocket-Version: 12\r\n"), "400 guard/invalid_request"},
		{"no key", get(path, upgrade+version), "400 guard/invalid_request"},
		{"a key that is too short", get(path, upgrade+version+"Sec-WebSocket-Key: eA==\r\n"), "400 guard/invalid_request"},
		{"a key that is no base64", get(path, upgrade+version+"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!!!\r\n"), "400 guard/invalid_request"},
		{"by POST", "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + upgrade + version + key + "\r\n", "405 api/method_not_allowed"},
		{"by HTTP/1.0", "GET " + path + " HTTP/1.0\r\nHost: x\r\n" + upgrade + version + key + "\r\n", "400 guard/invalid_request"},
		{"an upgrade among others", get(path, "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\n"+version+key), "101, close 1000"},
		{"frames at once", get(path, upgrade+version+key) + strings.Repeat(maskedFrame(bitFIN|opText, "{}"), 100), "closed"},
		{"a body", get(path, upgrade+version+key+"Content-Length: 5\r\n") + "hello", "closed"},
		{"extensions", get(path, upgrade+version+key+"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"+bad+"x\r\n"), "101, close 1000"},
		{"no token", get(noToken, upgrade+version+key+bad+"x\r\n"), "101, close 1011 auth.unauthenticated"},
		{"a bad token in the query", get(noToken+"&rvt-token=x.y.z", upgrade+version+key+bad+"x\r\n"), "101, close 1011 auth.unauthenticated"},
		{"two tokens in the query", get(path+"&rvt-token=x.y.z", upgrade+version+key+bad+"x\r\n"), "101, close 1011 guard.query_duplicate_param"},
		{"a bad token in a sub-protocol", get(noToken, upgrade+version+key+bad+"rivet_token.x.y.z\r\n"), "101, close 1011 auth.unauthenticated"},
		{"two tokens in sub-protocols", get(noToken, upgrade+version+key+bad+"rivet_token.x, rivet_token.y\r\n"), "101, close 1011 guard.invalid_request"},
		{"a bad token in a header", get(noToken, upgrade+version+key+bad+"x\r\nAuthorization: Bearer x.y.z\r\n"), "101, close 1011 auth.unauthenticated"},
		{"a sub-protocol with a bad percent-encoding", get(path, upgrade+version+key+bad+"rivet_conn_params.%zz\r\n"), "101, close 1011 guard.invalid_request"},
		{"params that are no JSON", get(path, upgrade+version+key+bad+"rivet_conn_params.%7B\r\n"), "101, close 1011 guard.invalid_request"},
		{"an encoding that is none", get(path, upgrade+version+key+"Sec-WebSocket-Protocol: rivet, rivet_encoding.xml\r\n"), "101, close 1003 actor.unsupported_websocket_encoding"},
		{"a thousand sub-protocols", get(path, upgrade+version+key+bad+strings.Repeat("p, ", 1000)+"p\r\n"), "101, close 1000"},
		{"sub-protocols past the head", get(path, upgrade+version+key+bad+strings.Repeat("p", 64<<10)+"\r\n"), "431"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := l.steady(t)
			c := dialRaw(t, "http"+strings.TrimPrefix(l.url, "ws"))
			go io.WriteString(c, tt.send) // ends with the connection
			resp, err := http.ReadResponse(c.r, nil)
			got := "closed"
			switch {
			case err == nil && resp.StatusCode == http.StatusSwitchingProtocols:
				io.WriteString(c, maskedFrame(bitFIN|opClose, closing(1000, ""))) // for one that is let in
				got = "101, " + endOf(c, c.r)
				if e := resp.Header.Get("Sec-WebSocket-Extensions"); e != "" {
					got += ", extensions " + e
				}
			case err == nil:
				b, _ := io.ReadAll(resp.Body)
				got = fmt.Sprintf("%d %s", resp.StatusCode, codeIn(b))
			}
			if got = strings.TrimSpace(got); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			c.Close()
			l.survives(t, before)
		})
	}
}

// TestSilentSockets: who says nothing, or takes nothing, is ended in its time; and so is who has a token that ends.
func TestSilentSockets(t *testing.T) {
	l := openAwake(t, func(c *Config) {
		c.PingInterval, c.PongTimeout, c.SocketWriteTimeout = 200*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond
	})
	id := l.Actor(tenants.Default, "events", "a")
	for _, tt := range []struct {
		name string
		do   func(c net.Conn)
		want string
	}{
		{"silence", func(net.Conn) {}, "end"},
		{"a frame, a byte at a time", func(c net.Conn) {
			io.WriteString(c, frameOf(bitFIN|opText, bitMask, 100_000))
			beat := time.NewTicker(20 * time.Millisecond)
			defer beat.Stop()
			for range beat.C {
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
			}
		}, "end"},
		{"half of the connection closed", func(c net.Conn) { c.(*net.TCPConn).CloseWrite() }, "end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := l.steady(t)
			c, r := rawSocket(t, l.path("events", "a", "connect"), "Sec-WebSocket-Protocol: rivet, rivet_encoding.json\r\n")
			go tt.do(c) // ends with the connection
			if got := endOf(c, r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			c.Close()
			l.survives(t, before)
		})
	}
	t.Run("pings whose answers nobody reads", func(t *testing.T) {
		before := l.steady(t)
		c, _ := rawSocket(t, l.path("events", "a", "connect"), "Sec-WebSocket-Protocol: rivet, rivet_encoding.json\r\n")
		ping := strings.Repeat(maskedFrame(bitFIN|opPing, strings.Repeat("x", 125)), 1000)
		var err error
		for err == nil {
			_, err = io.WriteString(c, ping)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("pings without end, and no end")
		}
		kvtest.Eventually(t, "the connection is gone", func() bool { return l.conns(id) == 0 })
		c.Close()
		l.survives(t, before)
	})
}
