// Package guest is what a Vivarium actor written in Go is made of.
//
// An actor is registered once, when its module starts, and then answers one turn at a time:
//
//	var _ = guest.Actor("counter", guest.Def[State]{
//		Create: guest.Create(func(c *guest.Ctx[State], in Input) (State, error) { return State{Count: in.Start}, nil }),
//		Actions: guest.Actions{
//			"increment": guest.Action(func(c *guest.Ctx[State], by int) (int, error) {
//				c.State.Count += by
//				return c.State.Count, nil
//			}),
//		},
//	})
//
//	func main() {}
//
// Build it with standard Go, with no TinyGo and no flags of our own:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o counter.wasm .
//
// A [Def] has whatever else an actor does: hooks, connections, raw HTTP and sockets, queues, tasks. A
// [Ctx] reaches the host and other actors. docs/guests.md shows each idea in a few lines.
//
// The package owns the guest's half of the contract in hostfuncs/abi: it decodes the turn, finds the
// action, keeps the state, and writes the reply. The calls that only a guest can make are in files
// for wasip1, so that a guest also compiles and runs as ordinary Go: package guesttest tests it so.
//
// One invariant: a turn that ends with an error leaves nothing behind, neither in the store, which
// is the host's part, nor in the guest's memory of its state, which is read again on the next turn.
// Other variables of the program keep what a failed turn did to them; nothing durable may rely on
// them.
//
// A guest has one thread of control. Neither Ctx nor anything reached through it is safe for
// concurrent use, or valid after the turn.
package guest
