package guest

import (
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Ctx is what an action has in its hands: the actor's state, and the host. It is valid during its
// turn only.
//
// Operations that can fail for a reason an action may act on return an error, an *abi.Error. Those
// that fail only when the turn has no host calls left (abi.MaxHostCalls) panic then.
type Ctx[S any] struct {
	// State is the actor's state. What an action makes of it is saved when the action succeeds, if
	// its JSON is not the same as before, and forgotten when it fails. It is mostly encoded in each turn,
	// so keep what grows in the KV store.
	State S

	env
}

// Context is the *Ctx of any actor: for functions that have no use for its state.
type Context interface {
	turnEnv() *env
}

// env is a Ctx without its state, so that what an actor can do is compiled once and not for each
// type of state.
type env struct {
	host  hostcall.Host
	hooks *hooks
	turn  *abi.Turn
	self  *Self
	conn  *Conn  // of the turn, once it was asked for
	vars  any    // since the last wake
	head  []byte // of the answer to a raw HTTP request
	open  bool   // a request stays open after the turn
}

// Self is the identity of an actor.
type Self = abi.Self

func (c *env) turnEnv() *env { return c }

func (c *env) begin(t *abi.Turn) {
	c.host, c.turn, c.conn, c.head, c.open = hostcall.Current, t, nil, nil, false
	if t.Reload {
		c.self = nil
	}
}

func (c *env) end() { c.turn = nil }

// KV returns the actor's own key-value store.
func (c *env) KV() KV { return KV{c.host} }

// Log returns the actor's log.
func (c *env) Log() Log { return Log{c.host} }

// Broadcast sends an event to the clients that are connected to the actor and subscribed to it, once
// the turn is durable; a turn that fails sends none. An event has any number of arguments, each of
// which JSON must be able to encode.
//
// The error, which most actions pass on or leave aside, is abi.CodeTooManyEvents or
// abi.CodeOutboxTooLarge when the turn sends too much: the event is then not sent, the turn goes on.
func (c *env) Broadcast(event string, args ...any) error {
	b, err := list(args)
	if err != nil {
		return err
	}
	return c.host.Broadcast(event, b)
}

// Self returns the actor's identity. The host gives it once; it must not be changed.
func (c *env) Self() *Self {
	if c.self == nil {
		b, err := c.host.Self()
		check(err)
		s := new(Self)
		check(json.Unmarshal(b, s))
		c.self = s
	}
	return c.self
}

// Key returns the components of the actor's key; none is the empty key. It must not be changed.
func (c *env) Key() []string { return c.Self().Key }

// ID returns the actor's id, which no other actor ever has or had.
func (c *env) ID() string { return c.Self().ID }

// Caller returns the verified identity of the client that asked for the turn, the sub of its token.
// Empty means that it has none, or that an actor asked: see Sender.
func (c *env) Caller() string { return c.turn.Caller }

// Sender returns the id of the actor that asked for the turn, empty if it was a client or the host.
func (c *env) Sender() string { return c.turn.Sender }

// Origin returns the verified identity of the client at the beginning of the chain of calls that led
// to the turn. An action that trusts somebody asks for Caller and Sender: whoever is called by a
// client may call on.
func (c *env) Origin() string { return c.turn.Origin }

// Now returns the turn's time, to the millisecond. It stands still during the turn, like time.Now.
func (c *env) Now() time.Time {
	ms, err := c.host.Now()
	check(err)
	return time.UnixMilli(ms)
}

// Random returns n random bytes, fit for keys and tokens.
func (c *env) Random(n int) []byte {
	b, err := c.host.Random(int64(n))
	check(err)
	return b
}

// Config returns a setting that was given to the module when it was uploaded. An empty setting is
// the same as none.
func (c *env) Config(name string) (value string, ok bool) { return c.host.Config(name) }

// check panics on errors that leave an action nothing sensible to do.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
