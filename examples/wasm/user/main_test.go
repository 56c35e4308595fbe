package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

func open(t *testing.T, name string) *guesttest.Actor {
	t.Helper()
	return guesttest.New(t, "user", guesttest.Options{Key: []string{name}, Caller: name})
}

func TestOnlyTheUserChangesTheProfile(t *testing.T) {
	ann := open(t, "ann")
	ann.MustCall(nil, "rename", "Ann B.")
	ann.Caller = "bob"
	for _, call := range [][]any{{"rename", "Bob"}, {"follow", "bob"}} {
		if err := ann.Call(nil, call[0].(string), call[1:]...); !errors.Is(err, guest.UserError("not_yours", "")) {
			t.Errorf("%v by another: %v", call, err)
		}
	}
	if err := ann.Call(nil, "followed", "bob"); !errors.Is(err, guest.UserError("not_for_clients", "")) {
		t.Errorf("followed by a client: %v", err)
	}
	var p Profile
	ann.MustCall(&p, "profile")
	if p.Name != "Ann B." || p.Follows != 0 || p.Followers != 0 || p.Since.IsZero() {
		t.Errorf("profile %+v", p)
	}
	if e := ann.Events(); len(e) != 1 {
		t.Errorf("events %v", e)
	}
}

func TestFollow(t *testing.T) {
	ann := open(t, "ann")
	ann.MustCall(nil, "follow", "bob")
	ann.MustCall(nil, "follow", "bob")
	sends := ann.Sends()
	if len(sends) != 1 || sends[0].Action != "followed" || sends[0].To.Key[0] != "bob" || !sends[0].To.Create {
		t.Fatalf("sends %+v", sends)
	}

	bob := open(t, "bob")
	for i := range 3 {
		if _, err := bob.Answer(guest.Ref{}, "followed", []json.RawMessage{json.RawMessage(fmt.Sprintf(`"fan%d"`, i))}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	bob.MustCall(&names, "followers", 2)
	if fmt.Sprint(names) != "[fan0 fan1]" {
		t.Errorf("followers %v", names)
	}
	bob.MustCall(&names, "followers", 2, "fan1")
	if fmt.Sprint(names) != "[fan2]" {
		t.Errorf("the others %v", names)
	}
}
