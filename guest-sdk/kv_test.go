package guest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// kvTest is what the actor kv does in its only action, given a store by the host.
var kvTest func(kv guest.KV)

var _ = guest.Actor("kv", guest.Def[struct{}]{
	Actions: guest.Actions{"run": guest.Do0(func(c *guest.Ctx[struct{}]) error { kvTest(c.KV()); return nil })},
})

// withKV runs f in a turn of a new actor.
func withKV(t *testing.T, f func(kv guest.KV)) {
	t.Helper()
	kvTest = f
	guesttest.New(t, "kv", guesttest.Options{}).MustCall(nil, "run")
}

func fill(t *testing.T, kv guest.KV, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if err := kv.Put(k, []byte("v"+k)); err != nil {
			t.Fatal(err)
		}
	}
}

// scan returns the keys of r, space-separated, or the error.
func scan(kv guest.KV, r guest.Range) string {
	var keys []string
	for it, err := range kv.Scan(r) {
		if err != nil {
			return err.Error()
		}
		if r.KeysOnly != (it.Value == nil) {
			return fmt.Sprintf("value of %s is %q", it.Key, it.Value)
		}
		keys = append(keys, it.Key)
	}
	return strings.Join(keys, " ")
}

func TestKVScan(t *testing.T) {
	tests := []struct {
		name string
		r    guest.Range
		want string
	}{
		{name: "all", want: "a a/1 a/2 a/3 b c"},
		{name: "prefix", r: guest.Range{Prefix: "a/"}, want: "a/1 a/2 a/3"},
		{name: "prefix from the end", r: guest.Range{Prefix: "a/", Reverse: true}, want: "a/3 a/2 a/1"},
		{name: "bounds", r: guest.Range{Lo: "a/2", Hi: "c"}, want: "a/2 a/3 b"},
		{name: "no upper bound", r: guest.Range{Lo: "b"}, want: "b c"},
		{name: "limit", r: guest.Range{Limit: 2}, want: "a a/1"},
		{name: "after", r: guest.Range{After: "a/2", Limit: 2}, want: "a/3 b"},
		{name: "after, from the end", r: guest.Range{After: "a/2", Reverse: true}, want: "a/1 a"},
		{name: "after a key that is none", r: guest.Range{Prefix: "a/", After: "a/15"}, want: "a/2 a/3"},
		{name: "keys only", r: guest.Range{Prefix: "a/", KeysOnly: true}, want: "a/1 a/2 a/3"},
		{name: "nothing", r: guest.Range{Prefix: "x"}, want: ""},
		{name: "prefix and bounds", r: guest.Range{Prefix: "a", Lo: "a"}, want: "actor/invalid_argument: a range has either a prefix or bounds"},
		{name: "negative limit", r: guest.Range{Limit: -1}, want: "actor/invalid_argument: a range has a negative limit"},
	}
	withKV(t, func(kv guest.KV) {
		fill(t, kv, "c", "b", "a/3", "a/1", "a", "a/2")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := scan(kv, tt.r); got != tt.want {
					t.Errorf("Scan(%+v) = %q, want %q", tt.r, got, tt.want)
				}
			})
		}
	})
}

// TestKVScanPages lists more than a page, in both directions, while deleting what it passes.
func TestKVScanPages(t *testing.T) {
	const n = 2*abi.MaxListItems + 7
	withKV(t, func(kv guest.KV) {
		want := make([]string, n)
		for i := range want {
			want[i] = fmt.Sprintf("k%05d", i)
		}
		fill(t, kv, want...)
		if got := scan(kv, guest.Range{}); got != strings.Join(want, " ") {
			t.Errorf("a list of %d items has %d", n, len(strings.Fields(got)))
		}
		if got := scan(kv, guest.Range{Limit: n - 3}); len(strings.Fields(got)) != n-3 {
			t.Errorf("a list limited to %d items has %d", n-3, len(strings.Fields(got)))
		}
		slices.Reverse(want)
		var got []string
		for it, err := range kv.Scan(guest.Range{Reverse: true, KeysOnly: true}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, it.Key)
			if err := kv.Delete(it.Key); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the reverse list has %d items, want %d", len(got), n)
		}
		if left := scan(kv, guest.Range{}); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

func TestKVDeleteRange(t *testing.T) {
	withKV(t, func(kv guest.KV) {
		fill(t, kv, "a", "b/1", "b/2", "b/3", "c")
		if n, err := kv.DeleteRange(guest.Range{Prefix: "b/", Reverse: true, Limit: 2}); n != 2 || err != nil {
			t.Errorf("DeleteRange = %d, %v", n, err)
		}
		if got := scan(kv, guest.Range{}); got != "a b/1 c" {
			t.Errorf("left: %s", got)
		}
		if _, err := kv.DeleteRange(guest.Range{After: "a"}); abi.CodeOf(err) != abi.CodeInvalidArgument {
			t.Errorf("with a cursor: %v", err)
		}
		if n, err := kv.DeleteRange(guest.Range{}); n != 3 || err != nil {
			t.Errorf("DeleteRange of all = %d, %v", n, err)
		}
	})
}

func TestKVValues(t *testing.T) {
	withKV(t, func(kv guest.KV) {
		if v, ok, err := kv.Get("none"); ok || err != nil || len(v) > 0 {
			t.Errorf("Get of none = %q, %v, %v", v, ok, err)
		}
		fill(t, kv, "\x00\xff")
		if v, ok, err := kv.Get("\x00\xff"); string(v) != "v\x00\xff" || !ok || err != nil {
			t.Errorf("Get = %q, %v, %v", v, ok, err)
		}
		if err := kv.Put("empty", nil); err != nil {
			t.Error(err)
		}
		if v, ok, err := kv.Get("empty"); len(v) != 0 || !ok || err != nil {
			t.Errorf("Get of an empty value = %q, %v, %v", v, ok, err)
		}
		got := state{Count: 7}
		if ok, err := kv.GetJSON("json", &got); ok || err != nil || got.Count != 7 {
			t.Errorf("GetJSON of none = %v, %v, %v", got, ok, err)
		}
		if err := kv.PutJSON("json", state{Count: 3}); err != nil {
			t.Error(err)
		}
		if ok, err := kv.GetJSON("json", &got); !ok || err != nil || got.Count != 3 {
			t.Errorf("GetJSON = %v, %v, %v", got, ok, err)
		}
		if ok, err := kv.GetJSON("\x00\xff", &got); !ok || err == nil {
			t.Errorf("GetJSON of no JSON = %v, %v", ok, err)
		}
		if err := kv.PutJSON("json", func() {}); err == nil {
			t.Error("PutJSON of a func succeeded")
		}
		if err := kv.Put("big", make([]byte, abi.MaxKVValue+1)); abi.CodeOf(err) != abi.CodeValueTooLarge {
			t.Errorf("Put of too much: %v", err)
		}
	})
}

func TestKVBatch(t *testing.T) {
	withKV(t, func(kv guest.KV) {
		if err := kv.PutBatch(guest.Item{Key: "a", Value: []byte("1")}, guest.Item{Key: "b"}, guest.Item{Key: "c", Value: []byte("3")}); err != nil {
			t.Error(err)
		}
		got, err := kv.GetBatch("c", "none", "a", "b")
		if err != nil || len(got) != 3 || string(got["a"]) != "1" || string(got["c"]) != "3" {
			t.Errorf("got %q, %v", got, err)
		}
		if err := kv.PutBatch(guest.Item{Key: "d"}, guest.Item{}); abi.CodeOf(err) != abi.CodeInvalidArgument {
			t.Errorf("an empty key in a batch: %v", err)
		}
		if err := kv.PutBatch(make([]guest.Item, abi.MaxKVBatch+1)...); abi.CodeOf(err) != abi.CodeInvalidArgument {
			t.Errorf("a large batch: %v", err)
		}
		if err := kv.DeleteBatch("a", "none", "c"); err != nil {
			t.Error(err)
		}
		if err := kv.DeleteBatch(); err != nil {
			t.Error(err)
		}
		if got := scan(kv, guest.Range{}); got != "b" {
			t.Errorf("left %q, want b alone", got)
		}
		if err := kv.PutText("t", "wörd"); err != nil {
			t.Error(err)
		}
		if s, ok, err := kv.GetText("t"); s != "wörd" || !ok || err != nil {
			t.Errorf("text %q, %v, %v", s, ok, err)
		}
	})
}
