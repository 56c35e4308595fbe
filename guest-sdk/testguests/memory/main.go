// Memory holds bytes that are no state, so that a test can tell whether the memory of a sleeping
// actor was used. Nothing is to be learned from it.
package main

import (
	"hash/crc32"
	"math/rand/v2"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what an actor keeps.
type State struct {
	N int `json:"n"`
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("memory", guest.Def[State]{
	Actions: guest.Actions{
		"add":     guest.Action(func(c *ctx, by int) (int, error) { c.State.N += by; return c.State.N, nil }),
		"fill":    guest.Action2(fill),
		"sum":     guest.Action0(func(*ctx) (uint32, error) { return crc32.ChecksumIEEE(ballast), nil }),
		"turns":   guest.Action0(func(*ctx) (int, error) { turns++; return turns, nil }),
		"garbage": guest.Action(garbage),
		"nop":     guest.Do0(func(*ctx) error { return nil }),
	},
})

var (
	ballast []byte // of the last fill
	turns   int    // of the action turns
	sink    []byte // makes garbage escape
)

// fill takes size bytes that do not compress, and returns their checksum.
func fill(_ *ctx, size int, seed uint64) (uint32, error) {
	r := rand.New(rand.NewPCG(seed, seed))
	ballast = make([]byte, size)
	for i := range ballast {
		ballast[i] = byte(r.Uint32())
	}
	return crc32.ChecksumIEEE(ballast), nil
}

// garbage allocates n KiB in pieces of 1 KiB, so that the garbage collector has to run.
func garbage(_ *ctx, n int) (int, error) {
	for i := range n {
		sink = make([]byte, 1<<10)
		sink[i%len(sink)] = 1
	}
	return n, nil
}

func main() {}
