package tenants

import (
	"context"
	"sync"
	"time"
)

// usageEvery is how often usage is stored, and so the most of it that a killed process loses.
const usageEvery = 30 * time.Second

// usageWriter stores the usage of all namespaces from time to time.
type usageWriter struct {
	once sync.Once
	stop chan struct{}
	done chan struct{}
}

// usageWriters is how many namespaces are written at a time: they share syncs.
const usageWriters = 16

// start begins to store; close ends it and waits.
func (w *usageWriter) start(r *Registry) {
	w.stop, w.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.done)
		tick := time.NewTicker(usageEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.storeAllUsage()
			case <-w.stop:
				return
			}
		}
	}()
}

// close stores once more.
func (w *usageWriter) close(r *Registry) {
	if w.stop == nil {
		return // it never began
	}
	w.once.Do(func() {
		close(w.stop)
		<-w.done
		r.storeAllUsage()
		for _, t := range *r.tenants.Load() {
			t.usage.close()
		}
	})
}

// storeAllUsage stores what all namespaces have used. What cannot be stored now waits.
func (r *Registry) storeAllUsage() {
	var wg sync.WaitGroup
	slots := make(chan struct{}, usageWriters)
	for _, t := range *r.tenants.Load() {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			_ = r.storeUsage(context.Background(), t) // a full disk, or a store that ends the process anyway
		})
	}
	wg.Wait()
}
