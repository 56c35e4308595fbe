package badgerkv

import (
	"bytes"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

func TestDueKeysSortByTime(t *testing.T) {
	s := kv.NewSpace("c", "i")
	var last []byte
	for _, ms := range []int64{-1 << 63, -5000, -1, 0, 1, 255, 256, 1 << 40, 1<<63 - 1} {
		key := dueKey(ms, s)
		if bytes.Compare(last, key) >= 0 {
			t.Errorf("moment %d does not sort behind the one before", ms)
		}
		last = key
		if gotMs, gotSpace, ok := cutDue(key); gotMs != ms || gotSpace != s || !ok {
			t.Errorf("moment %d: got %d, %v, %t", ms, gotMs, gotSpace, ok)
		}
	}
}

func TestHeadRow(t *testing.T) {
	h := head{flags: hasChunks | hasDue, pos: 7, epoch: kv.Epoch{Boot: 3, Claim: 9}, due: -12}
	got, ok := decodeHead(h.encode())
	if !ok || got != h {
		t.Errorf("got %+v, %t, want %+v", got, ok, h)
	}
	if _, ok := decodeHead(h.encode()[1:]); ok {
		t.Error("a short row was read")
	}
	h.setDue(time.UnixMilli(5).Add(time.Nanosecond))
	if h.due != 6 {
		t.Errorf("due: got %d, want it rounded up to 6", h.due)
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte{}, byte(0))
	f.Add(garbageChunksKey(kv.NewSpace("a", "b"), 3), byte(1))
	f.Add(dueKey(1, kv.NewSpace("a", "b")), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, _ byte) {
		// Rows come from disk, so whatever they hold must be refused without a panic.
		decodeHead(b)
		cutChunkSet(b)
		cutSpace(b)
		if bytes.HasPrefix(b, prefixDue) {
			if ms, s, ok := cutDue(b); ok && !bytes.Equal(dueKey(ms, s), b) {
				t.Errorf("%q is read as another key's moment", b)
			}
		}
	})
}
