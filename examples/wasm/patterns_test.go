//go:build !wasip1

package wasm_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// userError reports whether a guest refused with a code.
func userError(err error, code string) bool {
	e := abi.AsError(err)
	return e != nil && e.Code == abi.CodeUser && e.Name == code
}

type profile struct {
	Name               string
	Follows, Followers int
}

// Users change what is theirs and nothing else, and what one tells another comes once, though many do it at once.
func TestActorPerEntity(t *testing.T) {
	h := open(t, "user")
	bob := h.actor("user", "bob")
	if err := h.as("ann", bob, "rename", "Ann"); !userError(err, "not_yours") {
		t.Errorf("a stranger renames bob: %v", err)
	}
	if err := h.as("bob", bob, "followed", "nobody"); !userError(err, "not_for_clients") {
		t.Errorf("bob makes a follower up: %v", err)
	}
	const fans = 40
	together(fans, func(i int) {
		fan := fmt.Sprintf("fan%02d", i)
		for range 2 {
			if err := h.as(fan, h.actor("user", fan), "follow", "bob"); err != nil {
				t.Error(err)
			}
		}
	})
	kvtest.Eventually(t, "bob has followers", func() bool { return get[profile](h, bob, "profile").Followers >= fans })
	h.restart(time.Hour)
	if p := get[profile](h, bob, "profile"); p.Followers != fans || p.Name != "bob" {
		t.Errorf("bob is %+v, want %d followers", p, fans)
	}
	if got := get[[]string](h, bob, "followers", 2, "fan36"); fmt.Sprint(got) != "[fan37 fan38]" {
		t.Errorf("followers behind fan36 are %v", got)
	}
	// One who is followed first is made by it.
	if err := h.as("bob", bob, "follow", "eve"); err != nil {
		t.Fatal(err)
	}
	kvtest.Eventually(t, "eve is there", func() bool {
		info, err := h.Host.Find(t.Context(), actorstest.Address(t, tenants.Default, "user", "eve"))
		return err == nil && get[profile](h, info.ID, "profile").Followers == 1
	})
}

type entry struct {
	Room, Title, ID string
	Messages        int
}

// A lobby makes rooms, knows of them, and ends them; it is in no message's way.
func TestCoordinatorAndData(t *testing.T) {
	h := open(t, "rooms")
	lobby, other := h.actor("lobby", "games"), h.actor("lobby", "food")
	if _, _, err := h.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "room", "mine"), actors.CreateOptions{}); !userError(err, "ask_the_lobby") {
		t.Errorf("a client makes a room: %v", err)
	}
	chess, cards := get[entry](h, lobby, "create", "Chess"), get[entry](h, lobby, "create", "Cards")
	tea := get[entry](h, other, "create", "Tea")
	room, ok := tenants.ParseActorID(tenants.Default, chess.ID)
	if !ok || tea.Room == chess.Room {
		t.Fatalf("the rooms are %+v and %+v", chess, tea)
	}
	together(20, func(i int) { h.MustCall(room, nil, "say", "ann", fmt.Sprint(i)) })
	kvtest.Eventually(t, "the lobby has heard of the messages", func() bool {
		list := get[[]entry](h, lobby, "list", 10)
		return len(list) == 2 && list[0].Title == "Chess" && list[0].Messages == 20 && list[1].Messages == 0
	})
	if get[bool](h, other, "destroy", chess.Room) {
		t.Error("a lobby has destroyed a room of another")
	}
	if !get[bool](h, lobby, "destroy", chess.Room) || get[bool](h, lobby, "destroy", chess.Room) {
		t.Error("a room is not destroyed once")
	}
	if _, err := h.Call(room, "say", "ann", "?"); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("a message to a destroyed room: %v", err)
	}
	h.restart(time.Minute)
	if list := get[[]entry](h, lobby, "list", 10); len(list) != 1 || list[0].ID != cards.ID {
		t.Errorf("after a restart the lobby has %+v", list)
	}
	if next := get[entry](h, lobby, "create", "Go"); next.Room == chess.Room || next.Room == cards.Room {
		t.Errorf("the new room has an old key: %+v", next)
	}
}

// Votes are counted by their shards, one each, and the sum is that of all shards.
func TestSharding(t *testing.T) {
	h := open(t, "sharding")
	poll := h.actor("poll", "lunch")
	if n := get[int](h, poll, "total"); n != 0 {
		t.Errorf("the total is %d before there is a vote", n)
	}
	const voters = 200
	var twice atomic.Int64
	together(voters, func(i int) {
		voter := fmt.Sprint("voter", i)
		shard := h.actor("poll_shard", "lunch", strconv.Itoa(shardOf(voter)))
		h.MustCall(shard, nil, "vote", voter)
		if _, err := h.Call(shard, "vote", voter); userError(err, "voted") {
			twice.Add(1)
		}
	})
	if twice.Load() != voters {
		t.Errorf("%d of %d were refused a second vote", twice.Load(), voters)
	}
	together(5, func(int) {
		if n := get[int](h, poll, "total"); n != voters {
			t.Errorf("the total is %d, want %d", n, voters)
		}
	})
	list, _, err := h.Host.List(t.Context(), tenants.Default, "poll_shard", "", 100)
	if err != nil || len(list) != 8 {
		t.Errorf("there are %d shards, %v", len(list), err)
	}
}

// shardOf is what a client computes: FNV-1a, 32 bits, modulo 8.
func shardOf(voter string) int {
	h := uint32(2166136261)
	for _, b := range []byte(voter) {
		h = (h ^ uint32(b)) * 16777619
	}
	return int(h % 8)
}

// A coordinator waits for a hundred workers that call it back, and is free meanwhile.
func TestFanOutFanIn(t *testing.T) {
	h := open(t, "fanout")
	coordinator := h.actor("coordinator")
	done := make(chan int)
	go func() {
		var n int
		h.MustCall(coordinator, &n, "primes", 200_000, 100)
		done <- n
	}()
	kvtest.Eventually(t, "the job has begun", func() bool {
		_, state, _, err := h.Host.State(t.Context(), coordinator)
		return err == nil && strings.Contains(string(state), `"missing":{`)
	})
	if n := get[int](h, coordinator, "primes", 100, 2); n != 25 {
		t.Errorf("%d primes below 100", n)
	}
	if n := <-done; n != 17984 {
		t.Errorf("%d primes below 200,000, want 17984", n)
	}
	workers, _, err := h.Host.List(t.Context(), tenants.Default, "worker", "", 1000)
	if err != nil || len(workers) != 100 {
		t.Errorf("there are %d workers, %v", len(workers), err)
	}
	if err := h.as("ann", coordinator, "report", map[string]int{}, 7); !userError(err, "not_for_clients") {
		t.Errorf("a report by a client: %v", err)
	}
}

type decision struct {
	Allowed    bool
	Remaining  int
	RetryAfter int64
}

// However many ask at once, the burst and no more is allowed, and after a while some more.
func TestRateLimiter(t *testing.T) {
	h := open(t, "limiter")
	info, _, err := h.Host.GetOrCreate(t.Context(), actorstest.Address(t, tenants.Default, "limiter", "10.0.0.1"), actors.CreateOptions{Input: []byte(`{"burst":5,"interval":200}`)})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(n int) int64 {
		var yes atomic.Int64
		together(n, func(int) {
			if get[decision](h, info.ID, "take", 1).Allowed {
				yes.Add(1)
			}
		})
		return yes.Load()
	}
	if n := allowed(30); n != 5 {
		t.Errorf("%d of 30 at once are allowed, want 5", n)
	}
	if d := get[decision](h, info.ID, "take", 1); d != (decision{RetryAfter: 200}) {
		t.Errorf("one more: %+v", d)
	}
	h.pass(400 * time.Millisecond)
	if n := allowed(10); n != 2 {
		t.Errorf("after two intervals %d are allowed", n)
	}
	if d := get[decision](h, h.actor("limiter", "10.0.0.2"), "take", 10); !d.Allowed {
		t.Errorf("another client, without a rule: %+v", d)
	}
	h.restart(time.Second)
	if d := get[decision](h, info.ID, "take", 4); d != (decision{Allowed: true, Remaining: 1}) {
		t.Errorf("after a restart: %+v", d)
	}
}
