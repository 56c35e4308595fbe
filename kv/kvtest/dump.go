package kvtest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vivarium-run/vivarium/kv"
)

var dumpTests = []test{
	{"a loaded store holds what the dumped one held", func(h *harness) {
		a := h.claim(space("a"))
		due := at(30)
		h.wantErr(a.start(kv.Delta{Ops: []kv.Op{put("k", "v"), put("empty", ""), put("gone", "x")}, Bind: []byte("name"), Due: &due}).wait(h.T), nil)
		a.commit(del("gone"), kv.Op{Key: []byte("large"), Value: large(1_200_000, 1)})
		a.commit(kv.Op{Key: []byte("large"), Value: large(1_300_000, 2)})
		h.claim(kv.NewSpace("another class", "a")).commit(put("k", "other"))
		dead := h.claim(space("dead"))
		h.wantErr(dead.start(kv.Delta{Ops: []kv.Op{put("k", "v")}, Bind: []byte("its name")}).wait(h.T), nil)
		dead.destroy()
		h.load(h.dump(nil))

		h.wantGet(h.s, space("a"), "large", string(large(1_300_000, 2)))
		h.claim(space("a")).commit(del("large"))
		h.wantItems(space("a"), "empty= k=v")
		h.wantItems(kv.NewSpace("another class", "a"), "k=other")
		h.wantDue(at(100), "a@30")
		if s, err := h.s.Lookup(h.Context(), "class", []byte("name")); err != nil || s != space("a") {
			h.Errorf("the name finds %v, %v", s, err)
		}
		_, err := h.s.Lookup(h.Context(), "class", []byte("its name"))
		h.wantErr(err, kv.ErrNotFound)
		h.wantItems(space("dead"), "")
		l := h.claim(space("a"))
		if l.Pos != 4 || l.Epoch.Boot <= a.Epoch.Boot {
			h.Errorf("position %d and boot %d, want 4 and more than %d", l.Pos, l.Epoch.Boot, a.Epoch.Boot)
		}
	}},
	{"an empty store", func(h *harness) {
		h.load(h.dump(nil))
		h.wantItems(space("a"), "")
		h.claim(space("a")).commit(put("k", "v"))
	}},
	{"a dump is of one moment, and has what was done before it", dumpUnderLoad},
	{"items that no dump yields are refused", func(h *harness) {
		h.claim(space("a")).commit(put("k", "v"))
		items := h.dump(nil)
		if len(items) < 2 {
			h.Fatalf("only %d items", len(items))
		}
		for name, bad := range map[string][]kv.Item{
			"out of order":         {items[1], items[0]},
			"the same twice":       {items[0], items[0]},
			"an empty key":         {{Key: nil, Value: items[0].Value}},
			"an empty value":       {{Key: items[0].Key, Value: nil}},
			"a foreign key":        {{Key: []byte("/etc/passwd"), Value: items[0].Value}},
			"a key with a tail":    {{Key: append([]byte("c\x05class"), strings.Repeat("x", 70_000)...), Value: items[0].Value}},
			"a value that is much": {{Key: items[0].Key, Value: make([]byte, 1<<20)}},
		} {
			l, err := h.engine.Load(filepath.Join(h.TempDir(), "store"))
			h.wantErr(err, nil)
			for _, it := range bad {
				err = l.Put(it)
			}
			if h.wantErr(err, kv.ErrCorrupt); l.Close() == nil {
				h.Errorf("%s: the loader closes as if all were well", name)
			}
		}
	}},
	{"a folder that holds something is not loaded into", func(h *harness) {
		if _, err := h.engine.Load(h.dir); err == nil {
			h.Error("no error")
		}
	}},
	{"ends with its context", func(h *harness) {
		h.claim(space("a")).commit(put("k", "v"))
		ctx, cancel := context.WithCancel(h.Context())
		cancel()
		for _, err := range h.s.Dump(ctx) {
			h.wantErr(err, ctx.Err())
		}
	}},
}

// dump returns the items of a dump. during, if not nil, runs when it has begun.
func (h *harness) dump(during func()) (items []kv.Item) {
	h.Helper()
	for it, err := range h.s.Dump(h.Context()) {
		h.wantErr(err, nil)
		if items = append(items, kv.Item{Key: append([]byte{}, it.Key...), Value: append([]byte{}, it.Value...)}); during != nil {
			during()
			during = nil
		}
	}
	return items
}

// load makes the harness's store another one, with these items.
func (h *harness) load(items []kv.Item) {
	h.Helper()
	dir := filepath.Join(h.TempDir(), "store")
	l, err := h.engine.Load(dir)
	h.wantErr(err, nil)
	for _, it := range items {
		h.wantErr(l.Put(it), nil)
	}
	h.wantErr(l.Close(), nil)
	h.wantErr(l.Close(), nil)
	h.wantErr(h.s.Close(), nil)
	h.dir, h.open = dir, func() kv.Store { return h.engine.Open(h.T, dir) }
	h.s = h.open()
}

// dumpUnderLoad dumps while many commit. Each writer counts in one space and then in another: in no moment is the
// second ahead of the first.
func dumpUnderLoad(h *harness) {
	const writers = 8
	var acked [writers]atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		first, second := h.claim(space(fmt.Sprintf("w%d/a", w))), h.claim(space(fmt.Sprintf("w%d/z", w)))
		wg.Go(func() {
			for n := int64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				for _, o := range []*owner{first, second} {
					if err := o.start(kv.Delta{Ops: []kv.Op{put("n", fmt.Sprint(n))}}).wait(h.T); err != nil {
						h.Error(err)
						return
					}
				}
				acked[w].Store(n)
			}
		})
	}
	moved := func(by int64) func() bool {
		var from [writers]int64
		for w := range writers {
			from[w] = acked[w].Load()
		}
		return func() bool {
			for w := range writers {
				if acked[w].Load() < from[w]+by {
					return false
				}
			}
			return true
		}
	}
	Eventually(h.T, "some commits", moved(5))
	var before [writers]int64
	for w := range writers {
		before[w] = acked[w].Load()
	}
	items := h.dump(func() { Eventually(h.T, "commits during the dump", moved(5)) })
	close(stop)
	wg.Wait()
	h.load(items)
	for w := range writers {
		a, z := h.number(space(fmt.Sprintf("w%d/a", w))), h.number(space(fmt.Sprintf("w%d/z", w)))
		if z < before[w] || a < z || a > z+1 {
			h.Errorf("writer %d: %d and %d in the dump, %d were done before it", w, a, z, before[w])
		}
	}
}

func (h *harness) number(s kv.Space) (n int64) {
	h.Helper()
	v, err := h.s.Get(h.Context(), s, []byte("n"))
	h.wantErr(err, nil)
	fmt.Sscan(string(v), &n)
	return n
}
