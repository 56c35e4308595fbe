// Package client calls actors from Go programs: actions, events, queues, raw HTTP and WebSockets, in Rivet's protocol.
//
//	c, err := client.New("http://127.0.0.1:6420", client.Options{Token: token})
//	counter := c.GetOrCreate("counter", "lobby")
//	n, err := client.Call[int](ctx, counter, "increment", 2)
//
// It owns handles, connections and how they come back, and what may be believed of a host. It leaves the bytes to
// api/wire, and what is not about actors to its callers, see [Client.Open].
//
// One invariant: nothing is sent twice. A call whose answer is lost fails with [ErrLost], and its caller decides.
// Everything that waits takes a context; whatever the host sends is bounded by [Options.MaxAnswer].
package client
