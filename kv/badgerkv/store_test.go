package badgerkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name    string
		config  Config
		wantErr string
	}{
		{"no folder", Config{}, "without a folder"},
		{"memtable too small for a delta", Config{Dir: "x", MemTableSize: 1 << 20}, "memtable of 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Open(tt.config); err == nil || !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("got %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func TestOneProcessHoldsTheFolder(t *testing.T) {
	dir := t.TempDir()
	s := openSmall(t, dir, hooks{})
	defer s.Close()
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("a second open succeeded")
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openSmall(t, dir, hooks{})
	txn := s.db.NewTransactionAt(s.snaps.newest(), true)
	txn.Set(keyVersion, binary.BigEndian.AppendUint64(nil, formatVersion+1))
	if err := txn.CommitAt(s.snaps.newest()+1, nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := Open(Config{Dir: dir, MemTableSize: 16 << 20})
	if err == nil || !strings.Contains(err.Error(), "use a newer program") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestBootNumberGrows(t *testing.T) {
	dir := t.TempDir()
	for want := uint64(1); want <= 3; want++ {
		s := openSmall(t, dir, hooks{})
		if got := claim(t, s, kv.NewSpace("c", "i")).Epoch; got != (kv.Epoch{Boot: want, Claim: 1}) {
			t.Errorf("epoch: got %v, want boot %d, claim 1", got, want)
		}
		s.Close()
	}
}

// The defaults must admit what the design promises to a turn, whatever else is in the delta.
func TestDefaultLimits(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := s.Limits()
	if l.MaxBytes < 8<<20+64<<10 || l.MaxOps < 10_000 || l.MaxKey < 4<<10 || l.MaxValue < 8<<20 {
		t.Errorf("limits are too low: %+v", l)
	}
	for _, tt := range []struct {
		name      string
		class, id int // lengths
		want      error
	}{
		{"space name within the promise", 63, 33, nil},
		{"longest space name", 255, 255, kv.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			space := kv.NewSpace(strings.Repeat("c", tt.class), strings.Repeat("i", tt.id))
			for round := range uint64(2) { // the second overwrites chunked values
				d := fullDelta(l, round+1)
				done := make(chan error, 1)
				s.Commit(claim(t, s, space), d, func(err error) { done <- err })
				if err := <-done; !errors.Is(err, tt.want) {
					t.Fatalf("round %d: got %v, want %v", round, err, tt.want)
				}
			}
			if s.Err() != nil {
				t.Errorf("the store stopped: %v", s.Err())
			}
		})
	}
}

// fullDelta is at all limits at once: the most operations, the most bytes, some of them chunked,
// with a name of the greatest length.
func fullDelta(l kv.Limits, n uint64) *kv.Delta {
	due := timeOf(n)
	d := &kv.Delta{N: n, Bind: []byte(strings.Repeat(string('a'+rune(n)), l.MaxKey)), Due: &due}
	for i := range l.MaxOps {
		d.Ops = append(d.Ops, put(fmt.Sprintf("%06d", i), ""))
	}
	for i := range 8 {
		d.Ops[i].Value = make([]byte, chunkSize+1)
	}
	for i := 8; d.Size() < l.MaxBytes; i++ {
		d.Ops[i].Value = make([]byte, min(chunkSize, l.MaxBytes-d.Size()))
	}
	return d
}

// rows counts the engine's rows behind a prefix.
func rows(t testing.TB, s *Store, prefix []byte) int {
	t.Helper()
	n := 0
	err := s.view(t.Context(), func(txn *badger.Txn) error {
		return s.walk(t.Context(), txn, prefix, kv.Range{}, func([]byte, *badger.Item) error {
			n++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func awaitNoGarbage(t testing.TB, s *Store) {
	t.Helper()
	kvtest.Eventually(t, "garbage gone", func() bool { return rows(t, s, prefixGarbage) == 0 })
}

func TestStaleChunksGo(t *testing.T) {
	s := openSmall(t, t.TempDir(), hooks{})
	defer s.Close()
	space := kv.NewSpace("c", "i")
	l := claim(t, s, space)
	big := func(parts int) kv.Op { return kv.Op{Key: []byte("k"), Value: make([]byte, parts*chunkSize)} }
	for i, op := range []kv.Op{big(2), big(1), big(2), big(2), {Key: []byte("k")}, big(2), put("k", "small")} {
		if err := <-submit(s, l, uint64(i+1), op, put("other", "x")); err != nil {
			t.Fatal(err)
		}
	}
	awaitNoGarbage(t, s)
	if n := rows(t, s, append(spacePrefix(space, 0), rowChunk)); n != 0 {
		t.Errorf("chunks left: %d", n)
	}
	<-submit(s, l, 8, big(3))
	awaitNoGarbage(t, s)
	if n := rows(t, s, append(spacePrefix(space, 0), rowChunk)); n != 3 {
		t.Errorf("chunks: got %d, want 3", n)
	}
}

func TestDestroyLeavesNothing(t *testing.T) {
	steps := make(chan int, 1000)
	s := openSmall(t, t.TempDir(), hooks{swept: func(n int) { steps <- n }})
	defer s.Close()
	space := kv.NewSpace("c", "i")
	keep := kv.NewSpace("c", "ia")
	<-submit(s, claim(t, s, keep), 1, put("k", "v"))
	before := rows(t, s, nil)
	fill(t, s, space)
	awaitNoGarbage(t, s)
	if got := rows(t, s, nil); got != before {
		t.Errorf("rows: got %d, want %d as before", got, before)
	}
	close(steps)
	total := 0
	for n := range steps {
		if total += n; n > sweepRows {
			t.Errorf("a step removed %d rows", n)
		}
	}
	if total < 3000 {
		t.Errorf("removed: got %d rows", total)
	}
}

// fill gives space rows of every kind, some names and large values, and destroys it.
func fill(t *testing.T, s *Store, space kv.Space) {
	t.Helper()
	l := claim(t, s, space)
	var ops []kv.Op
	for i := range 3000 {
		ops = append(ops, put(fmt.Sprintf("%05d", i), "v"))
	}
	due := timeOf(1)
	ops = append(ops, kv.Op{Key: []byte("large"), Value: make([]byte, chunkSize+1)})
	done := make(chan error, 3)
	note := func(err error) { done <- err }
	s.Commit(l, &kv.Delta{N: 1, Ops: ops, Bind: []byte("name"), Due: &due}, note)
	s.Commit(l, &kv.Delta{N: 2, Ops: []kv.Op{put("large", "small")}, Bind: []byte("name 2")}, note)
	s.Destroy(l, note)
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func TestSweepGoesOnAfterReopen(t *testing.T) {
	dir := t.TempDir()
	step, proceed := make(chan struct{}, 100), make(chan struct{})
	s := openSmall(t, dir, hooks{swept: func(int) {
		step <- struct{}{}
		<-proceed
	}})
	space := kv.NewSpace("c", "i")
	fill(t, s, space)
	<-step // some rows are gone, most are not
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	kvtest.Eventually(t, "closing", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.closing
	})
	close(proceed)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}

	hold := make(chan struct{})
	s = openSmall(t, dir, hooks{swept: func(int) { <-hold }})
	defer s.Close()
	if n := rows(t, s, spacePrefix(space, 0)); n == 0 {
		t.Fatal("nothing is left to sweep: the test proves nothing")
	}
	if _, err := s.Claim(t.Context(), space); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("claim: got %v, want ErrNotFound", err)
	}
	if _, err := s.Get(t.Context(), space, []byte("02999")); !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("get: got %v, want ErrNotFound", err)
	}
	for item := range s.Scan(t.Context(), space, kv.Range{}) {
		t.Fatalf("scan found %q", item.Key)
	}
	close(hold)
	awaitNoGarbage(t, s)
	if n := rows(t, s, spacePrefix(space, 0)); n != 0 {
		t.Errorf("rows left: %d", n)
	}
	// Nothing is left, so the id is forgotten, and a space of that id would be a new one.
	kvtest.Eventually(t, "id forgotten", func() bool { return !s.dying.has(space) })
	if l := claim(t, s, space); l.Pos != 0 {
		t.Errorf("position: got %d, want 0", l.Pos)
	}
}

// A destroyed space stays absent for as long as a snapshot is open in which rows of it are left.
func TestDyingOutlivesSnapshots(t *testing.T) {
	s := openSmall(t, t.TempDir(), hooks{})
	defer s.Close()
	space, other := kv.NewSpace("c", "i"), kv.NewSpace("c", "other")
	lo := claim(t, s, other)
	<-submit(s, lo, 1, put("k", "v"))
	for range s.Scan(t.Context(), other, kv.Range{}) {
		fill(t, s, space)
		awaitNoGarbage(t, s)
		<-submit(s, lo, 2)
		if !s.dying.has(space) {
			t.Error("forgotten under an open snapshot")
		}
	}
	<-submit(s, lo, 3)
	kvtest.Eventually(t, "id forgotten", func() bool { return !s.dying.has(space) })
}

func TestSnapshots(t *testing.T) {
	var s snapshots
	s.init(5)
	a, _ := s.begin()
	s.publish(6)
	b, _ := s.begin()
	c, _ := s.begin()
	if a != 5 || b != 6 || c != 6 {
		t.Errorf("reads at %d, %d, %d, want 5, 6, 6", a, b, c)
	}
	for _, step := range []struct {
		end    uint64
		oldest uint64
	}{{b, 5}, {a, 6}, {c, 7}} {
		s.end(step.end)
		s.publish(7)
		if got := s.oldest(); got != step.oldest {
			t.Errorf("after the end of %d: oldest is %d, want %d", step.end, got, step.oldest)
		}
	}
	s.close()
	if _, err := s.begin(); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
