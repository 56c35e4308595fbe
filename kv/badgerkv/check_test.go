package badgerkv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

var (
	checkA = kv.NewSpace("class", "a")
	checkB = kv.NewSpace("class", "b")
)

// makeStore fills a store with rows of every kind and lets damage change them, past the committer.
func makeStore(t *testing.T, damage func(txn *badger.Txn)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	hold := make(chan struct{})
	s := openSmall(t, dir, hooks{swept: func(int) { <-hold }}) // garbage stays, but for the first step of it
	due := timeOf(1)
	for i, sp := range []kv.Space{checkA, checkB} {
		done := make(chan error, 2)
		l := claim(t, s, sp)
		large := kv.Op{Key: []byte("large"), Value: make([]byte, 3*chunkSize)}
		s.Commit(l, &kv.Delta{N: 1, Ops: []kv.Op{put("k", "v"), large}, Bind: fmt.Append(nil, "name ", i), Due: &due}, func(err error) { done <- err })
		s.Commit(l, &kv.Delta{N: 2, Ops: []kv.Op{large}}, func(err error) { done <- err })
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := <-submit(s, claim(t, s, kv.NewSpace("other", "plain")), 1, put("k", "v")); err != nil {
		t.Fatal(err)
	}
	fill(t, s, kv.NewSpace("class", "dead"))
	if damage != nil {
		ts := s.snaps.newest() + 1000 // behind whatever the sweeper does
		txn := s.db.NewTransactionAt(ts-1, true)
		damage(txn)
		if err := txn.CommitAt(ts, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(s.stop) // the sweeper ends where it is
	close(hold)
	s.closeOnce.Do(func() {})
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.work.Broadcast()
	s.loops.Wait()
	if err := errors.Join(s.db.Close(), s.owner.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func inspect(t *testing.T, dir string) *Inspection {
	t.Helper()
	in, err := Inspect(Config{Dir: dir, MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// found returns the codes that a check of the store finds, sorted.
func found(t *testing.T, dir string) []string {
	t.Helper()
	in := inspect(t, dir)
	defer in.Close()
	var codes []string
	if err := in.Check(t.Context(), func(d kv.Damage) {
		t.Log(d)
		codes = append(codes, d.Code)
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(codes)
	return codes
}

func TestCheck(t *testing.T) {
	set := func(key, value []byte) func(*badger.Txn) {
		return func(txn *badger.Txn) { txn.Set(key, value) }
	}
	remove := func(keys ...[]byte) func(*badger.Txn) {
		return func(txn *badger.Txn) {
			for _, key := range keys {
				txn.Delete(key)
			}
		}
	}
	change := func(s kv.Space, f func(*head)) func(*badger.Txn) {
		return func(txn *badger.Txn) {
			row, _, err := readRow(txn, headKey(s))
			h, ok := decodeHead(row)
			if err != nil || !ok {
				panic("no head")
			}
			f(&h)
			txn.Set(headKey(s), h.encode())
		}
	}
	ms := timeOf(1).UnixMilli()
	chunk := func(delta uint64, part uint32) []byte { return chunkKey(checkA, chunkSet{delta: delta, op: 0}, part) }
	stranger := kv.NewSpace("class", "stranger")
	for _, tt := range []struct {
		name   string
		damage func(*badger.Txn)
		want   []string
	}{
		{"nothing", nil, nil},
		{"a head is gone", remove(headKey(checkA)), []string{"store/due_of_nobody", "store/name_of_nobody", "store/no_head"}},
		{"a head is garbage", set(headKey(checkA), []byte("garbage")), []string{"store/bad_row", "store/due_of_nobody", "store/name_of_nobody", "store/no_head"}},
		{"a head of a boot to come", change(checkA, func(h *head) { h.epoch.Boot += 1000 }), []string{"store/bad_head"}},
		{"a head of no delta", change(checkA, func(h *head) { h.pos = 0 }), []string{"store/bad_head"}},
		{"a tombstone that nobody sweeps", change(checkA, func(h *head) { *h = head{flags: destroyed, pos: 3, epoch: h.epoch} }), []string{"store/due_of_nobody", "store/lost_garbage", "store/name_of_nobody"}},
		{"a due row is gone", remove(dueKey(ms, checkA)), []string{"store/due_lost"}},
		{"a due row of another moment", set(dueKey(ms+1, checkA), nil), []string{"store/due_of_nobody"}},
		{"a due row of nobody", set(dueKey(ms, stranger), nil), []string{"store/due_of_nobody"}},
		{"a moment that nobody knows", change(checkA, func(h *head) { h.flags &^= hasDue; h.due = 0 }), []string{"store/due_of_nobody"}},
		{"a binding is gone", remove(nameKey("class", []byte("name 0"))), []string{"store/name_lost"}},
		{"a binding finds another", set(nameKey("class", []byte("name 0")), []byte("b")), []string{"store/name_lost", "store/name_of_nobody"}},
		{"a binding of nobody", set(nameKey("class", []byte("x")), []byte("stranger")), []string{"store/name_of_nobody"}},
		{"a name is gone", remove(nameOfKey(checkA)), []string{"store/name_lost", "store/name_of_nobody"}},
		{"a chunk is gone", remove(chunk(2, 1)), []string{"store/missing_chunk"}},
		{"all chunks are gone", remove(chunk(2, 0), chunk(2, 1), chunk(2, 2)), []string{"store/missing_chunk"}},
		{"a chunk too many", set(chunk(2, 3), []byte("x")), []string{"store/missing_chunk"}},
		{"a chunk of nobody", set(chunk(9, 0), []byte("x")), []string{"store/stray_chunk"}},
		{"the item of chunks is gone", remove(itemKey(checkA, []byte("large"))), []string{"store/stray_chunk"}},
		{"a head that knows of no chunks", change(checkA, func(h *head) { h.flags &^= hasChunks }), []string{"store/bad_head"}},
		{"a row that nobody knows", set([]byte("x"), []byte("y")), []string{"store/unknown_row"}},
		{"a row of a space that nobody knows", set(append(spacePrefix(checkA, 0), 'z'), nil), []string{"store/unknown_row"}},
		{"an item without a space", set(itemKey(stranger, []byte("k")), nil), []string{"store/no_head"}},
		{"an item with a foreign mark", func(txn *badger.Txn) {
			txn.SetEntry(badger.NewEntry(itemKey(checkA, []byte("k")), []byte("v")).WithMeta(7))
		}, []string{"store/bad_row"}},
		{"a head that counts wrongly", change(checkA, func(h *head) { h.holds[kv.Bytes]++ }), []string{"store/wrong_counts"}},
		{"a head with a name too many", change(kv.NewSpace("other", "plain"), func(h *head) { h.holds[kv.Names]++ }), []string{"store/wrong_counts"}},
		{"marks that the class does not know", change(checkA, func(h *head) { h.holds[kv.MarkB]++ }), []string{"store/wrong_totals"}},
		{"totals are gone", remove(totalsKey("other")), []string{"store/wrong_totals"}},
		{"totals of nobody", set(totalsKey("nobody"), appendCounts(nil, kv.Counts{1, 2, 3, 4})), []string{"store/wrong_totals"}},
		{"totals below zero", set(totalsKey("other"), appendCounts(nil, kv.Counts{-1})), []string{"store/bad_row"}},
		{"no boot number", remove(keyBoot), []string{"store/bad_head", "store/bad_head", "store/bad_head", "store/no_boot"}},
		{"no version", remove(keyVersion), []string{"store/no_version"}},
		{"a newer version", set(keyVersion, []byte{0, 0, 0, 0, 0, 0, 0, 9}), []string{"store/newer_version"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := found(t, makeStore(t, tt.damage)); !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// A damaged table is found before the engine is opened on it: it would end the process.
func TestCheckFiles(t *testing.T) {
	dir := makeStore(t, nil)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("tables: %q, %v", tables, err)
	}
	whole, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	check := func(file []byte) (found []string) {
		t.Helper()
		if err := os.WriteFile(tables[0], file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := CheckFiles(dir, func(d kv.Damage) { found = append(found, d.Code) }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := check(whole); got != nil {
		t.Errorf("a whole table: %q", got)
	}
	bad := []string{"store/bad_table"}
	for _, n := range []int{0, 1, 4, 7, 100, len(whole) / 2, len(whole) - 1} {
		if got := check(whole[:n]); !slices.Equal(got, bad) {
			t.Errorf("cut off at %d of %d: %q", n, len(whole), got)
		}
	}
	for n := range len(whole) {
		if n > 50 && n < len(whole)-50 && n%(len(whole)/50) != 0 {
			continue
		}
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		if got := check(flipped); !slices.Equal(got, bad) {
			t.Errorf("a flipped bit at %d of %d: %q", n, len(whole), got)
		}
	}
	if got := check(append(bytes.Clone(whole), 0)); !slices.Equal(got, bad) {
		t.Errorf("a byte more: %q", got)
	}
}

// A store without tables, or with a manifest of nobody's, is reported when it is opened.
func TestInspectOfDamagedFiles(t *testing.T) {
	whole := makeStore(t, nil)
	for name, damage := range map[string]func(dir string) error{
		"manifest": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("garbage, and more"), 0o600)
		},
		"tables": func(dir string) error {
			tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
			for _, name := range tables {
				err = errors.Join(err, os.Remove(name))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Inspect(Config{Dir: dir, MemTableSize: 16 << 20}); !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("got %v, want ErrCorrupt", err)
			}
		})
	}
}

func TestInspection(t *testing.T) {
	dir := makeStore(t, nil)
	for range 2 { // looking changes nothing
		in := inspect(t, dir)
		if _, err := Inspect(Config{Dir: dir}); err == nil {
			t.Error("two look at one store")
		}
		var got []string
		for h, err := range in.Spaces(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s/%s %q %t", h.Space.Class(), h.Space.ID(), h.Name, h.Due.Equal(timeOf(1))))
		}
		if want := []string{`class/a "name 0" true`, `class/b "name 1" true`, `other/plain "" false`}; !slices.Equal(got, want) {
			t.Errorf("spaces %q, want %q", got, want)
		}
		if v, err := in.Get(t.Context(), checkA, []byte("large")); len(v) != 3*chunkSize || err != nil {
			t.Errorf("got %d bytes, %v", len(v), err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := openSmall(t, dir, hooks{})
	defer s.Close()
	if l := claim(t, s, checkA); l.Pos != 2 || l.Epoch.Boot != 2 {
		t.Errorf("after it: %+v, want position 2 and boot 2", l)
	}
}
