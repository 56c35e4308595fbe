package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
	"hash/crc32"
	"io"

	"github.com/vivarium-run/vivarium/kv"
)

// Visitor takes what a file has, in order. An error of its ends Read, which returns it.
type Visitor interface {
	Info(Info) error
	// Row takes an item, which is valid until Row returns.
	Row(kv.Item) error
	// Module takes a module. body ends with io.EOF only if all of it had the digest; what is not read is passed over,
	// and checked nevertheless.
	Module(d Digest, size int64, body io.Reader) error
}

// Read reads a whole file. Errors of the file are *Error; an error of r is returned as it is.
func Read(r io.Reader, v Visitor) (Count, error) {
	f := &reader{r: bufio.NewReaderSize(r, 64<<10), v: v, sum: sha256.New()}
	err := f.read()
	return f.count, err
}

type reader struct {
	r     *bufio.Reader
	v     Visitor
	sum   hash.Hash // of all bytes of frames that are done
	frame []byte    // the one that is read
	count Count
}

func (f *reader) read() error {
	if err := f.head(); err != nil {
		return err
	}
	kind, payload, err := f.next()
	switch {
	case err != nil:
		return err
	case kind != frameInfo:
		return errorf(Damaged, "the file begins with a frame %q", kind)
	}
	if err := f.info(payload); err != nil {
		return err
	}
	for last := byte(frameInfo); ; last = kind {
		if kind, payload, err = f.next(); err != nil {
			return err
		}
		switch {
		case kind == frameRows && last != frameModule:
			err = f.rows(payload)
		case kind == frameModule:
			err = f.module(payload)
		case kind == frameEnd:
			return f.end(payload)
		default:
			err = errorf(Damaged, "a frame %q after a frame %q", kind, last)
		}
		if err != nil {
			return err
		}
	}
}

// head reads what tells a backup from any other file.
func (f *reader) head() error {
	head := make([]byte, len(magic)+4)
	n, err := io.ReadFull(f.r, head)
	if n < len(magic) && ended(err) || err == nil && string(head[:len(magic)]) != magic {
		return errorf(NotABackup, "the file is no backup")
	}
	if err != nil {
		return cut(err)
	}
	switch version := binary.BigEndian.Uint32(head[len(magic):]); {
	case version > Version:
		return errorf(Newer, "the file has the form %d, and this program knows forms up to %d: use a newer program", version, Version)
	case version < 1:
		return errorf(NotABackup, "the file has the form %d", version)
	}
	f.done(head)
	return nil
}

// done counts bytes that were read and checked.
func (f *reader) done(b []byte) {
	f.sum.Write(b)
	f.count.Bytes += int64(len(b))
}

func ended(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }

// cut tells a file that ends too early from one that cannot be read.
func cut(err error) error {
	if ended(err) {
		return errorf(Truncated, "the file is cut off")
	}
	return err
}

// next reads a frame. The payload is valid until the next call.
func (f *reader) next() (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, cut(err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, errorf(Damaged, "a frame of %d bytes", n)
	}
	f.frame = append(f.frame[:0], head[:]...)
	if f.frame, err = appendN(f.frame, f.r, int(n)+4); err != nil {
		return 0, nil, cut(err)
	}
	body, sum := f.frame[:5+n], f.frame[5+n:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return 0, nil, errorf(Damaged, "a frame has another checksum, about byte %d", f.count.Bytes)
	}
	if head[0] != frameEnd {
		f.done(f.frame)
	}
	return head[0], body[5:], nil
}

// appendN appends n bytes of r to b.
func appendN(b []byte, r io.Reader, n int) ([]byte, error) {
	at := len(b)
	if cap(b) < at+n {
		b = append(make([]byte, 0, at+n), b...)
	}
	b = b[:at+n]
	_, err := io.ReadFull(r, b[at:])
	return b, err
}

func (f *reader) info(payload []byte) error {
	var info Info
	d := json.NewDecoder(bytes.NewReader(payload))
	if len(payload) > maxInfo || d.Decode(&info) != nil || (info.Engine != "") != (info.Kind == Backup) || info.Format < 1 {
		return errorf(Damaged, "the file does not say where it comes from")
	}
	return f.v.Info(info)
}

func (f *reader) rows(b []byte) error {
	if len(b) == 0 {
		return errorf(Damaged, "a frame without rows")
	}
	for len(b) > 0 {
		if len(b) < 8 {
			return errorf(Damaged, "a row is cut off")
		}
		k, v := uint64(binary.BigEndian.Uint32(b)), uint64(binary.BigEndian.Uint32(b[4:]))
		if b = b[8:]; k+v > uint64(len(b)) {
			return errorf(Damaged, "a row is cut off")
		}
		if err := f.v.Row(kv.Item{Key: b[:k:k], Value: b[k : k+v : k+v]}); err != nil {
			return err
		}
		b = b[k+v:]
		f.count.Rows++
	}
	return nil
}

func (f *reader) module(payload []byte) error {
	if len(payload) != len(Digest{})+8 {
		return errorf(Damaged, "a module without a name")
	}
	m := &module{f: f, want: Digest(payload), sum: sha256.New()}
	size := binary.BigEndian.Uint64(payload[len(Digest{}):])
	if size > 1<<40 {
		return errorf(Damaged, "a module of %d bytes", size)
	}
	m.left = int64(size)
	if err := f.v.Module(m.want, m.left, m); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m); err != nil {
		return err
	}
	f.count.Modules++
	return nil
}

// module is the body of a module.
type module struct {
	f     *reader
	want  Digest
	left  int64 // bytes that are still in frames to come
	sum   hash.Hash
	chunk []byte // not given away yet
	err   error
}

// Read implements io.Reader.
func (m *module) Read(p []byte) (int, error) {
	if len(m.chunk) == 0 && m.err == nil {
		m.err = m.fetch()
	}
	if m.err != nil {
		return 0, m.err
	}
	n := copy(p, m.chunk)
	m.chunk = m.chunk[n:]
	return n, nil
}

// fetch reads the next frame of the body. At the end it is io.EOF if the digest is right.
func (m *module) fetch() error {
	if m.left == 0 {
		if Digest(m.sum.Sum(nil)) != m.want {
			return errorf(Damaged, "a module has other bytes than its name says")
		}
		return io.EOF
	}
	kind, payload, err := m.f.next()
	switch {
	case err != nil:
		return err
	case kind != frameData || len(payload) == 0 || int64(len(payload)) > m.left:
		return errorf(Damaged, "a module is cut off")
	}
	m.sum.Write(payload)
	m.left -= int64(len(payload))
	m.chunk = payload
	return nil
}

// end checks the last frame, and that it is the last.
func (f *reader) end(payload []byte) error {
	switch {
	case len(payload) != 8+8+sha256.Size:
		return errorf(Damaged, "the end is cut off")
	case int64(binary.BigEndian.Uint64(payload)) != f.count.Rows, int64(binary.BigEndian.Uint64(payload[8:])) != f.count.Modules:
		return errorf(Damaged, "rows or modules are missing")
	case !bytes.Equal(payload[16:], f.sum.Sum(nil)):
		return errorf(Damaged, "the file has another checksum")
	}
	f.count.Bytes += int64(len(f.frame))
	if _, err := f.r.ReadByte(); err == nil {
		return errorf(Trailing, "there are bytes after the end")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
