package image

// sliceImage is an image in a Go slice. Its pages of zeros were never written, so the system need
// not have stored them.
type sliceImage []byte

func newSliceImage(content []byte, stored pageSet) sliceImage {
	b := make([]byte, len(content))
	stored.each(func(i int) bool {
		copy(page(b, i), page(content, i))
		return true
	})
	return b
}

func (s sliceImage) view() []byte { return s }

func (s sliceImage) newRAM(im *Image, size int) (ram, error) { return newCopied(im, size), nil }

func (s sliceImage) resident() int64 { return int64(len(s)) }

func (s sliceImage) close() error { return nil }

// copied is a memory in a Go slice.
type copied struct {
	im  *Image // nil means all zeros
	max int
	b   []byte // as far as it has grown
}

func newCopied(im *Image, max int) *copied {
	c := &copied{im: im, max: max}
	if im != nil {
		c.b = make([]byte, im.size())
		c.fill()
	}
	return c
}

func (c *copied) fill() {
	if c.im == nil {
		return
	}
	v := c.im.backing.view()
	c.im.stored.each(func(i int) bool {
		copy(page(c.b, i), page(v, i))
		return true
	})
}

func (c *copied) grow(size int) []byte {
	if size > c.max {
		return nil
	}
	if size > cap(c.b) {
		// A guest may grow by one Wasm page at a time: a quarter more keeps the copying linear.
		b := make([]byte, size, min(max(size, cap(c.b)+cap(c.b)/4), c.max))
		copy(b, c.b)
		c.b = b
	}
	c.b = c.b[:max(size, len(c.b))]
	return c.b[:size:size]
}

func (c *copied) reset(int) error {
	clear(c.b)
	c.fill()
	return nil
}

func (c *copied) touched(n int, f func(lo, hi int)) { f(0, n) }

func (c *copied) free() error {
	c.b = nil
	return nil
}
