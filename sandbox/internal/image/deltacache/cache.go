// Package deltacache keeps the page deltas of sleeping actors, a bounded number of bytes of them:
// first in RAM, then in files.
//
// It owns the bounds, in all and for each namespace, what is given up when they are reached (always
// the oldest) and the files. It leaves to its caller whether a delta it gives back may be used
// (pagedelta.Delta.Matches).
//
// Its one invariant: it may lose anything at any time, and nobody notices but by the time a wake
// takes. So files are never synced, those of an earlier process are removed, not read, and a delta
// for which there is no room or whose file cannot be written is dropped.
package deltacache

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/vivarium-run/vivarium/sandbox/internal/image/pagedelta"
	"github.com/vivarium-run/vivarium/tenants"
)

// Config bounds a Cache. The zero value keeps 64 MiB in RAM and nothing on disk.
type Config struct {
	// RAMBytes bounds the deltas in RAM, with what it costs to know them. Zero means 64 MiB.
	RAMBytes int64
	// RAMPerNamespace bounds those of one namespace. Zero means a quarter of RAMBytes.
	RAMPerNamespace int64
	// Dir is a folder for files, of this process alone; it is made if needed. Empty means no files.
	Dir string
	// DiskBytes bounds the files, each counted in blocks of 4 KiB. Zero means 1 GiB.
	DiskBytes int64
	// DiskPerNamespace bounds those of one namespace. Zero means a quarter of DiskBytes.
	DiskPerNamespace int64
	Logger           *slog.Logger // nil means slog.Default()
}

func (c *Config) setDefaults() {
	orElse := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	orElse(&c.RAMBytes, 64<<20)
	orElse(&c.RAMPerNamespace, c.RAMBytes/4)
	orElse(&c.DiskBytes, 1<<30)
	orElse(&c.DiskPerNamespace, c.DiskBytes/4)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// Cache keeps at most one delta for each actor. Safe for concurrent use.
//
// A delta moves one way: RAM, then waiting to be written, then disk. RAM and waiting together stay
// within RAMBytes: an eighth is set aside for what waits, and half of that for each namespace, so
// that a slow disk costs deltas and never memory.
type Cache struct {
	cfg    Config
	dir    *folder       // nil means no files
	work   chan struct{} // holds a value if there may be something to write
	stop   chan struct{} // closed by Close
	writer sync.WaitGroup

	mu      sync.Mutex // guards what follows and the entries
	closed  bool
	entries map[tenants.ActorID]*entry
	ram     tier
	waiting tier
	disk    tier
	stats   Stats // its counters
}

// Stats is what a cache holds now and has done so far.
type Stats struct {
	RAMEntries, DiskEntries int // RAM includes what waits to be written
	RAMBytes, DiskBytes     int64

	RAMHits, DiskHits, Misses int64 // of Take, besides Failed
	Dropped                   int64 // deltas given up for room
	Failed                    int64 // deltas lost to the disk or found corrupt
}

// entry is the delta of one actor. Guarded by Cache.mu, but data never changes once set.
type entry struct {
	id   tenants.ActorID
	data []byte // nil when it is on disk
	file uint64 // when it is on disk
	at   *tier  // nil when it is in none
	seat seat   // in at
}

// entryBytes is about what an entry costs in RAM besides its data.
const entryBytes = 320

func (e *entry) ramCost() int64 { return int64(len(e.data)) + entryBytes }

// diskCost is in whole blocks, which also makes DiskBytes a bound on the number of files.
func (e *entry) diskCost() int64 { return (int64(len(e.data)) + 4095) &^ 4095 }

// Open makes a cache. Files that an earlier process left in its folder are removed, in the
// background.
func Open(cfg Config) (*Cache, error) {
	cfg.setDefaults()
	c := &Cache{
		cfg:     cfg,
		work:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		entries: map[tenants.ActorID]*entry{},
	}
	if cfg.Dir == "" {
		return c, nil
	}
	dir, err := openFolder(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("deltacache: open: %w", err)
	}
	c.dir = dir
	c.writer.Go(c.write) // until Close, which waits
	return c, nil
}

// Close ends the writing of files and forgets every delta. It may be called again.
func (c *Cache) Close() error {
	c.mu.Lock()
	closed := c.closed
	c.closed = true
	c.entries = map[tenants.ActorID]*entry{}
	c.ram, c.waiting, c.disk = tier{}, tier{}, tier{}
	c.mu.Unlock()
	if !closed {
		close(c.stop)
	}
	c.writer.Wait()
	if closed || c.dir == nil {
		return nil
	}
	if err := c.dir.remove(); err != nil {
		return fmt.Errorf("deltacache: close: %w", err)
	}
	return nil
}

// Put keeps the delta of an actor in place of the one it had, and d's bytes with it.
func (c *Cache) Put(id tenants.ActorID, d *pagedelta.Delta) {
	e := &entry{id: id, data: d.Bytes()}
	c.mu.Lock()
	var gone files
	if !c.closed {
		gone.add(c.forgetLocked(c.entries[id]))
		c.entries[id] = e
		c.admitLocked(e)
	}
	c.mu.Unlock()
	c.unlink(gone)
}

// admitLocked puts a new entry into RAM and makes room for it.
func (c *Cache) admitLocked(e *entry) {
	if e.ramCost() > c.cfg.RAMPerNamespace {
		c.demoteLocked(e) // rather than all others of its namespace
		return
	}
	c.ram.add(e, e.ramCost())
	for c.ram.bytesOf(e.id.Namespace) > c.cfg.RAMPerNamespace {
		c.demoteLocked(c.ram.oldestOf(e.id.Namespace))
	}
	for c.ram.bytes > c.cfg.RAMBytes-c.cfg.RAMBytes/8 {
		c.demoteLocked(c.ram.oldest())
	}
}

// demoteLocked takes an entry out of RAM and has it written, if there are files and room to wait.
func (c *Cache) demoteLocked(e *entry) {
	e.leave()
	room := c.cfg.RAMBytes / 8
	n := e.ramCost()
	fits := c.waiting.bytes+n <= room && c.waiting.bytesOf(e.id.Namespace)+n <= room/2 && e.diskCost() <= c.cfg.DiskPerNamespace
	if c.dir == nil || !fits {
		delete(c.entries, e.id)
		c.stats.Dropped++
		return
	}
	c.waiting.add(e, n)
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// forgetLocked removes an entry, which may be nil, and returns the file that is no longer needed, or
// 0. An entry that is being written has none yet: the writer finds out.
func (c *Cache) forgetLocked(e *entry) uint64 {
	if e == nil {
		return 0
	}
	delete(c.entries, e.id)
	e.leave()
	return e.file
}

// Take returns the delta of an actor, which the cache then has no more, or false.
func (c *Cache) Take(id tenants.ActorID) (*pagedelta.Delta, bool) {
	c.mu.Lock()
	e := c.entries[id]
	file := c.forgetLocked(e)
	c.mu.Unlock()
	if e == nil {
		c.count(func(s *Stats) { s.Misses++ })
		return nil, false
	}
	d, err := c.load(e.data, file)
	c.count(func(s *Stats) {
		switch {
		case err != nil:
			s.Failed++
		case file == 0:
			s.RAMHits++
		default:
			s.DiskHits++
		}
	})
	if err != nil {
		c.warn("a page delta is lost", id, err)
		return nil, false
	}
	return d, true
}

// load decodes an entry that nobody else has any more.
func (c *Cache) load(data []byte, file uint64) (*pagedelta.Delta, error) {
	if file != 0 {
		var err error
		if data, err = c.dir.take(file); err != nil {
			return nil, err
		}
	}
	return pagedelta.Decode(data)
}

func (c *Cache) count(f func(*Stats)) {
	c.mu.Lock()
	f(&c.stats)
	c.mu.Unlock()
}

// warn logs the loss of a delta, unless it is as agreed: the folder may be emptied at any time.
func (c *Cache) warn(text string, id tenants.ActorID, err error) {
	if !errors.Is(err, os.ErrNotExist) {
		c.cfg.Logger.Warn(text, "tenant", id.Namespace, "actor", id, "error", err)
	}
}

// Drop forgets the delta of an actor.
func (c *Cache) Drop(id tenants.ActorID) {
	c.mu.Lock()
	var gone files
	gone.add(c.forgetLocked(c.entries[id]))
	c.mu.Unlock()
	c.unlink(gone)
}

// DropNamespace forgets the deltas of all actors of a namespace.
func (c *Cache) DropNamespace(ns tenants.ID) {
	c.mu.Lock()
	var gone files
	for _, t := range []*tier{&c.ram, &c.waiting, &c.disk} {
		for e := t.oldestOf(ns); e != nil; e = t.oldestOf(ns) {
			gone.add(c.forgetLocked(e))
		}
	}
	c.mu.Unlock()
	c.unlink(gone)
}

// Stats returns what the cache holds.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.RAMEntries = c.ram.len() + c.waiting.len()
	s.RAMBytes = c.ram.bytes + c.waiting.bytes
	s.DiskEntries = c.disk.len()
	s.DiskBytes = c.disk.bytes
	return s
}
