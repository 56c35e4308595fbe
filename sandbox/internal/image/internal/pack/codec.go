package pack

import (
	"runtime"

	"github.com/klauspost/compress/zstd"
)

// maxChunk bounds a chunk, in bytes.
const maxChunk = chunkPages * (8 + PageSize)

// codec is what one goroutine needs to pack or unpack. It costs about 2 MiB once used, so codecs
// are kept: at most one for each core.
type codec struct {
	enc    *zstd.Encoder
	dec    *zstd.Decoder
	page   [PageSize]byte
	raw    []byte // a chunk
	packed []byte // a chunk, compressed
}

var codecs = make(chan *codec, runtime.GOMAXPROCS(0))

func takeCodec() *codec {
	select {
	case c := <-codecs:
		return c
	default:
		return newCodec()
	}
}

func newCodec() *codec {
	// Neither starts a goroutine: EncodeAll and DecodeAll work on the caller's.
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(chunkPages*PageSize),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(true))
	if err != nil {
		panic("pack: " + err.Error()) // the options are constants
	}
	// A frame says itself how large it will be. The decoder is told what it may be at most: the room
	// that is left in the slice it gets.
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(2<<20),
		zstd.WithDecoderMaxMemory(maxChunk))
	if err != nil {
		panic("pack: " + err.Error())
	}
	return &codec{enc: enc, dec: dec}
}

func (c *codec) giveBack() {
	select {
	case codecs <- c:
	default:
		c.enc.Close()
		c.dec.Close()
	}
}

// unpack returns a reader of a chunk of n pages, valid until the codec's next use.
func (c *codec) unpack(frame []byte, n int) (*Reader, error) {
	// The room is what the largest chunk of n pages takes, and no frame gets more.
	if room := n * (8 + PageSize); cap(c.raw) < room {
		c.raw = make([]byte, 0, room)
	}
	raw, err := c.dec.DecodeAll(frame, c.raw[:0:n*(8+PageSize)])
	if err != nil {
		return nil, Corruptf("a chunk: %v", err)
	}
	return NewReader(raw), nil
}
