// Sharding is a poll whose votes are spread over several actors, because one actor, which does one turn
// at a time, would be too slow for all of them. A voter belongs to one shard, the one that a hash of the
// voter's name says, so a shard can see by itself who has voted. Who wants the sum asks the poll, which
// asks all shards at once.
//
// Use it when one entity gets more writes than one actor can commit, some thousands a second. Clients
// find the shard by themselves; were the poll to pass the votes on, it would be the bottleneck again. The
// number of shards is for ever: another one would send voters to other shards. A sum costs a turn in each
// shard and as many in the poll.
package main

import (
	"hash/fnv"
	"strconv"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Shards is the number of shards of a poll.
const Shards = 8

// Shard returns the shard of a voter: FNV-1a, 32 bits, modulo Shards. Clients compute it too.
func Shard(voter string) int {
	h := fnv.New32a()
	h.Write([]byte(voter))
	return int(h.Sum32() % Shards)
}

// Votes is the state of a shard.
type Votes struct {
	Count int `json:"count"`
}

// Poll is the state of a poll: the sums that are being made, by number.
type Poll struct {
	Last int          `json:"last"`
	Sums map[int]*Sum `json:"sums"`
}

// Sum is a sum on its way.
type Sum struct {
	Request guest.OpenRequest `json:"request"`
	Missing int               `json:"missing"` // shards that have not answered
	Count   int               `json:"count"`
}

var _ = guest.Actor("poll_shard", guest.Def[Votes]{
	Key: []string{"poll", "shard"},
	Actions: guest.Actions{
		"vote":  guest.Do(vote),
		"count": guest.Action0(func(c *guest.Ctx[Votes]) (int, error) { return c.State.Count, nil }),
	},
})

var _ = guest.Actor("poll", guest.Def[Poll]{
	Key:     []string{"poll"},
	Actions: guest.Actions{"total": guest.Do0(total)},
	Tasks:   guest.Tasks{"count": guest.Task(counted)},
})

func vote(c *guest.Ctx[Votes], voter string) error {
	if strconv.Itoa(Shard(voter)) != c.Key()[1] {
		return guest.UserError("wrong_shard", "this voter belongs to another shard").With(Shard(voter))
	}
	_, voted, err := c.KV().Get("voter/" + voter)
	if err != nil {
		return err
	}
	if voted {
		return guest.UserError("voted", "one vote each")
	}
	c.State.Count++
	return c.KV().Put("voter/"+voter, nil)
}

// total asks all shards at once and ends its turn; the last answer is also that of the request. Its
// result is a number.
func total(c *guest.Ctx[Poll]) error {
	c.State.Last++
	if c.State.Sums == nil {
		c.State.Sums = map[int]*Sum{}
	}
	c.State.Sums[c.State.Last] = &Sum{Request: c.KeepOpen(), Missing: Shards}
	for i := range Shards {
		shard := guest.To("poll_shard", c.Key()[0], strconv.Itoa(i))
		if _, err := c.Start("count", guest.CallTask(shard, "count"), c.State.Last); err != nil {
			return err
		}
	}
	return nil
}

// counted takes one shard's answer.
func counted(c *guest.Ctx[Poll], number int, r *guest.Result) error {
	sum := c.State.Sums[number]
	if sum == nil {
		return nil // it has failed already
	}
	var n int
	err := r.Decode(&n)
	if err != nil && abi.CodeOf(err) != abi.CodeActorNotFound { // nobody has voted there
		delete(c.State.Sums, number)
		return answer(c, sum, func() error { return c.ReplyError(sum.Request, err) })
	}
	sum.Count += n
	if sum.Missing--; sum.Missing > 0 {
		return nil
	}
	delete(c.State.Sums, number)
	return answer(c, sum, func() error { return c.Reply(sum.Request, sum.Count) })
}

// answer answers a request, if somebody still waits for it.
func answer(c *guest.Ctx[Poll], sum *Sum, reply func() error) error {
	if !c.RequestOpen(sum.Request) {
		return nil
	}
	return reply()
}

func main() {}
