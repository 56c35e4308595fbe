package api

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Opcodes of RFC 6455.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// frame returns payload as one unmasked WebSocket frame. It is the same for every client, so an event is made one
// once and shared by all who get it.
func frame(op byte, payload []byte) []byte {
	b := make([]byte, 0, 10+len(payload))
	b = append(b, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// closeFrame returns the frame that ends a socket. A reason that does not fit is cut.
func closeFrame(code int, reason string) []byte {
	const most = 125 - 2
	return frame(opClose, websocket.FormatCloseMessage(code, reason[:min(len(reason), most)]))
}

func messageFrame(data []byte, text bool) []byte {
	if text {
		return frame(opText, data)
	}
	return frame(opBinary, data)
}

// lineConn is the connection beneath a socket. We write whole frames past the library, many at a time; the library
// writes a close of its own when the peer breaks the protocol. Neither may come between the bytes of the other.
type lineConn struct {
	net.Conn
	timeout time.Duration // of one write
	conns   *conns        // that it is one of

	mu sync.Mutex // held while bytes are written
}

// Close implements net.Conn.
func (w *lineConn) Close() error {
	err := w.Conn.Close()
	w.conns.leave(w.Conn)
	return err
}

// Write is the library's.
func (w *lineConn) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.SetWriteDeadline(time.Now().Add(w.timeout))
	return w.Conn.Write(p)
}

// writeFrames writes frames with as few system calls as there can be.
func (w *lineConn) writeFrames(frames net.Buffers) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.SetWriteDeadline(time.Now().Add(w.timeout))
	_, err := frames.WriteTo(w.Conn)
	return err
}
