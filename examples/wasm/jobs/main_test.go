package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestDeliver(t *testing.T) {
	post, box := guesttest.New(t, "post", guesttest.Options{}), guesttest.New(t, "mailbox", guesttest.Options{Key: []string{"ann"}})
	failures := 2
	var ids []string
	post.OnCall = func(to guest.Ref, action string, args []json.RawMessage) (any, error) {
		ids = append(ids, string(args[0]))
		result, err := box.Answer(to, action, args)
		if failures--; failures >= 0 { // the letter is in the box, but the post does not know
			return nil, errors.New("the line is dead")
		}
		return result, err
	}
	var got Receipt
	if err := post.QueueSend(&got, "letters", Letter{"ann", "hello"}); err != nil || got != (Receipt{Number: 1, Attempt: 3}) {
		t.Errorf("receipt %+v, %v", got, err)
	}
	if fmt.Sprint(ids[0], ids[1]) != fmt.Sprint(ids[2], ids[0]) {
		t.Errorf("the attempts had the ids %v", ids)
	}
	var n int
	if box.MustCall(&n, "letters"); n != 1 {
		t.Errorf("%d letters, want 1", n)
	}
	if post.MustCall(&n, "delivered"); n != 1 {
		t.Errorf("%d delivered, want 1", n)
	}
	if err := post.QueueSend(&got, "letters", Letter{To: "ann"}); err != nil || got.Refused == "" || got.Attempt != 1 {
		t.Errorf("an empty letter: %+v, %v", got, err)
	}
}

func TestDeadLetters(t *testing.T) {
	post := guesttest.New(t, "post", guesttest.Options{})
	there := false
	post.OnCall = func(to guest.Ref, _ string, _ []json.RawMessage) (any, error) {
		if to.Key[0] == "bob" && !there {
			return nil, &abi.Error{Code: abi.CodeActorNotFound}
		}
		return 1, nil
	}
	post.MustCall(nil, "write", []string{"ann", "bob", "eve"}, "hello")
	if err := post.Drain(); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("the error of the letter to bob: %v", err)
	}
	var n int
	if post.MustCall(&n, "delivered"); n != 2 {
		t.Errorf("%d delivered, want 2", n)
	}
	var dead []guest.DeadLetter
	post.MustCall(&dead, "dead")
	if len(dead) != 1 || dead[0].Name != "letters" || dead[0].Attempts != abi.MaxAttempts || string(dead[0].Body) != `{"to":"bob","text":"hello"}` {
		t.Fatalf("dead letters %+v", dead)
	}

	there = true
	if post.MustCall(&n, "redrive"); n != 1 {
		t.Errorf("%d driven again, want 1", n)
	}
	if err := post.Drain(); err != nil {
		t.Error(err)
	}
	if post.MustCall(&n, "delivered"); n != 3 || len(post.DeadLetters()) != 0 {
		t.Errorf("after redrive %d delivered, %d dead", n, len(post.DeadLetters()))
	}
}
