package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
)

// groupLog is a log with group commit: while one batch is being written and synced, the next one
// gathers. A batch is
//
//  1. filled by append;
//  2. taken by loop, which leaves an empty one in its place;
//  3. written and synced;
//  4. announced, by closing its channel AFTER the sync.
type groupLog struct {
	f      *os.File
	filled chan struct{} // holds one value while the batch may have records
	done   chan struct{} // closed when loop has ended
	failed chan struct{} // closed, after err is set, when a batch could not be written
	err    error

	mu    sync.Mutex // guards batch
	batch *batch
}

type batch struct {
	records []byte
	synced  chan struct{}
}

func newBatch() *batch { return &batch{synced: make(chan struct{})} }

// createLog starts a log in a new file.
func createLog(path string) (*groupLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	w := &groupLog{f: f, filled: make(chan struct{}, 1), done: make(chan struct{}), failed: make(chan struct{}), batch: newBatch()}
	go w.loop() // ends with close
	return w, nil
}

// append adds a record and returns a channel that is closed once the record is on disk.
func (w *groupLog) append(key string, n int64, text string) <-chan struct{} {
	w.mu.Lock()
	b := w.batch
	b.records = binary.LittleEndian.AppendUint32(b.records, uint32(len(key)))
	b.records = append(b.records, key...)
	b.records = binary.LittleEndian.AppendUint64(b.records, uint64(n))
	b.records = binary.LittleEndian.AppendUint32(b.records, uint32(len(text)))
	b.records = append(b.records, text...)
	w.mu.Unlock()
	select {
	case w.filled <- struct{}{}:
	default:
	}
	return b.synced
}

func (w *groupLog) loop() {
	defer close(w.done)
	for range w.filled {
		w.mu.Lock()
		b := w.batch
		w.batch = newBatch()
		w.mu.Unlock()
		if len(b.records) == 0 {
			continue // its records were taken with the batch before
		}
		_, err := w.f.Write(b.records)
		if err == nil {
			err = syncData(w.f)
		}
		if err != nil {
			w.err = fmt.Errorf("log: %w", err)
			close(w.failed)
			return
		}
		close(b.synced)
	}
}

// close ends the log. No append may follow.
func (w *groupLog) close() error {
	close(w.filled)
	<-w.done
	return w.f.Close()
}
