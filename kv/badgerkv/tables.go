package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/pb"
	badgertable "github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"

	"github.com/vivarium-run/vivarium/kv"
)

// CheckFiles reports tables whose bytes are not those that were written, by their own checksums, and a manifest that
// has lost some. Opening a store does the same, with a bound, and so does Inspect; this names all that is damaged. What is in the log has
// no table yet; a damaged log ends where the damage is, as one does whose process was killed in the middle of a write.
func CheckFiles(dir string, report kv.Report) error {
	owner, err := lock(dir) // tables come and go while a host runs
	if err != nil {
		return err
	}
	defer owner.Close()
	named, err := namedTables(dir)
	if err == nil {
		err = checkStopped(dir, named)
	}
	if errors.Is(err, kv.ErrCorrupt) {
		report.Found("store/bad_manifest", filepath.Join(dir, manifestFile), "%v", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("badgerkv: check: %w", err)
	}
	var b buffers
	for _, id := range named {
		name := badgertable.NewFilename(id, dir)
		if _, err := checkTable(name, &b, true); err != nil {
			report.Found("store/bad_table", name, "%v", err)
		}
	}
	return nil
}

// A table is blocks, then its index, and behind the index
//
//	length of the index (u32), checksum of the index, length of the checksum (u32)
//
// A block ends with its checksum and the length of that.
type table struct {
	*buffers
	f    *os.File
	size int64
}

// buffers are what tables are read into, one after the other. What a start leaves to the garbage collector is in the way of
// the engine's own memory, 80 MiB in one piece, which then is memory that was used and has to be cleared.
type buffers struct{ index, block []byte }

var errTable = errors.New("it is cut off, or its lengths are wrong")

// maxChecksum is the most that a checksum has, in bytes: two numbers with their tags.
const maxChecksum = 32

// checkTable returns the size of a table and what is wrong with it: with its index, and if all is set with its blocks.
func checkTable(name string, b *buffers, all bool) (size int64, err error) {
	defer func() {
		if p := recover(); p != nil { // the index, whose checksum is right, was made by somebody
			err = fmt.Errorf("%w: %v", errTable, p)
		}
	}()
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	t := table{b, f, info.Size()}
	index, err := t.readIndex()
	if err != nil {
		return t.size, fmt.Errorf("index: %w", err)
	}
	if !all {
		return t.size, nil
	}
	return t.size, t.blocks(fb.GetRootAsTableIndex(index, 0))
}

// blocks checks all blocks that the index names.
func (t table) blocks(index *fb.TableIndex) error {
	for i := range index.OffsetsLength() {
		var b fb.BlockOffset
		if !index.Offsets(&b, i) {
			return errTable
		}
		var err error
		if t.block, err = t.part(t.block, int64(b.Offset()), int64(b.Len())); err == nil {
			err = checkBlock(t.block)
		}
		if err != nil {
			return fmt.Errorf("block %d of %d: %w", i, index.OffsetsLength(), err)
		}
	}
	return nil
}

// part reads n bytes at a place that may be none, over buf if they fit.
func (t table) part(buf []byte, at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || n > t.size-at {
		return nil, errTable
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	_, err := t.f.ReadAt(buf[:n], at)
	return buf[:n], err
}

// readIndex returns the index, whose checksum is right. It is valid until the next table is read.
func (t table) readIndex() ([]byte, error) {
	b, err := t.part(nil, t.size-4, 4)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > maxChecksum {
		return nil, errTable
	}
	at := t.size - 4 - n
	sum, err := t.part(nil, at, n)
	if err != nil {
		return nil, err
	}
	if b, err = t.part(nil, at-4, 4); err != nil {
		return nil, err
	}
	n = int64(binary.BigEndian.Uint32(b))
	if t.index, err = t.part(t.index, at-4-n, n); err != nil {
		return nil, err
	}
	return t.index, sameSum(t.index, sum)
}

// checkBlock checks the bytes of a block.
func checkBlock(b []byte) error {
	if len(b) < 4 {
		return errTable
	}
	sums := int(binary.BigEndian.Uint32(b[len(b)-4:]))
	if b = b[:len(b)-4]; sums > min(maxChecksum, len(b)) {
		return errTable
	}
	return sameSum(b[:len(b)-sums], b[len(b)-sums:])
}

// sameSum compares bytes with their checksum: the message pb.Checksum, of which field 1 is the algorithm and field 2
// the sum, both numbers.
func sameSum(b, sum []byte) error {
	var want pb.Checksum
	for len(sum) > 0 {
		tag := sum[0]
		v, n := binary.Uvarint(sum[1:])
		if n <= 0 {
			return errTable
		}
		switch tag {
		case 1 << 3:
			want.Algo = pb.Checksum_Algorithm(v)
		case 2 << 3:
			want.Sum = v
		default:
			return errTable
		}
		sum = sum[1+n:]
	}
	if _, known := pb.Checksum_Algorithm_name[int32(want.Algo)]; !known {
		return errTable
	}
	return y.VerifyChecksum(b, &want)
}
