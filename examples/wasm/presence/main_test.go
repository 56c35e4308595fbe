package main

import (
	"errors"
	"fmt"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func TestPresence(t *testing.T) {
	a := guesttest.New(t, "presence", guesttest.Options{})
	enter := func(nick string) *guesttest.Client {
		t.Helper()
		c, err := a.Connect(Who{Nick: nick})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	leave := func(c *guesttest.Client) {
		t.Helper()
		if err := c.Close(1000, ""); err != nil {
			t.Fatal(err)
		}
	}
	here := func(want string) {
		t.Helper()
		var nicks []string
		if a.MustCall(&nicks, "here"); fmt.Sprint(nicks) != want {
			t.Errorf("here are %v, want %s", nicks, want)
		}
	}

	here("[]") // the connection of the call itself is none that stays
	bob, ann, again := enter("bob"), enter("ann"), enter("bob")
	here("[ann bob]")
	if got := fmt.Sprint(again.Events()); got != "[{here [[ann bob]]}]" {
		t.Errorf("a newcomer got %s", got)
	}
	if err := ann.Call(nil, "typing", true); err != nil {
		t.Error(err)
	}
	if err := ann.Call(nil, "typing", true); err != nil {
		t.Error(err)
	}
	leave(bob)
	here("[ann bob]")
	leave(again)
	here("[ann]")
	if got := fmt.Sprint(a.Events()); got != "[{joined [bob]} {joined [ann]} {typing [ann true]} {left [bob]}]" {
		t.Errorf("events %s", got)
	}
	if err := a.Restart(); err != nil {
		t.Fatal(err)
	}
	here("[]")
}

func TestRefused(t *testing.T) {
	a := guesttest.New(t, "presence", guesttest.Options{})
	if _, err := a.Connect(nil); !errors.Is(err, guest.UserError("bad_nick", "")) {
		t.Errorf("without a nick: %v", err)
	}
	if err := a.Call(nil, "typing", true); !errors.Is(err, guest.UserError("not_connected", "")) {
		t.Errorf("typing without a connection: %v", err)
	}
}
