// Package pack is the byte form that images and page deltas share: an envelope that shows whether
// its bytes are whole, and a set of compressed pages.
//
// It owns the checksum and the use of zstd. What stands in an envelope is its importers' own.
//
// Its one invariant: a reader allocates no more than a small multiple of the bytes it was given
// plus one chunk of pages, whatever those bytes say.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt reports bytes that no writer of this package made. They never become good.
var ErrCorrupt = errors.New("corrupt")

// Corruptf returns an ErrCorrupt that says what is wrong.
func Corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// An envelope is
//
//	4 bytes  magic: the kind of thing and the version of its form
//	4 bytes  CRC-32C of all that follows
//	4 bytes  length of the whole, little-endian
//	...      the content
//
// The checksum is for accidents: whoever may write to the host's folders needs no collision. CRC-32C
// is chosen over a hash of the same size because it catches every change of up to three bits and
// every burst of up to 32 with certainty, comes with Go and runs at memory speed; the length makes
// truncation certain too. The content of pages is covered once more, by zstd's own checksum (32 bits
// of XXH64) over the bytes before compression.
const envelopeSize = 12

// MaxSize bounds a whole envelope, in bytes: a length is four bytes.
const MaxSize = 1<<32 - 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Begin starts an envelope. The content is appended to what it returns, then Seal is called.
func Begin(magic [4]byte) []byte {
	b := make([]byte, envelopeSize, 256)
	copy(b, magic[:])
	return b
}

// Seal completes an envelope in place.
func Seal(b []byte) ([]byte, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("pack: %d bytes are more than an envelope holds", len(b))
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return b, nil
}

// Open checks an envelope and returns a reader of its content.
func Open(magic [4]byte, b []byte) (*Reader, error) {
	switch {
	case len(b) < envelopeSize:
		return nil, Corruptf("%d bytes are no envelope", len(b))
	case [4]byte(b[:4]) != magic:
		return nil, Corruptf("the magic is %q, not %q", b[:4], magic[:])
	case uint64(binary.LittleEndian.Uint32(b[8:])) != uint64(len(b)):
		return nil, Corruptf("%d bytes of %d", len(b), binary.LittleEndian.Uint32(b[8:]))
	case binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli):
		return nil, Corruptf("the checksum does not match")
	}
	return &Reader{b: b[envelopeSize:]}, nil
}
