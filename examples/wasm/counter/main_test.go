package main

import (
	"errors"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestCounter(t *testing.T) {
	a := guesttest.New(t, "counter", guesttest.Options{Input: Input{Start: 40}})
	var n int
	a.MustCall(&n, "increment", 2)
	if n != 42 {
		t.Errorf("increment = %d, want 42", n)
	}
	if err := a.Call(nil, "fail"); !errors.Is(err, guest.UserError("refused", "")) {
		t.Errorf("fail: %v", err)
	}
	a.MustCall(nil, "nop")
	a.MustCall(&n, "get")
	if n != 42 || len(a.KV()) != 0 || len(a.Events()) != 1 {
		t.Errorf("after fail: count %d, KV %v", n, a.KV())
	}
}
