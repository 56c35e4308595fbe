package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// noise returns n indexes below limit and a page for each, some of it zeros.
func noise(r *rand.Rand, n int, limit uint32) (indexes []uint32, pages map[uint32][]byte) {
	pages = map[uint32][]byte{}
	for len(pages) < n {
		p := make([]byte, PageSize)
		for range r.IntN(20) {
			at := r.IntN(PageSize)
			for k := at; k < min(PageSize, at+r.IntN(200)); k++ {
				p[k] = byte(r.Uint32())
			}
		}
		pages[r.Uint32N(limit)] = p
	}
	for i := range pages {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	return indexes, pages
}

func whole(b Blocks) []byte {
	p := make([]byte, PageSize)
	b.Each(func(at int, block []byte) { copy(p[at:], block) })
	return p
}

func TestPages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 255, 256, 257, 700} {
		indexes, pages := noise(r, n, 1000)
		b := AppendPages(nil, indexes, func(dst []byte, i uint32) { copy(dst, pages[i]) })
		rd := NewReader(append(b, "rest"...))
		set := rd.Pages(1000)
		if rd.Err() != nil || rd.Len() != 4 || set.Len() != n {
			t.Fatalf("%d pages: read %d, %d bytes left, %v", n, set.Len(), rd.Len(), rd.Err())
		}
		var got []uint32
		err := set.Each(func(i uint32, b Blocks) error {
			got = append(got, i)
			if !bytes.Equal(whole(b), pages[i]) {
				t.Errorf("page %d differs", i)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, indexes) {
			t.Errorf("pages %v, want %v, error %v", got, indexes, err)
		}
	}
}

func TestPagesOutOfBounds(t *testing.T) {
	set := func(vs ...uint64) []byte {
		var b []byte
		for _, v := range vs {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	ok := AppendPages(nil, []uint32{3, 9}, func(dst []byte, i uint32) { dst[0] = byte(i) })
	tests := []struct {
		name  string
		b     []byte
		limit uint32
	}{
		{"more pages than the limit", ok, 1},
		{"a page at the limit", ok, 9},
		{"an index that overflows 32 bits", set(2, 5, math.MaxUint32-4), 100},
		{"an index that overflows 64 bits", set(2, 5, math.MaxUint64-4), 100},
		{"a count without indexes", set(90), 100},
		{"a count that overflows", set(math.MaxUint64), math.MaxUint32},
		{"a chunk longer than the rest", set(1, 0, 1<<40), 100},
		{"a long varint", []byte{0x81, 0x00, 0, 0}, 100},
		{"nothing", nil, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(tt.b)
			if r.Pages(tt.limit); !errors.Is(r.Err(), ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", r.Err())
			}
		})
	}
}

// chunkOf makes a set of one page whose frame holds raw.
func chunkOf(raw []byte) Pages {
	c := newCodec()
	frame := c.enc.EncodeAll(raw, nil)
	b := append([]byte{1, 0}, binary.AppendUvarint(nil, uint64(len(frame)))...)
	return NewReader(append(b, frame...)).Pages(1)
}

func TestChunksOutOfBounds(t *testing.T) {
	block := func(mask uint64, n int) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, mask), make([]byte, n)...)
	}
	for name, raw := range map[string][]byte{
		"empty":              {},
		"half a mask":        {1, 2, 3},
		"a block missing":    block(3, 64),
		"a byte too many":    block(1, 65),
		"a page too many":    append(block(1, 64), block(1, 64)...),
		"larger than a page": make([]byte, PageSize+9),
		"a bomb":             make([]byte, 64<<20),
	} {
		t.Run(name, func(t *testing.T) {
			set := chunkOf(raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := set.Each(func(uint32, Blocks) error { return nil })
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
				t.Errorf("%d bytes allocated", n)
			}
		})
	}
}

func TestEachStops(t *testing.T) {
	stop := errors.New("stop")
	calls := 0
	b := AppendPages(nil, []uint32{0, 1, 2}, func([]byte, uint32) {})
	err := NewReader(b).Pages(3).Each(func(uint32, Blocks) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
}

// TestStaleScratch sees that a page callback that leaves bytes alone would be noticed: the buffer is
// reused, so each page must be written whole.
func TestStaleScratch(t *testing.T) {
	b := AppendPages(nil, []uint32{0, 1}, func(dst []byte, i uint32) {
		for k := range dst {
			dst[k] = byte(i)
		}
	})
	NewReader(b).Pages(2).Each(func(i uint32, b Blocks) error {
		if got, want := whole(b), bytes.Repeat([]byte{byte(i)}, PageSize); !bytes.Equal(got, want) {
			t.Errorf("page %d differs", i)
		}
		return nil
	})
}

func TestUint64s(t *testing.T) {
	want := []uint64{0, 1, math.MaxUint64}
	r := NewReader(AppendUint64s(nil, want))
	if got := r.Uint64s(3); !slices.Equal(got, want) || r.Len() != 0 {
		t.Errorf("%v, want %v", got, want)
	}
	for _, b := range [][]byte{AppendUint64s(nil, make([]uint64, 4)), {3, 0}, {0xff, 0xff, 0xff, 0xff, 0x0f}} {
		r := NewReader(b)
		if r.Uint64s(3); !errors.Is(r.Err(), ErrCorrupt) {
			t.Errorf("%x: %v, want ErrCorrupt", b, r.Err())
		}
	}
}

func TestEnvelope(t *testing.T) {
	magic := [4]byte{'t', 'e', 's', 't'}
	b, err := Seal(append(Begin(magic), "content"...))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(magic, b)
	if err != nil || string(r.Bytes(7)) != "content" || r.Len() != 0 {
		t.Errorf("opened: %v", err)
	}
	if _, err := Open([4]byte{'t', 'e', 's', 'u'}, b); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another magic: %v, want ErrCorrupt", err)
	}
}
