package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Socket is a client's WebSocket that does no more than RFC 6455 needs. One goroutine reads and one writes.
type Socket struct {
	c   *conn
	out []byte // of the goroutine that writes
}

// Opcodes of RFC 6455.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// upgrade is the head of a handshake. Its key is the example of RFC 6455: nobody is between us and the server.
const upgrade = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"

// DialSocket opens a WebSocket to a loopback address. A header ends with \r\n.
func DialSocket(ctx context.Context, addr, target, header string) (*Socket, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("load: connect: %w", err)
	}
	s := &Socket{c: c}
	if err := s.shakeHands(fmt.Appendf(nil, upgrade, target, addr, header)); err != nil {
		c.Close()
		return nil, fmt.Errorf("load: upgrade: %w", err)
	}
	return s, nil
}

func (s *Socket) shakeHands(request []byte) error {
	if err := s.c.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	if _, err := s.c.Write(request); err != nil {
		return err
	}
	status, err := readLine(s.c.r)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("answered %q", status)
	}
	for {
		line, err := readLine(s.c.r)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// answerTime is how long a server may take to say anything.
const answerTime = 30 * time.Second

// AppendFrame appends a message as a client's frame. The mask is zero, which leaves the message as it is.
func AppendFrame(b, message []byte, text bool) []byte {
	op := byte(opBinary)
	if text {
		op = opText
	}
	return appendFrame(b, op, message)
}

func appendFrame(b []byte, op byte, message []byte) []byte {
	const final, masked = 0x80, 0x80
	b = append(b, final|op)
	switch n := len(message); {
	case n < 126:
		b = append(b, masked|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), message...)
}

// Send writes whole frames.
func (s *Socket) Send(frames []byte) error {
	_, err := s.c.Write(frames)
	return err
}

// Read returns the next message, valid until the next call. It answers pings. A close is an error.
func (s *Socket) Read() ([]byte, error) {
	for {
		op, err := s.readFrame()
		switch {
		case err != nil:
			return nil, err
		case op == opText, op == opBinary:
			return s.c.body, nil
		case op == opPing:
			if err := s.Send(appendFrame(nil, opPong, s.c.body)); err != nil {
				return nil, err
			}
		case op == opClose:
			return nil, closed(s.c.body)
		case op != opPong:
			return nil, fmt.Errorf("a frame with opcode %d", op)
		}
	}
}

// Idle answers pings for as long as the socket is open. It returns why it is not any more, or that a message came.
func (s *Socket) Idle() error {
	if err := s.c.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if _, err := s.Read(); err != nil {
		return err
	}
	return errors.New("a message came")
}

// readFrame reads one unmasked frame, which must be a whole message, into the connection's body.
func (s *Socket) readFrame() (op byte, err error) {
	head, err := s.c.r.Peek(2)
	if err != nil {
		return 0, unexpected(err)
	}
	op, n := head[0]&0x0f, uint64(head[1])
	if head[0] != 0x80|op || n > 127 {
		return 0, errors.New("a frame that is compressed, masked or a part")
	}
	_, _ = s.c.r.Discard(2)
	if n >= 126 {
		long := 2
		if n == 127 {
			long = 8
		}
		var size [8]byte
		if _, err := io.ReadFull(s.c.r, size[8-long:]); err != nil {
			return 0, unexpected(err)
		}
		n = binary.BigEndian.Uint64(size[:])
	}
	if n > maxBody {
		return 0, fmt.Errorf("a frame of more than %d bytes", maxBody)
	}
	if uint64(cap(s.c.body)) < n {
		s.c.body = make([]byte, n)
	}
	s.c.body = s.c.body[:n]
	_, err = io.ReadFull(s.c.r, s.c.body)
	return op, unexpected(err)
}

func closed(reason []byte) error {
	if len(reason) < 2 {
		return errors.New("the server closed the socket")
	}
	return fmt.Errorf("the server closed the socket: %d %s", binary.BigEndian.Uint16(reason), reason[2:])
}

// waiting reports whether bytes of a next frame are there already.
func (s *Socket) waiting() bool { return s.c.r.Buffered() > 0 }

// Close ends the connection without a word.
func (s *Socket) Close() { s.c.Close() }
