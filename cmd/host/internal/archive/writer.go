package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/vivarium-run/vivarium/kv"
)

// Writer writes a file: rows, then modules, then Close. After a failure it is of no use.
type Writer struct {
	w     io.Writer
	sum   hash.Hash
	rows  []byte // gathered for the next frame
	frame []byte
	count Count
}

// NewWriter begins a file.
func NewWriter(w io.Writer, info Info) (*Writer, error) {
	aw := &Writer{w: w, sum: sha256.New()}
	doc, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := aw.write(binary.BigEndian.AppendUint32([]byte(magic), Version)); err != nil {
		return nil, err
	}
	return aw, aw.put(frameInfo, doc)
}

// Row adds an item of the store.
func (w *Writer) Row(it kv.Item) error {
	if len(it.Key)+len(it.Value) > maxRow {
		return fmt.Errorf("archive: an item of %d bytes", len(it.Key)+len(it.Value))
	}
	w.rows = binary.BigEndian.AppendUint32(w.rows, uint32(len(it.Key)))
	w.rows = binary.BigEndian.AppendUint32(w.rows, uint32(len(it.Value)))
	w.rows = append(append(w.rows, it.Key...), it.Value...)
	w.count.Rows++
	if len(w.rows) < batch {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	if len(w.rows) == 0 {
		return nil
	}
	rows := w.rows
	w.rows = w.rows[:0]
	return w.put(frameRows, rows)
}

// Module adds a module of so many bytes. An error of r is returned as it is.
func (w *Writer) Module(d Digest, size int64, r io.Reader) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.put(frameModule, binary.BigEndian.AppendUint64(d[:], uint64(size))); err != nil {
		return err
	}
	buf := make([]byte, batch)
	for left := size; left > 0; {
		n, err := io.ReadFull(r, buf[:min(left, batch)])
		if err != nil {
			return err
		}
		if err := w.put(frameData, buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	w.count.Modules++
	return nil
}

// Close ends the file. It does not close what is below.
func (w *Writer) Close() (Count, error) {
	if err := w.flush(); err != nil {
		return w.count, err
	}
	end := binary.BigEndian.AppendUint64(nil, uint64(w.count.Rows))
	end = binary.BigEndian.AppendUint64(end, uint64(w.count.Modules))
	return w.count, w.put(frameEnd, w.sum.Sum(end))
}

func (w *Writer) put(kind byte, payload []byte) error {
	b := append(w.frame[:0], kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, payload...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	w.frame = b
	return w.write(b)
}

func (w *Writer) write(b []byte) error {
	w.sum.Write(b)
	n, err := w.w.Write(b)
	w.count.Bytes += int64(n)
	return err
}
