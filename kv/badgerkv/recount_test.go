package badgerkv

import (
	"encoding/binary"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// A store of the format that did not count is counted when it is opened, also after it was cut off half way.
func TestRecount(t *testing.T) {
	old := func(s kv.Space) func(*badger.Txn) {
		return func(txn *badger.Txn) {
			row, _, err := readRow(txn, headKey(s))
			if err != nil {
				panic(err)
			}
			txn.Set(headKey(s), row[:oldHeadSize])
		}
	}
	for name, spaces := range map[string][]kv.Space{"whole": {checkA, checkB, kv.NewSpace("other", "plain")}, "half done": {checkB}} {
		t.Run(name, func(t *testing.T) {
			dir := makeStore(t, func(txn *badger.Txn) {
				for _, s := range spaces {
					old(s)(txn)
				}
				txn.Delete(totalsKey("class"))
				txn.Delete(totalsKey("other"))
				txn.Set(keyVersion, binary.BigEndian.AppendUint64(nil, 1))
			})
			s := openSmall(t, dir, hooks{})
			item := int64(len("k")+len("v")) + int64(len("large")) + 3*chunkSize
			if got, want := s.Totals("class"), (kv.Counts{kv.Bytes: 2 * item, kv.Names: 2}); got != want {
				t.Errorf("class: got %v, want %v", got, want)
			}
			if got, want := s.Totals("other"), (kv.Counts{kv.Bytes: 2}); got != want {
				t.Errorf("other: got %v, want %v", got, want)
			}
			if err := <-submit(s, claim(t, s, kv.NewSpace("other", "plain")), 2, put("k", "")); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := found(t, dir); len(got) > 0 {
				t.Errorf("found %q", got)
			}
		})
	}
}
