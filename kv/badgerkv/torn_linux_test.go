package badgerkv

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/vivarium-run/vivarium/kv"
)

// A kill spares the page cache, so it cannot show a missing sync. These tests look at the log
// itself. The first asks the kernel, at the moment when a commit has returned and no done was
// called, whether any page of the log is dirty: none may be. So the log as it is at that moment is
// what a power cut leaves at the least. The second tears copies of the log at such moments and
// behind them, and opens them.

func TestLogIsCleanWhenACommitReturns(t *testing.T) {
	for _, tt := range []struct {
		name string
		sync bool
	}{
		{"synced", true},
		{"control: the probe sees dirty pages without sync", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := diskDir(t)
			var dirty []int
			s := openSmall(t, dir, hooks{
				options:     func(o *badger.Options) { o.SyncWrites = o.SyncWrites && tt.sync },
				afterCommit: func() { dirty = append(dirty, dirtyLogBytes(t, dir)) },
			})
			defer s.Close()
			l := claim(t, s, kv.NewSpace("class", "a"))
			for n := range uint64(20) {
				if err := <-submit(s, l, n+1, put("k", strings.Repeat("v", int(n)*1000))); err != nil {
					t.Fatal(err)
				}
			}
			if total := sum(dirty); (total == 0) != tt.sync || len(dirty) != 20 {
				t.Errorf("dirty bytes of the log after each commit: %v", dirty)
			}
		})
	}
}

// diskDir returns a temporary folder on a disk: memory file systems never clean a page.
func diskDir(t *testing.T) string {
	t.Helper()
	const tmpfs = 0x01021994
	dir := t.TempDir()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != tmpfs {
		return dir
	}
	dir, err := os.MkdirTemp(".", "disk-*.tmp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func sum(list []int) (total int) {
	for _, n := range list {
		total += n
	}
	return total
}

// dirtyLogBytes returns how much of dir's mapped log files the kernel has not written to disk.
func dirtyLogBytes(t *testing.T, dir string) (bytes int) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer f.Close()
	inLog := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.Contains(fields[0], "-"): // a mapping's address range
			path := fields[len(fields)-1]
			inLog = strings.HasPrefix(path, dir) && strings.HasSuffix(path, ".mem")
		case inLog && (fields[0] == "Shared_Dirty:" || fields[0] == "Private_Dirty:"):
			var kib int
			fmt.Sscan(fields[1], &kib)
			bytes += kib << 10
		}
	}
	return bytes
}

func TestTornLog(t *testing.T) {
	const deltas = 24
	dir := t.TempDir()
	var ends []int64 // of the log, when each commit returned
	s := openSmall(t, dir, hooks{afterCommit: func() { ends = append(ends, entryEnds(t, logFile(t, dir))[0]) }})
	spaces := []kv.Space{kv.NewSpace("class", "a"), kv.NewSpace("class", "b"), kv.NewSpace("other", "a")}
	var leases []kv.Lease
	for _, space := range spaces {
		leases = append(leases, claim(t, s, space))
	}
	for i := range deltas {
		// One at a time, so that commit i holds delta i and no other.
		done := make(chan error, 1)
		s.Commit(leases[i%3], tornDelta(i), func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if len(ends) != deltas {
		t.Fatalf("commits: got %d, want %d", len(ends), deltas)
	}
	// All is on disk and the store is idle: what a copy holds now is a state of the disk.
	log := logFile(t, dir)
	bounds := entryEnds(t, log)
	rnd := rand.New(rand.NewSource(1))
	tear := func(acked int, at int64, garbage bool) {
		t.Run(fmt.Sprintf("delta %d, cut at %d, garbage %t", acked, at, garbage), func(t *testing.T) {
			torn := copyStore(t, dir, log, at, garbage, rnd)
			s := openSmall(t, torn, hooks{})
			defer s.Close()
			checkTorn(t, s, spaces, acked)
		})
	}
	for i := range deltas {
		if i%5 != 0 && i != deltas-1 {
			continue
		}
		end := ends[i]
		tear(i, end, false)
		tear(i, end, true)
		if i == deltas-1 {
			break
		}
		// Between this delta's sync and the next one's: within entries and between them.
		next := ends[i+1]
		tear(i, end+1+rnd.Int63n(next-end-1), false)
		tear(i, end+1+rnd.Int63n(next-end-1), true)
		inner := slices.DeleteFunc(slices.Clone(bounds), func(b int64) bool { return b <= end || b >= next })
		tear(i, inner[rnd.Intn(len(inner))], false)
		tear(i, slices.Max(inner), false) // all but the mark that ends the transaction
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// tornDelta is commit i: delta i/3+1 of space i%3.
func tornDelta(i int) *kv.Delta {
	d := &kv.Delta{N: uint64(i/3 + 1), Ops: []kv.Op{put("a", fmt.Sprint(i)), put(fmt.Sprintf("row%02d", i), "v"), put("z", fmt.Sprint(i))}}
	if i%7 == 3 {
		d.Ops = append(d.Ops, kv.Op{Key: []byte("large"), Value: crashLarge(uint64(i))})
	}
	return d
}

// checkTorn fails unless the store holds exactly the commits 0 to last.
func checkTorn(t *testing.T, s *Store, spaces []kv.Space, last int) {
	t.Helper()
	want := make([]map[string]string, len(spaces))
	pos := make([]uint64, len(spaces))
	for i := range last + 1 {
		if want[i%3] == nil {
			want[i%3] = make(map[string]string)
		}
		d := tornDelta(i)
		pos[i%3] = d.N
		for _, op := range d.Ops {
			want[i%3][string(op.Key)] = string(op.Value)
		}
	}
	for i, space := range spaces {
		if got := claim(t, s, space).Pos; got != pos[i] {
			t.Errorf("space %v: got position %d, want %d", space, got, pos[i])
		}
		n := 0
		for item, err := range s.Scan(t.Context(), space, kv.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if want[i][string(item.Key)] != string(item.Value) {
				t.Errorf("space %v: item %q is not that of the deltas", space, item.Key)
			}
		}
		if n != len(want[i]) {
			t.Errorf("space %v: got %d items, want %d", space, n, len(want[i]))
		}
	}
}

// logFile returns the newest write-ahead log in dir.
func logFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log in %s: %v", dir, err)
	}
	return slices.Max(files)
}

// entryEnds returns where the entries of a log end, the last first. An entry is meta byte, user
// meta byte, three varints (lengths of key and value, expiry), key, value, checksum; zeros follow
// the last.
func entryEnds(t *testing.T, path string) []int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const fileHeader = 20
	var ends []int64
	for at := fileHeader; ; {
		i := at + 2
		var lengths [3]uint64
		for k := range lengths {
			v, n := binary.Uvarint(b[i:])
			lengths[k] = v
			i += n
		}
		if lengths[0] == 0 {
			slices.Reverse(ends)
			return ends
		}
		at = i + int(lengths[0]+lengths[1]) + 4
		ends = append(ends, int64(at))
	}
}

// copyStore copies the store in dir, its log only up to at. What follows in the log is zeros, as
// in the file before it was written, or garbage.
func copyStore(t *testing.T, dir, log string, at int64, garbage bool, rnd *rand.Rand) string {
	t.Helper()
	to := t.TempDir()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		from := filepath.Join(dir, f.Name())
		size := int64(-1) // all
		switch {
		case f.Name() == "LOCK":
			continue
		case from == log:
			size = at
		case strings.HasSuffix(f.Name(), ".vlog"):
			size = 4096 // the rest is a hole: no value is in it
		}
		copyHead(t, from, filepath.Join(to, f.Name()), size)
	}
	if garbage {
		f, err := os.OpenFile(filepath.Join(to, filepath.Base(log)), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 3000)
		rnd.Read(b)
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// copyHead copies the first n bytes of a file, all for -1, and makes the copy as long as the file.
func copyHead(t *testing.T, from, to string, n int64) {
	t.Helper()
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		n = info.Size()
	}
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if _, err := io.CopyN(dst, src, n); err != nil {
		t.Fatal(err)
	}
	if err := dst.Truncate(info.Size()); err != nil {
		t.Fatal(err)
	}
}
