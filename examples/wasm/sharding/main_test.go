package main

import (
	"errors"
	"fmt"
	"strconv"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// TestShard holds the hash still: another one would lose who has voted.
func TestShard(t *testing.T) {
	if got := fmt.Sprint(Shard("ann"), Shard("bob"), Shard("")); got != "0 4 5" {
		t.Errorf("shards %s", got)
	}
}

func TestVote(t *testing.T) {
	n := strconv.Itoa(Shard("ann"))
	shard := guesttest.New(t, "poll_shard", guesttest.Options{Key: []string{"lunch", n}})
	shard.MustCall(nil, "vote", "ann")
	if err := shard.Call(nil, "vote", "ann"); !errors.Is(err, guest.UserError("voted", "")) {
		t.Errorf("a second vote: %v", err)
	}
	if err := shard.Call(nil, "vote", "bob"); !errors.Is(err, guest.UserError("wrong_shard", "")) {
		t.Errorf("a vote in the wrong shard: %v", err)
	}
	var count int
	if shard.MustCall(&count, "count"); count != 1 {
		t.Errorf("%d votes, want 1", count)
	}
}

func TestTotal(t *testing.T) {
	poll := guesttest.New(t, "poll", guesttest.Options{Key: []string{"lunch"}})
	first, second := poll.Begin("total"), poll.Begin("total")
	tasks := poll.Tasks()
	if len(tasks) != 2*Shards || tasks[1].To.Key[1] != "1" {
		t.Fatalf("tasks %+v", tasks)
	}
	for i, task := range tasks {
		var outcome any = i
		if i == 3 {
			outcome = &abi.Error{Code: abi.CodeActorNotFound}
		}
		if first.Done() != (i >= Shards) || second.Done() {
			t.Fatalf("after %d answers: %v, %v", i, first.Done(), second.Done())
		}
		if i == 2*Shards-1 {
			outcome = &abi.Error{Code: abi.CodeActorTrapped}
		}
		if err := poll.Complete(task.ID, outcome); err != nil {
			t.Fatal(err)
		}
	}
	var sum int
	if err := first.Result(&sum); err != nil || sum != 0+1+2+4+5+6+7 {
		t.Errorf("total = %d, %v", sum, err)
	}
	if err := second.Result(nil); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("a total of which a shard failed: %v", err)
	}
	var p Poll
	if poll.State(&p); len(p.Sums) != 0 {
		t.Errorf("left over: %+v", p.Sums)
	}
}
