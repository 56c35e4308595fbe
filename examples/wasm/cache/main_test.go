package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func value(t *testing.T, a *guesttest.Actor, key string) string {
	t.Helper()
	var v json.RawMessage
	a.MustCall(&v, "get", key)
	return string(v)
}

func TestExpiry(t *testing.T) {
	a := guesttest.New(t, "cache", guesttest.Options{})
	a.MustCall(nil, "put", "a", map[string]int{"n": 1}, 10)
	a.MustCall(nil, "put", "b", "text", 3600)
	a.Advance(10*time.Second - time.Millisecond)
	if got := value(t, a, "a"); got != `{"n":1}` {
		t.Errorf("a = %s", got)
	}
	a.Advance(time.Millisecond)
	if got := value(t, a, "a"); got != "null" || len(a.KV()) != 4 {
		t.Errorf("after its time a = %s, KV %v", got, a.KV())
	}
	a.Advance(time.Minute)
	if got := value(t, a, "b"); got != `"text"` || len(a.KV()) != 2 {
		t.Errorf("after a sweep b = %s, KV %v", got, a.KV())
	}
	a.Advance(time.Hour)
	if len(a.KV()) != 0 || len(a.Schedules()) != 0 {
		t.Errorf("left over: KV %v, schedules %v", a.KV(), a.Schedules())
	}
}

// TestReplaced holds that the time of a value that was replaced or deleted does not end another.
func TestReplaced(t *testing.T) {
	a := guesttest.New(t, "cache", guesttest.Options{})
	a.MustCall(nil, "put", "a", 1, 5)
	a.MustCall(nil, "put", "a", 2, 500)
	a.MustCall(nil, "put", "b", 1, 5)
	a.MustCall(nil, "delete", "b")
	a.MustCall(nil, "put", "b", 2, 500)
	a.Advance(2 * time.Minute)
	if got := value(t, a, "a") + value(t, a, "b"); got != "22" || len(a.KV()) != 4 {
		t.Errorf("values %s, KV %v", got, a.KV())
	}
}

func TestLargeSweep(t *testing.T) {
	a := guesttest.New(t, "cache", guesttest.Options{})
	for i := range sweepMost + 5 {
		a.MustCall(nil, "put", fmt.Sprint(i), i, 1)
	}
	a.Advance(time.Minute)
	if n := len(a.KV()); n != 2*5 {
		t.Errorf("%d items after one sweep", n)
	}
	a.Advance(time.Minute)
	if n := len(a.KV()); n != 0 {
		t.Errorf("%d items after two", n)
	}
}

func TestRefused(t *testing.T) {
	a := guesttest.New(t, "cache", guesttest.Options{})
	for _, args := range [][]any{{"", 1, 1}, {"a", 1, 0}, {"a", 1, 1 << 40}} {
		if err := a.Call(nil, "put", args...); !errors.Is(err, guest.UserError("bad_item", "")) {
			t.Errorf("put%v: %v", args, err)
		}
	}
	if err := a.Call(nil, "sweep"); !errors.Is(err, guest.UserError("not_for_clients", "")) {
		t.Errorf("sweep by a client: %v", err)
	}
}
