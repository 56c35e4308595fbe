package deltacache

// write is the writer's goroutine: it moves what waits to the disk.
func (c *Cache) write() {
	stopped := func() bool {
		select {
		case <-c.stop:
			return true
		default:
			return false
		}
	}
	if err := c.dir.sweep(stopped); err != nil {
		c.cfg.Logger.Warn("page deltas of an earlier process are not removed", "error", err)
	}
	failing := false
	for file := uint64(1); ; file++ {
		e := c.next()
		if e == nil {
			return
		}
		err := c.dir.put(file, e.data)
		if err != nil && !failing { // a full disk is one event
			c.cfg.Logger.Warn("page deltas cannot be written", "error", err)
		}
		failing = err != nil
		c.unlink(c.written(e, file, err))
	}
}

// next waits for an entry to write. It returns nil after Close.
func (c *Cache) next() *entry {
	for {
		c.mu.Lock()
		e, closed := c.waiting.oldest(), c.closed
		c.mu.Unlock()
		if closed {
			return nil
		}
		if e != nil {
			return e
		}
		select {
		case <-c.work:
		case <-c.stop:
			return nil
		}
	}
}

// written moves an entry to the disk tier and makes room there. It returns the files to remove,
// among them the new one if its entry was taken, dropped or superseded meanwhile.
func (c *Cache) written(e *entry, file uint64, err error) (gone files) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.at != &c.waiting || c.closed {
		return files{file}
	}
	cost := e.diskCost()
	if err != nil {
		c.forgetLocked(e)
		c.stats.Failed++
		return files{file}
	}
	e.leave()
	moved := &entry{id: e.id, file: file} // Take may still be reading e.data
	c.entries[e.id] = moved
	c.disk.add(moved, cost)
	evict := func(old *entry) {
		gone.add(c.forgetLocked(old))
		c.stats.Dropped++
	}
	for c.disk.bytesOf(e.id.Namespace) > c.cfg.DiskPerNamespace {
		evict(c.disk.oldestOf(e.id.Namespace))
	}
	for c.disk.bytes > c.cfg.DiskBytes {
		evict(c.disk.oldest())
	}
	return gone
}
