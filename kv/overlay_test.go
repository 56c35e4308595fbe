package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestOverlay(t *testing.T) {
	var o Overlay
	check := func(wantLen, wantSize int, wantOps string) {
		t.Helper()
		if o.Len() != wantLen || o.Size() != wantSize {
			t.Errorf("got length %d, size %d, want %d, %d", o.Len(), o.Size(), wantLen, wantSize)
		}
		if d := (Delta{Ops: o.Ops()}); d.Size() != wantSize {
			t.Errorf("size of the delta: got %d, want %d", d.Size(), wantSize)
		}
		if got := opsText(o.Ops()); got != wantOps {
			t.Errorf("operations: got %q, want %q", got, wantOps)
		}
	}
	check(0, 0, "")
	o.Put([]byte("bb"), []byte("123"))
	check(1, 5, "bb=123")
	o.Put([]byte("a"), nil) // an empty value, no deletion
	check(2, 6, "a= bb=123")
	o.Put([]byte("bb"), []byte("1"))
	check(2, 4, "a= bb=1")
	o.Delete([]byte("bb"))
	o.Delete([]byte("c"))
	check(3, 4, "a= -bb -c")
	o.Put([]byte("c"), []byte("x"))
	check(3, 5, "a= -bb c=x")

	for _, tt := range []struct {
		key, value string
		ok, isNil  bool
	}{
		{key: "a", ok: true},
		{key: "bb", ok: true, isNil: true},
		{key: "c", value: "x", ok: true},
		{key: "d", isNil: true},
	} {
		v, ok := o.Get([]byte(tt.key))
		if string(v) != tt.value || ok != tt.ok || (v == nil) != tt.isNil {
			t.Errorf("get %q: got %q, %t", tt.key, v, ok)
		}
	}
}

func opsText(ops []Op) string {
	var s []string
	for _, op := range ops {
		if op.Value == nil {
			s = append(s, "-"+string(op.Key))
		} else {
			s = append(s, string(op.Key)+"="+string(op.Value))
		}
	}
	return strings.Join(s, " ")
}

func TestViewWithoutLayers(t *testing.T) {
	v := View{Store: mapReader{"a": "1", "b": "2"}}
	if got := scanText(t, v, Range{}); got != "a=1 b=2" {
		t.Errorf("got %q", got)
	}
	if _, err := v.Get(context.Background(), []byte("c")); !errors.Is(err, ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

func TestViewPassesOnErrors(t *testing.T) {
	var l Overlay
	l.Put([]byte("a"), []byte("1"))
	v := View{Layers: []*Overlay{&l}, Store: failing{}}
	var last error
	for _, err := range v.Scan(context.Background(), Range{}) {
		last = err
	}
	if last != errBroken {
		t.Errorf("got error %v, want that of the store", last)
	}
}

// TestViewAgainstMap reads random layers over a random store and compares with the layers applied
// to a map.
func TestViewAgainstMap(t *testing.T) {
	for seed := range int64(300) {
		rnd := rand.New(rand.NewSource(seed))
		key := func() string { return fmt.Sprintf("%02d", rnd.Intn(30)) }
		store := mapReader{}
		for range rnd.Intn(20) {
			store[key()] = "store"
		}
		want := maps.Clone(store)
		v := View{Store: store}
		if len(store) == 0 {
			v.Store = nil
		}
		for n := range rnd.Intn(17) {
			l := new(Overlay)
			for range rnd.Intn(10) {
				if k := key(); rnd.Intn(3) == 0 {
					l.Delete([]byte(k))
					delete(want, k)
				} else {
					l.Put([]byte(k), []byte(fmt.Sprint(n)))
					want[k] = fmt.Sprint(n)
				}
				if rnd.Intn(4) == 0 {
					l.Ops() // sorts what is there
				}
			}
			v.Layers = append([]*Overlay{l}, v.Layers...)
		}
		for range 10 {
			r := Range{Reverse: rnd.Intn(2) == 0}
			if rnd.Intn(2) == 0 {
				r.Lo = []byte(key())
			}
			if rnd.Intn(2) == 0 {
				r.Hi = []byte(key())
			}
			if got, want := scanText(t, v, r), scanText(t, View{Store: want}, r); got != want {
				t.Fatalf("seed %d, range %+v:\n got %s\nwant %s", seed, r, got, want)
			}
		}
		for k := range 30 {
			key := fmt.Sprintf("%02d", k)
			got, err := v.Get(context.Background(), []byte(key))
			value, ok := want[key]
			if ok != (err == nil) || string(got) != value {
				t.Fatalf("seed %d: get %s: got %q, %v, want %q", seed, key, got, err, value)
			}
		}
	}
}

func TestViewMayEndEarly(t *testing.T) {
	var l Overlay
	for _, k := range []string{"a", "c", "e"} {
		l.Put([]byte(k), []byte("layer"))
	}
	v := View{Layers: []*Overlay{&l}, Store: mapReader{"b": "", "d": ""}}
	for n := range 6 {
		i := 0
		for range v.Scan(context.Background(), Range{}) {
			if i++; i > n {
				break
			}
		}
	}
}

// A layer in flight is read by its actor and by inspectors at once.
func TestHammerOverlayReaders(t *testing.T) {
	var l Overlay
	for i := range 100 {
		l.Put(fmt.Appendf(nil, "%03d", 99-i), []byte("v"))
	}
	v := View{Layers: []*Overlay{&l}, Store: mapReader{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			n := 0
			for range v.Scan(context.Background(), Range{}) {
				n++
			}
			if n != 100 {
				t.Errorf("items: got %d, want 100", n)
			}
		})
	}
	wg.Wait()
}

func TestPrefixRange(t *testing.T) {
	for _, tt := range []struct{ prefix, hi string }{
		{"a", "b"},
		{"a\xff", "b"},
		{"a\xff\x01", "a\xff\x02"},
		{"\xff\xff", ""},
		{"", ""},
	} {
		r := PrefixRange([]byte(tt.prefix))
		if string(r.Lo) != tt.prefix || string(r.Hi) != tt.hi || (r.Hi == nil) != (tt.hi == "") {
			t.Errorf("prefix %q: got %q to %q, want %q", tt.prefix, r.Lo, r.Hi, tt.hi)
		}
	}
}

func scanText(t *testing.T, v View, r Range) string {
	t.Helper()
	var got []string
	for item, err := range v.Scan(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(item.Key)+"="+string(item.Value))
	}
	return strings.Join(got, " ")
}

// mapReader is one space.
type mapReader map[string]string

func (m mapReader) Get(_ context.Context, _ Space, key []byte) ([]byte, error) {
	if v, ok := m[string(key)]; ok {
		return []byte(v), nil
	}
	return nil, ErrNotFound
}

func (m mapReader) Scan(_ context.Context, _ Space, r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		keys := slices.Sorted(maps.Keys(m))
		if r.Reverse {
			slices.Reverse(keys)
		}
		for _, k := range keys {
			in := bytes.Compare([]byte(k), r.Lo) >= 0 && (r.Hi == nil || bytes.Compare([]byte(k), r.Hi) < 0)
			if in && !yield(Item{[]byte(k), []byte(m[k])}, nil) {
				return
			}
		}
	}
}

var errBroken = errors.New("broken")

// failing is a store that cannot be read.
type failing struct{}

func (failing) Get(context.Context, Space, []byte) ([]byte, error) { return nil, errBroken }

func (failing) Scan(context.Context, Space, Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) { yield(Item{}, errBroken) }
}

// Look comes to each row once, also to what is hidden or deleted, and before it is yielded; its error ends
// the scan.
func TestScanLooks(t *testing.T) {
	var newest, older Overlay
	newest.Put([]byte("c"), []byte("new"))
	newest.Delete([]byte("d"))
	older.Put([]byte("d"), []byte("old"))
	older.Put([]byte("f"), []byte("6"))
	v := View{Layers: []*Overlay{&newest, &older}, Store: mapReader{"a": "1", "c": "3", "d": "4", "e": "5"}}
	want := []string{"look a", "a", "look c", "look c", "c", "look d", "look d", "look e", "e", "look f", "f"}
	errEnough := errors.New("enough")
	for enough := range len(want) - 1 {
		var got []string
		v.Look = func(it Item) error {
			if len(got) >= enough {
				return errEnough
			}
			got = append(got, "look "+string(it.Key))
			return nil
		}
		var end error
		for it, err := range v.Scan(t.Context(), Range{}) {
			if end = err; err != nil {
				break
			}
			got = append(got, string(it.Key))
		}
		if end == nil || !errors.Is(end, errEnough) || len(got) < enough || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("after %d: %v, %v", enough, got, end)
		}
	}
}
