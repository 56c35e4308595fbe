package deltacache_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vivarium-run/vivarium/sandbox/internal/image"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/deltacache"
	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// maker makes deltas of about the size that is asked for.
type maker struct {
	t   testing.TB
	mu  sync.Mutex
	mem *image.Memory
	r   *rand.Rand
}

func newMaker(t testing.TB) *maker {
	im, err := image.NewArena(image.Config{Copy: true}).New(image.Spec{Memory: make([]byte, 4*image.WasmPageSize), MaxWasmPages: 4})
	must(t, err)
	mem, err := im.NewMemory()
	must(t, err)
	return &maker{t: t, mem: mem, r: rand.New(rand.NewPCG(5, 6))}
}

func (m *maker) delta(id tenants.ActorID, position uint64, size int) *pagedelta.Delta {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	must(m.t, m.mem.Reset())
	b := m.mem.Bytes()
	for i := range size {
		b[i] = byte(m.r.Uint32())
	}
	d, err := pagedelta.Capture(m.mem, pagedelta.Mark{Owner: id.String(), Position: position}, nil)
	must(m.t, err)
	return d
}

func open(t *testing.T, cfg deltacache.Config) *deltacache.Cache {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	c, err := deltacache.Open(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// inBubble runs a test in which synctest.Wait returns when the writer has nothing left to do.
func inBubble(t *testing.T, f func(t *testing.T, dir string)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { f(t, dir) })
}

// filesIn returns the names of all files below dir.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, p)
		}
		return err
	}))
	return names
}

func checkTake(t *testing.T, c *deltacache.Cache, id tenants.ActorID, want *pagedelta.Delta) {
	t.Helper()
	got, ok := c.Take(id)
	switch {
	case ok != (want != nil):
		t.Errorf("Take(%s) = %t, want %t", id, ok, want != nil)
	case ok && !bytes.Equal(got.Bytes(), want.Bytes()):
		t.Errorf("Take(%s) gave another delta: position %d, want %d", id, got.Mark().Position, want.Mark().Position)
	}
}

func TestTakeOnce(t *testing.T) {
	m, c := newMaker(t), open(t, deltacache.Config{})
	id := tenants.NewActorID("a")
	checkTake(t, c, id, nil)
	old, d := m.delta(id, 1, 100), m.delta(id, 2, 100)
	c.Put(id, old)
	c.Put(id, d)
	checkTake(t, c, tenants.NewActorID("a"), nil)
	checkTake(t, c, id, d)
	checkTake(t, c, id, nil)
	if s := c.Stats(); s.RAMEntries != 0 || s.RAMBytes != 0 || s.RAMHits != 1 || s.Misses != 3 {
		t.Errorf("%+v", s)
	}
}

func TestBoundsOfRAM(t *testing.T) {
	m := newMaker(t)
	c := open(t, deltacache.Config{RAMBytes: 100 << 10, RAMPerNamespace: 30 << 10})
	quiet := tenants.NewActorID("quiet")
	kept := m.delta(quiet, 1, 5000)
	c.Put(quiet, kept)
	var last tenants.ActorID
	for k := range 50 {
		last = tenants.NewActorID("loud")
		c.Put(last, m.delta(last, uint64(k), 5000))
	}
	if s := c.Stats(); s.RAMBytes > 36<<10 || s.RAMEntries < 5 || s.Dropped != int64(51-s.RAMEntries) {
		t.Errorf("%+v", s)
	}
	checkTake(t, c, quiet, kept) // its neighbour has only pushed out its own
	if _, ok := c.Take(last); !ok {
		t.Error("the newest delta is gone")
	}
	for k := range 50 {
		id := tenants.NewActorID(tenants.ID(fmt.Sprintf("ns%d", k)))
		c.Put(id, m.delta(id, 0, 5000))
		if s := c.Stats(); s.RAMBytes > 100<<10 {
			t.Fatalf("%d bytes in RAM", s.RAMBytes)
		}
	}
	huge := tenants.NewActorID("ns49")
	c.Put(huge, m.delta(huge, 0, 60000))
	checkTake(t, c, huge, nil)
}

func TestDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		m := newMaker(t)
		c := open(t, deltacache.Config{Dir: dir, RAMBytes: 400 << 10, RAMPerNamespace: 50 << 10, DiskBytes: 300 << 10, DiskPerNamespace: 200 << 10})
		put := map[tenants.ActorID]*pagedelta.Delta{}
		var order []tenants.ActorID
		for k := range 60 {
			id := tenants.NewActorID(tenants.ID(fmt.Sprintf("ns%d", k%2)))
			put[id] = m.delta(id, uint64(k), 5000)
			order = append(order, id)
			c.Put(id, put[id])
			synctest.Wait()
		}
		s := c.Stats()
		// 5,100 bytes take two blocks; a namespace has 50 KiB in RAM and half of 300 KiB on disk.
		if s.DiskBytes > 300<<10 || s.DiskEntries < 35 || s.Dropped == 0 || s.RAMEntries+s.DiskEntries+int(s.Dropped) != 60 {
			t.Errorf("%+v", s)
		}
		if n := len(filesIn(t, dir)); n != s.DiskEntries {
			t.Errorf("%d files for %d entries", n, s.DiskEntries)
		}
		for k, id := range order {
			if int64(k) < s.Dropped {
				checkTake(t, c, id, nil)
			} else {
				checkTake(t, c, id, put[id])
			}
		}
		if s := c.Stats(); s.RAMBytes != 0 || s.DiskBytes != 0 || s.DiskHits == 0 || s.Failed != 0 || len(filesIn(t, dir)) != 0 {
			t.Errorf("after all are taken: %+v, files %v", s, filesIn(t, dir))
		}
	})
}

func TestDiskPerNamespace(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		m := newMaker(t)
		c := open(t, deltacache.Config{Dir: dir, RAMBytes: 400 << 10, RAMPerNamespace: 1, DiskBytes: 1 << 20, DiskPerNamespace: 40 << 10})
		quiet := tenants.NewActorID("quiet")
		kept := m.delta(quiet, 1, 5000)
		c.Put(quiet, kept)
		for range 30 {
			id := tenants.NewActorID("loud")
			c.Put(id, m.delta(id, 0, 5000))
			synctest.Wait()
		}
		if s := c.Stats(); s.DiskBytes != 48<<10 || s.DiskEntries != 6 {
			t.Errorf("%+v, want 40 KiB of one namespace and 8 of the other", s)
		}
		checkTake(t, c, quiet, kept)
	})
}

func TestDrop(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		m := newMaker(t)
		c := open(t, deltacache.Config{Dir: dir, RAMBytes: 1 << 20, RAMPerNamespace: 30 << 10})
		var ids []tenants.ActorID
		for k := range 20 {
			id := tenants.NewActorID(tenants.ID([]string{"a", "b"}[k%2]))
			ids = append(ids, id)
			c.Put(id, m.delta(id, 0, 5000))
		}
		synctest.Wait()
		c.Drop(ids[0])  // on disk
		c.Drop(ids[18]) // in RAM
		c.Drop(tenants.NewActorID("a"))
		checkTake(t, c, ids[0], nil)
		checkTake(t, c, ids[18], nil)
		c.DropNamespace("a")
		c.DropNamespace("none")
		for k, id := range ids {
			if _, ok := c.Take(id); ok != (k%2 == 1) {
				t.Errorf("actor %d of namespace %s: %t", k, id.Namespace, ok)
			}
		}
		if n := filesIn(t, dir); len(n) != 0 {
			t.Errorf("files left: %v", n)
		}
	})
}

func TestSupersededOnDisk(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		m := newMaker(t)
		c := open(t, deltacache.Config{Dir: dir, RAMPerNamespace: 1})
		id := tenants.NewActorID("a")
		c.Put(id, m.delta(id, 1, 5000))
		synctest.Wait()
		d := m.delta(id, 2, 5000)
		c.Put(id, d)
		synctest.Wait()
		if n := filesIn(t, dir); len(n) != 1 {
			t.Errorf("files %v, want one", n)
		}
		checkTake(t, c, id, d)
	})
}

// TestHostileFolder damages, empties and removes the folder under a running cache.
func TestHostileFolder(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		m := newMaker(t)
		c := open(t, deltacache.Config{Dir: dir, RAMPerNamespace: 1})
		put := func() tenants.ActorID {
			id := tenants.NewActorID("a")
			c.Put(id, m.delta(id, 1, 5000))
			synctest.Wait()
			return id
		}
		id := put()
		name := filesIn(t, dir)[0]
		b, err := os.ReadFile(name)
		must(t, err)
		b[len(b)/2] ^= 1
		must(t, os.WriteFile(name, b, 0o600))
		checkTake(t, c, id, nil)

		id = put()
		must(t, os.Remove(filesIn(t, dir)[0]))
		checkTake(t, c, id, nil)

		id = put()
		must(t, os.RemoveAll(dir))
		checkTake(t, c, id, nil)
		checkTake(t, c, put(), nil)
		if s := c.Stats(); s.Failed != 4 || s.DiskBytes != 0 || s.RAMBytes != 0 {
			t.Errorf("%+v, want 4 failed and nothing held", s)
		}
		c.Put(id, m.delta(id, 2, 100)) // and the cache goes on
	})
}

// TestLeftovers starts with what a killed process left, beside a file that is not the cache's.
func TestLeftovers(t *testing.T) {
	inBubble(t, func(t *testing.T, dir string) {
		old := filepath.Join(dir, "run-old")
		must(t, os.MkdirAll(old, 0o700))
		for k := range 600 {
			must(t, os.WriteFile(filepath.Join(old, fmt.Sprint(k, ".delta")), []byte("x"), 0o600))
		}
		foreign := filepath.Join(dir, "precious")
		must(t, os.WriteFile(foreign, []byte("x"), 0o600))
		c := open(t, deltacache.Config{Dir: dir})
		synctest.Wait()
		if got := filesIn(t, dir); len(got) != 1 || got[0] != foreign {
			t.Errorf("files %v, want %s only", got, foreign)
		}
		must(t, c.Close())
		if all, _ := os.ReadDir(dir); len(all) != 1 {
			t.Errorf("after Close: %v", all)
		}
	})
}

func TestClosed(t *testing.T) {
	m := newMaker(t)
	c := open(t, deltacache.Config{Dir: t.TempDir()})
	id := tenants.NewActorID("a")
	d := m.delta(id, 1, 100)
	c.Put(id, d)
	must(t, c.Close())
	must(t, c.Close())
	c.Put(id, d)
	checkTake(t, c, id, nil)
	c.Drop(id)
	c.DropNamespace("a")
	if s := c.Stats(); s.RAMBytes != 0 || s.RAMEntries != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHammer has many actors sleep and wake at once, and sees that each gets its own last delta or
// none, and that the bounds hold.
func TestHammer(t *testing.T) {
	m := newMaker(t)
	dir := t.TempDir()
	cfg := deltacache.Config{Dir: dir, RAMBytes: 200 << 10, RAMPerNamespace: 20 << 10, DiskBytes: 400 << 10, DiskPerNamespace: 200 << 10}
	c := open(t, cfg)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			id := tenants.NewActorID(tenants.ID(fmt.Sprintf("ns%d", g%3)))
			var ids []tenants.ActorID
			for range 20 {
				ids = append(ids, tenants.NewActorID(id.Namespace))
			}
			last := map[tenants.ActorID]uint64{}
			for n := range uint64(400) {
				id := ids[r.IntN(len(ids))]
				switch r.IntN(10) {
				case 0:
					c.Drop(id)
					delete(last, id)
				case 1, 2, 3, 4:
					if d, ok := c.Take(id); ok && (d.Mark().Position != last[id] || d.Mark().Owner != id.String()) {
						t.Errorf("got %+v, want position %d of %s", d.Mark(), last[id], id)
					}
					delete(last, id)
				default:
					c.Put(id, m.delta(id, n+1, r.IntN(6000)))
					last[id] = n + 1
				}
				if s := c.Stats(); s.RAMBytes > cfg.RAMBytes || s.DiskBytes > cfg.DiskBytes {
					t.Errorf("%+v", s)
				}
			}
		})
	}
	wg.Wait()
	for k := range 3 {
		c.DropNamespace(tenants.ID(fmt.Sprintf("ns%d", k)))
	}
	if s := c.Stats(); s.RAMBytes != 0 || s.DiskBytes != 0 || s.RAMEntries != 0 || s.DiskEntries != 0 || s.Failed != 0 {
		t.Errorf("after all are dropped: %+v", s)
	}
	must(t, c.Close())
	if n := filesIn(t, dir); len(n) != 0 {
		t.Errorf("files left: %v", n)
	}
}
