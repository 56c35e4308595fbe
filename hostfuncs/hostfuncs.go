// Package hostfuncs is what a guest may ask of its host, and how it asks.
//
// It owns the one table of operations and the import modules that are built from it: the native
// Extism kernel (extism:host/env), the operations by handles (extism:host/user) and by pointers
// (vivarium). What an operation does is the Actor's: package actors implements it.
//
// Its one invariant: every pointer, length and handle from a guest is checked against the guest's
// own memory before a byte is touched, and a guest reaches nothing but its own Call.
package hostfuncs

import (
	"context"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Actor is one turn of one actor, as its guest sees it. Errors that the guest may handle are
// *abi.Error; any other error ends the turn as our own fault. Slices that a method gets are valid
// until it returns; slices that it gives back must not be changed.
type Actor interface {
	// State returns the actor's state, or false if it never had one.
	State() ([]byte, bool, error)
	SetState(state []byte) error

	// KVGet returns the value of key, or false.
	KVGet(key []byte) ([]byte, bool, error)
	KVPut(key, value []byte) error
	KVDelete(key []byte) error
	// KVList returns a page (see abi.ParsePage).
	KVList(r ListRequest) ([]byte, error)
	// KVDeleteRange deletes up to limit items of a range (zero: all of it) and returns how many.
	KVDeleteRange(r ListRequest) (int64, error)
	// KVPutBatch and KVDeleteBatch do all or nothing. Values of a deletion do not count.
	KVPutBatch(items []abi.Item) error
	KVDeleteBatch(keys []abi.Item) error

	// Var returns an Extism var, or false. SetVar with a nil value deletes it.
	Var(name []byte) ([]byte, bool, error)
	SetVar(name, value []byte) error

	// Broadcast puts an event into the turn's outbox. payload is a document that is a list.
	Broadcast(event string, payload []byte) error

	// Self describes the actor, as JSON of abi.Self.
	Self() []byte
	// Config returns a value that the tenant set for the module, or false.
	Config(name string) (string, bool)
	// Log adds a line to the actor's log.
	Log(level Level, text []byte)
	// Now is the turn's clock. It stands still inside a turn except across waiting.
	Now() time.Time
	// Random fills p from the turn's seed.
	Random(p []byte)

	Connections
	Schedules
	Peers
	Tasks
	Requests
	Life
}

// Meter takes gas for work before it is done. The error ends the guest's run.
type Meter interface {
	Charge(gas int64) error
}

// ListRequest names a part of an actor's KV.
type ListRequest struct {
	Lo, Hi  []byte // [Lo, Hi); an empty Hi is the end
	Prefix  bool   // Lo is a prefix and Hi is ignored
	Cursor  []byte // the last key of the page before; empty starts at the beginning
	Limit   int    // zero means the most there may be
	Reverse bool
	Keys    bool // without values

	// Look takes the gas of one item of so many bytes that the actor has come to, whether it is part of
	// the answer or not. It must be called before the item is used. Its error ends the operation and is
	// given back as it is, and the guest ends.
	Look func(bytes int) error
}

// Level is the level of a log line.
type Level int32

// The levels, with Extism's numbers.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

var levelNames = [...]string{"trace", "debug", "info", "warn", "error"}

// String returns the level in lower case.
func (l Level) String() string {
	if l < LevelTrace || l > LevelError {
		return "info"
	}
	return levelNames[l]
}

// Call is one run of guest code: the context that travels through the engine to each host
// function. Make one for each run; it must not be used again, because the engine may still look at
// the context for a moment after the run.
type Call struct {
	context.Context
	actor   Actor
	kernel  *Kernel
	meter   Meter
	input   []byte
	output  []byte // set by vivarium.output
	result  []byte // of the last operation, or the message of its failure
	calls   int
	spent   error        // of the meter, while an operation worked: it ends the run
	perItem int64        // of the operation that works
	http    httpAnswer   // of the last http_request
	failed  []*abi.Error // what operations refused in this run, one of each code
}

// NewCall prepares a run with an input. The kernel's memory is emptied; it belongs to the call until
// the run has ended. The meter is that of the instance which will run.
func NewCall(ctx context.Context, a Actor, k *Kernel, m Meter, input []byte) *Call {
	k.reset()
	return &Call{Context: ctx, actor: a, kernel: k, meter: m, input: input}
}

// NewStartup prepares a run of start-up code, whose instance is not known yet. Host functions are then
// not charged; a start-up has a deadline and may call them only as often as a turn.
func NewStartup(ctx context.Context, a Actor, k *Kernel) *Call {
	return NewCall(ctx, a, k, unmetered{}, nil)
}

type unmetered struct{}

func (unmetered) Charge(int64) error { return nil }

// Output returns what the guest gave as the result of an SDK entry, owned by the caller.
func (c *Call) Output() []byte { return c.output }

// PlainOutput returns what the guest gave by Extism's output_set, valid until the kernel's next
// call, and false if the range that it named was not its own.
func (c *Call) PlainOutput() ([]byte, bool) { return c.kernel.output() }

// PlainError returns the text given by Extism's error_set, empty for none.
func (c *Call) PlainError() string { return c.kernel.err }

// Refusal returns the error with which an operation of this run refused the guest, by code. A
// guest that says "the host failed with code n" is believed only if it did.
func (c *Call) Refusal(code abi.Code) (*abi.Error, bool) {
	for _, e := range c.failed {
		if e.Code == code {
			return e, true
		}
	}
	return nil, false
}

// refuse records an operation's failure and returns the number that the guest gets.
func (c *Call) refuse(e *abi.Error) int64 {
	if _, ok := c.Refusal(e.Code); !ok {
		c.failed = append(c.failed, e)
	}
	c.result = []byte(e.PublicMessage())
	return -int64(e.Code)
}

// count charges one call of a price that moves n bytes, and counts it.
func (c *Call) count(p Price, n int) {
	if c.calls++; c.calls > abi.MaxHostCalls {
		abort(abi.Errorf(abi.CodeTooManyHostCalls, "the turn calls the host more than %d times", abi.MaxHostCalls))
	}
	c.charge(p, n)
}

// charge takes the gas for n bytes at a price.
func (c *Call) charge(p Price, n int) {
	if err := c.meter.Charge(p.Base + p.PerByte*int64(n)); err != nil {
		abort(err)
	}
}

// look charges an item of so many bytes. See ListRequest.Look.
func (c *Call) look(bytes int) error {
	c.spent = c.meter.Charge(c.perItem + int64(bytes)/lookBytes)
	return c.spent
}

// abort ends the guest's run with err, which the engine wraps.
func abort(err error) { panic(err) }

// badPointer ends a guest that names memory it does not have.
func badPointer(what string, ptr, n uint64) {
	abort(abi.Errorf(abi.CodeInvalidArgument, "%s: %d bytes at %d are outside the guest's memory", what, n, ptr))
}

var errNoGuestCall = fmt.Errorf("hostfuncs: host function called without a Call")

// callOf returns the Call that the engine carries.
func callOf(ctx context.Context) *Call {
	c, ok := ctx.(*Call)
	if !ok {
		abort(errNoGuestCall)
	}
	return c
}
