package badgerkv

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

func TestLevelOf(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before int32
		free   int64
		want   int32
	}{
		{"much", roomy, 5000, roomy},
		{"just enough", roomy, 1000, roomy},
		{"a byte less", roomy, 999, full},
		{"enough, but it was full", full, 1000, full},
		{"not yet a quarter more", full, 1249, full},
		{"a quarter more", full, 1250, roomy},
		{"a quarter", roomy, 250, full},
		{"less than a quarter", roomy, 249, spent},
		{"nothing", full, 0, spent},
		{"some after nothing", spent, 250, full},
		{"enough after nothing", spent, 1249, full},
		{"much after nothing", spent, 1250, roomy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := levelOf(tt.before, tt.free, 1000); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestFreeSpaceIsTheSystems(t *testing.T) {
	free, err := freeSpace(t.TempDir())
	if err != nil || free <= 0 {
		t.Errorf("got %d, %v", free, err)
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err == nil {
		defer f.Close()
		_, err = f.WriteAt(make([]byte, 64<<10), 256<<20)
	}
	if err == nil {
		err = f.Sync()
	}
	if n := usedSpace(dir); err != nil || n < 64<<10 || n > 8<<20 {
		t.Errorf("64 KiB at the end of a file of 256 MiB take %d, %v", n, err)
	}
	if _, err := freeSpace("/no such folder"); err == nil {
		t.Error("a folder that is not there has free space")
	}
}

// disk is free space that a test decides on.
type disk struct{ free atomic.Int64 }

func openOn(t *testing.T, dir string, d *disk, h hooks) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, MemTableSize: 16 << 20, MinFree: 1000, hooks: h, Free: func() (int64, error) {
		if free := d.free.Load(); free >= 0 {
			return free, nil
		}
		return 0, errors.New("the disk does not say")
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func awaitLevel(t *testing.T, s *Store, level int32) {
	t.Helper()
	kvtest.Eventually(t, "level", func() bool { return s.space.level.Load() == level })
}

// On a full disk reads go on, deltas are refused, and both are as before when there is space again.
func TestFullDisk(t *testing.T) {
	var d disk
	d.free.Store(5000)
	s := openOn(t, t.TempDir(), &d, hooks{})
	a, b := kv.NewSpace("class", "a"), kv.NewSpace("class", "b")
	la, lb := claim(t, s, a), claim(t, s, b)
	for _, done := range []chan error{submit(s, la, 1, put("k", "1")), submit(s, lb, 1, put("k", "1"))} {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	d.free.Store(999)
	awaitLevel(t, s, full)
	if err := s.Writable(); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("writable: %v", err)
	}
	if st := s.Stats(); !st.ReadOnly || st.FreeBytes != 999 || st.MinFree != 1000 {
		t.Errorf("a full disk is told as %+v", st)
	}
	if err := <-submit(s, la, 2, put("k", "2")); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("a delta on a full disk: %v", err)
	}
	if v, err := s.Get(t.Context(), a, []byte("k")); string(v) != "1" || err != nil {
		t.Errorf("a read on a full disk: %q, %v", v, err)
	}
	d.free.Store(-1) // nobody knows: it counts as before
	d.free.Store(1100)
	if err := <-submit(s, claim(t, s, a), 2, put("k", "2")); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("a delta while hardly more is free: %v", err)
	}
	d.free.Store(1250)
	awaitLevel(t, s, roomy)
	if err := s.Writable(); err != nil {
		t.Errorf("writable: %v", err)
	}
	if err := <-submit(s, claim(t, s, a), 2, put("k", "2")); err != nil {
		t.Errorf("a delta when there is space again: %v", err)
	}
	if err := <-submit(s, lb, 2, put("k", "2")); err != nil {
		t.Errorf("a lease that wrote nothing meanwhile: %v", err)
	}
	if s.Err() != nil {
		t.Errorf("the store stopped: %v", s.Err())
	}
}

// What gives space back goes on until the disk is full to the last, and then when there is some again.
func TestFullDiskIsSwept(t *testing.T) {
	var d disk
	d.free.Store(5000)
	s := openOn(t, t.TempDir(), &d, hooks{})
	space := kv.NewSpace("c", "i")
	keep := kv.NewSpace("c", "keep")
	for _, sp := range []kv.Space{space, keep} {
		if err := <-submit(s, claim(t, s, sp), 1, put("k", "v")); err != nil {
			t.Fatal(err)
		}
	}
	destroy := func(sp kv.Space) error {
		done := make(chan error, 1)
		s.Destroy(claim(t, s, sp), func(err error) { done <- err })
		return <-done
	}
	d.free.Store(500)
	awaitLevel(t, s, full)
	if err := destroy(space); err != nil {
		t.Fatal(err)
	}
	awaitNoGarbage(t, s)
	d.free.Store(10)
	awaitLevel(t, s, spent)
	before := rows(t, s, nil)
	if err := destroy(keep); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("destroy on a disk that is full to the last: %v", err)
	}
	if got := rows(t, s, nil); got != before {
		t.Errorf("rows: got %d, want %d as before", got, before)
	}
	d.free.Store(500)
	awaitLevel(t, s, full)
	if err := destroy(keep); err != nil {
		t.Fatal(err)
	}
	awaitNoGarbage(t, s)
}

// A store on a full disk opens and can be read. One on a disk that is full to the last does not touch it.
func TestOpenOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	var d disk
	d.free.Store(5000)
	s := openOn(t, dir, &d, hooks{})
	space := kv.NewSpace("class", "a")
	if err := <-submit(s, claim(t, s, space), 1, put("k", "1")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(Config{Dir: dir, MinFree: 1000, Free: func() (int64, error) { return 249, nil }}); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("open on a disk that is full to the last: %v", err)
	}
	d.free.Store(500)
	s = openOn(t, dir, &d, hooks{})
	if v, err := s.Get(t.Context(), space, []byte("k")); string(v) != "1" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if err := <-submit(s, claim(t, s, space), 2, put("k", "2")); !errors.Is(err, kv.ErrReadOnly) {
		t.Errorf("a delta: %v", err)
	}
}

// A disk may fill within one look. What the engine then says is no refusal: nobody knows what was written.
func TestDiskFullDuringACommit(t *testing.T) {
	var d disk
	d.free.Store(5000)
	s := openOn(t, t.TempDir(), &d, hooks{commit: func(func() error) error { return syscall.ENOSPC }})
	err := <-submit(s, claim(t, s, kv.NewSpace("class", "a")), 1, put("k", "1"))
	var unknown *kv.UnknownError
	if !errors.As(err, &unknown) {
		t.Errorf("got %v, want an UnknownError", err)
	}
	if err := s.Writable(); !errors.As(err, &unknown) {
		t.Errorf("writable: got %v, want an UnknownError", err)
	}
	<-s.Failed()
}
