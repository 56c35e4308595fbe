package sandbox

import (
	"encoding/binary"
	"io/fs"
	"math"
	"path"
)

// streams are the only descriptors that a guest has: stdin, which is empty, stdout and stderr.
const streams = 3

const (
	stdin  = 0
	stdout = 1
)

func (c *wasiCall) stream() bool { return c.u32(0) < streams }

// onStream succeeds on a stream without doing anything: they stay what they are, because the next actor
// that gets the instance has the same.
func (c *wasiCall) onStream() errno {
	if c.stream() {
		return wasiOK
	}
	return wasiBadFile
}

// unlessStream refuses what cannot be done to a stream.
func (c *wasiCall) unlessStream() errno {
	if c.stream() {
		return wasiNoCall
	}
	return wasiBadFile
}

// noDirectory says why a descriptor is not a directory.
func (c *wasiCall) noDirectory(fd uint32) errno {
	if fd < streams {
		return wasiNotDir
	}
	return wasiBadFile
}

func (c *wasiCall) advise() errno {
	const kinds = 6
	if c.stream() && byte(c.args[3]) >= kinds {
		return wasiInvalid
	}
	return c.onStream()
}

func (c *wasiCall) allocate() errno {
	switch tail := int64(c.args[1] + c.args[2]); {
	case !c.stream():
		return wasiBadFile
	case tail < 0:
		return wasiInvalid
	case tail == 0:
		return wasiOK
	}
	return wasiNoCall
}

// deviceType is the kind of file that a stream is.
const deviceType = 1

func (c *wasiCall) fdstat() errno {
	const rights = 0x08e0_01ff // what wazero says of any file
	p, ok := c.bytes(c.u32(1), 24)
	switch {
	case !ok:
		return wasiFault
	case !c.stream():
		return wasiBadFile
	}
	clear(p)
	p[0] = deviceType
	binary.LittleEndian.PutUint64(p[8:], rights)
	return wasiOK
}

func (c *wasiCall) filestat() errno {
	p, ok := c.bytes(c.u32(1), 64)
	switch {
	case !ok:
		return wasiFault
	case !c.stream():
		return wasiBadFile
	}
	clear(p)
	p[16], p[24] = deviceType, 1 // type, and links
	return wasiOK
}

// badTimes reports whether flags say two things about one time.
func badTimes(flags uint16) bool { return flags&3 == 3 || flags&12 == 12 }

func (c *wasiCall) setTimes() errno {
	if c.stream() && badTimes(uint16(c.args[3])) {
		return wasiInvalid
	}
	return c.unlessStream()
}

func (c *wasiCall) readdir() errno {
	const head = 24
	if c.u32(2) < head {
		return wasiInvalid
	}
	return wasiBadFile
}

// maxPath is the longest path that is looked at. There is no file, so a longer one is as good as any.
const maxPath = 4096

// path refuses a path at a directory that is not there: dir and at are the arguments of the descriptor
// and of the path's pointer, which its length follows.
func (c *wasiCall) path(dir, at int) errno {
	b, ok := c.bytes(c.u32(at), uint64(c.u32(at+1)))
	if !ok {
		return wasiFault
	}
	if len(b) <= maxPath {
		c.i.pay(int64(len(b)))
		if !fs.ValidPath(path.Clean(string(b))) {
			return wasiNotPerm
		}
	}
	return c.noDirectory(c.u32(dir))
}

func (c *wasiCall) pathSetTimes() errno {
	if badTimes(uint16(c.args[6])) {
		return wasiInvalid
	}
	return c.path(0, 2)
}

func (c *wasiCall) readlink() errno {
	if c.u32(2) == 0 || c.u32(4) == 0 {
		return wasiInvalid
	}
	return c.path(0, 1)
}

// buffers calls f with each of the guest's buffers that the arguments 1 and 2 name, until it returns false
// or an error. Where an empty one lies does not matter to reading.
func (c *wasiCall) buffers(writing bool, f func(p []byte) (bool, errno)) errno {
	const size = 8
	list, ok := c.bytes(c.u32(1), size*uint64(c.u32(2)))
	if !ok {
		return wasiFault
	}
	for ; len(list) > 0; list = list[size:] {
		c.i.pay(priceIOVec)
		p, ok := c.bytes(binary.LittleEndian.Uint32(list), uint64(binary.LittleEndian.Uint32(list[4:])))
		if !ok && (writing || binary.LittleEndian.Uint32(list[4:]) > 0) {
			return wasiFault
		}
		if more, e := f(p); !more || e != wasiOK {
			return e
		}
	}
	return wasiOK
}

// read finds that a stream has no bytes. result is the argument that points to their number; inOrder says
// that it is not to read from a position, which streams do not have.
func (c *wasiCall) read(result int, inOrder bool) errno {
	if !c.stream() {
		return wasiBadFile
	}
	e := c.buffers(false, func(p []byte) (bool, errno) {
		switch {
		case len(p) == 0:
			return true, wasiOK
		case !inOrder || c.u32(0) != stdin:
			return false, wasiBadFile
		}
		return false, wasiOK // its end
	})
	if e != wasiOK {
		return e
	}
	return c.put32(result, 0)
}

// write gives buffers to the environment. See read.
func (c *wasiCall) write(result int, inOrder bool) errno {
	if !c.stream() {
		return wasiBadFile
	}
	fd, written := c.u32(0), uint64(0)
	e := c.buffers(true, func(p []byte) (bool, errno) {
		switch {
		case inOrder && fd < stdout, !inOrder && len(p) > 0:
			return false, wasiBadFile
		}
		written += uint64(len(p))
		for len(p) > 0 {
			n := min(len(p), wasiChunk)
			c.i.pay(int64(n))
			c.i.env.Output(int(fd), p[:n])
			p = p[n:]
		}
		return true, wasiOK
	})
	if e != wasiOK {
		return e
	}
	return c.put32(result, uint32(min(written, math.MaxUint32)))
}
