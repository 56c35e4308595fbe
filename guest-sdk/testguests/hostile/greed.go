package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// writeDelta writes n items of size bytes, and passes on the host's refusal.
func writeDelta(c *ctx, m string, n, size int) error {
	if err := mark(c, m); err != nil {
		return err
	}
	return fill(c, "delta/", n, size)
}

// writeEvents broadcasts n events of size bytes, and passes on the host's refusal.
func writeEvents(c *ctx, m string, n, size int) error {
	if err := mark(c, m); err != nil {
		return err
	}
	for range n {
		if err := c.Broadcast("flood", text(size)); err != nil {
			return err
		}
	}
	return nil
}

func writeState(c *ctx, m string, size int) error {
	c.State.Note = text(size)
	return mark(c, m)
}

func writeResult(c *ctx, m string, size int) (string, error) { return text(size), mark(c, m) }

// kept holds what allocate took, so that no collection gives it back.
var kept []byte

// allocate takes size bytes and touches each page of them.
func allocate(size int) error {
	kept = make([]byte, size)
	for i := 0; i < size; i += 4096 {
		kept[i] = 1
	}
	n := len(kept)
	kept = nil
	if n != size {
		return errors.New("short of memory")
	}
	return nil
}

// spin never returns.
func spin() {
	for n := uint64(1); ; n++ {
		if n == 0 {
			kept = nil
		}
	}
}

//go:noinline
func recurse(depth int) int {
	if depth <= 0 {
		return 0
	}
	var frame [64]int
	frame[depth%64] = depth
	return recurse(depth-1) + frame[depth%64] - depth + 1
}

// calls makes n cheap host calls and returns how many succeeded.
func calls(c *ctx, n int) (int, error) {
	for i := range n {
		if _, _, err := c.KV().Get(markKey); err != nil {
			return i, err
		}
	}
	return n, nil
}

func logs(c *ctx, lines, size int) error {
	for i := range lines {
		c.Log().Infof("%d %s", i, text(size))
	}
	return nil
}

func prints(_ *ctx, lines, size int) error {
	for i := range lines {
		fmt.Println("out", i, text(size))
		fmt.Fprintln(os.Stderr, "err", i, text(size))
	}
	return nil
}

// sleep returns the milliseconds that passed while it slept.
func sleep(c *ctx, ms int) (int64, error) {
	c.Log().Infof("sleeping %d ms", ms)
	t := time.Now()
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return time.Since(t).Milliseconds(), nil
}

func fill(c *ctx, prefix string, n, size int) error {
	value := []byte(text(size))
	for i := range n {
		if err := c.KV().Put(fmt.Sprintf("%s%06d", prefix, i), value); err != nil {
			return err
		}
	}
	return nil
}

func get(c *ctx, key string) (*string, error) {
	b, ok, err := c.KV().Get(key)
	if err != nil || !ok {
		return nil, err
	}
	s := string(b)
	return &s, nil
}

// Found is one item that list found.
type Found struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func list(c *ctx, r guest.Range) ([]Found, error) {
	found := []Found{}
	for it, err := range c.KV().Scan(r) {
		if err != nil {
			return nil, err
		}
		found = append(found, Found{it.Key, string(it.Value)})
	}
	return found, nil
}
