package egress

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// body is what an answer's body is read through, from the network on: a bound on the bytes that come,
// gzip, a bound on what it becomes, and the mask. Its request is over at the end of the body, at the
// first error and at Close.
type body struct {
	ctx  context.Context
	raw  io.Closer
	from io.Reader
	mask *mask
	size atomic.Int64 // bytes that were read, decompressed
	end  func()
	err  error // what Read returns from now on
}

// slack is how much larger than what it becomes compressed data may be. Without a bound on it, a
// server could send empty blocks for ever.
const slack = 64 << 10

func newBody(ctx context.Context, r *http.Response, decode bool, max int64, m *mask, end func()) *body {
	b := &body{ctx: ctx, raw: r.Body, mask: m, end: end}
	var from io.Reader = r.Body
	if decode {
		from = &gunzip{from: &capped{from: from, left: max + slack}}
	}
	b.from = m.reader(&capped{from: from, left: max, size: &b.size})
	return b
}

// Read implements io.Reader. An error but io.EOF has a code, or is the cause of the caller's context.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err == nil {
		return n, nil
	}
	if b.err = err; err != io.EOF {
		b.err = failure(b.ctx, err, b.mask)
	}
	_ = b.Close()
	return n, b.err
}

// Close implements io.Closer. It may be called several times, but not during a Read: that is ended by
// the context.
func (b *body) Close() error {
	if b.err == nil {
		b.err = failed("the answer was closed")
	}
	err := b.raw.Close()
	b.end()
	return err
}

// watched ends the request of a body whose server falls silent. While nobody reads, the server need not send.
type watched struct {
	io.ReadCloser
	most time.Duration
	end  func()
}

func (w *watched) Read(p []byte) (int, error) {
	defer time.AfterFunc(w.most, w.end).Stop()
	return w.ReadCloser.Read(p)
}

// capped fails once more than left bytes came.
type capped struct {
	from io.Reader
	left int64
	size *atomic.Int64 // nil if nobody asks
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, tooLarge()
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1] // one more tells the end from too much
	}
	n, err := c.from.Read(p)
	if c.size != nil {
		c.size.Add(int64(n))
	}
	if c.left -= int64(n); c.left < 0 {
		return n - 1, tooLarge()
	}
	return n, err
}

func tooLarge() error { return &abi.Error{Code: abi.CodeResponseTooLarge} }

// gunzip decodes gzip from the first Read on: the header of a stream may come before any of its data.
type gunzip struct {
	from io.Reader
	zip  *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.zip == nil {
		var err error
		if g.zip, err = gzip.NewReader(g.from); err != nil {
			return 0, gzipError(err) // io.EOF if there is no body at all
		}
	}
	n, err := g.zip.Read(p)
	return n, gzipError(err)
}

func gzipError(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return failed("the answer is not valid gzip")
	}
	return err
}

// gzipped reports whether a body is to be decoded. Only one layer is: a second one is the guest's.
func gzipped(h http.Header) bool {
	v := h.Values("Content-Encoding")
	return len(v) == 1 && (strings.EqualFold(v[0], "gzip") || strings.EqualFold(v[0], "x-gzip"))
}

// opaque reports whether a body has an encoding that nothing can be found in.
func opaque(h http.Header) bool {
	v := strings.Join(h.Values("Content-Encoding"), ",")
	return v != "" && !gzipped(h) && !strings.EqualFold(v, "identity")
}
