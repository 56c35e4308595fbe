package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
)

// conn is a keep-alive connection that does no more than HTTP/1.1 needs: the client shares the
// machine with the server that is measured.
type conn struct {
	net.Conn
	r    *bufio.Reader
	body []byte
}

// dial connects to an IP address and port, which must be loopback.
func dial(ctx context.Context, addr string) (*conn, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if !a.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s is not a loopback address", addr)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReader(c)}, nil
}

// ask sends a whole request and returns the status of its answer. Its body is valid until the next call.
func (c *conn) ask(request []byte) (int, error) {
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	status, body, err := readAnswer(c.r, c.body)
	if err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	c.body = body
	return status, nil
}

// do is ask for the body. An answer other than 2xx is an error.
func (c *conn) do(request []byte) ([]byte, error) {
	status, err := c.ask(request)
	if err != nil {
		return nil, err
	}
	if status/100 != 2 {
		return nil, statusError{status, string(c.body[:min(len(c.body), 300)])}
	}
	return c.body, nil
}

// statusError is an answer that is not what was wanted.
type statusError struct {
	code int
	body string
}

func (e statusError) Error() string { return fmt.Sprintf("answered %d %s", e.code, e.body) }

// maxBody bounds the body of an answer, in bytes.
const maxBody = 1 << 20

// readAnswer reads one answer that has a Content-Length; the body is stored over buf if it fits.
func readAnswer(r *bufio.Reader, buf []byte) (status int, body []byte, err error) {
	line, err := readLine(r)
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("status line %q", line)
	}
	length := -1
	for {
		if line, err = readLine(r); err != nil {
			return 0, nil, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
			return 0, nil, fmt.Errorf("header %q", line)
		}
	}
	if length < 0 || length > maxBody {
		return 0, nil, fmt.Errorf("no Content-Length from 0 to %d", maxBody)
	}
	if cap(buf) < length {
		buf = make([]byte, length)
	}
	body = buf[:length]
	if _, err = io.ReadFull(r, body); err != nil {
		return 0, nil, unexpected(err)
	}
	return status, body, nil
}

// readLine returns the next line without its end, valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, unexpected(err)
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// unexpected is err, where an end is one within an answer.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
