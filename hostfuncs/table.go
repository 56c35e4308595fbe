package hostfuncs

import (
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Operation is one row of the table: what a guest may ask, whatever the form in which it asks.
type Operation struct {
	Name   string
	Params []Param
	Result Result
	Price  Price
	// PerItem is charged for each item that the operation comes to, before it is used, with one more for
	// each lookBytes bytes of it.
	PerItem int64
	// Doc is one sentence for the bindings of other languages.
	Doc string
	do  func(c *Call, a *args) (answer, error)
}

// Price is what a host function costs, in the gas of the guest's own instructions. Base is for the call;
// PerByte is for each byte of the arguments, charged before the work, and of the result, charged before
// the guest gets it.
type Price struct {
	Base, PerByte int64
}

// lookBytes is how many bytes of an item that is looked at cost one gas, as they do for memory.copy.
const lookBytes = 8

// Param is one argument of an operation.
type Param struct {
	Name string
	Kind Kind
}

// Kind says how an argument travels.
type Kind uint8

// The kinds: Bytes is (pointer, length) or a handle, Number an i64.
const (
	Bytes Kind = iota
	Number
)

// Result says what an operation gives back.
type Result uint8

// The results.
const (
	NoResult     Result = iota // 0
	NumberResult               // zero or more
	BytesResult                // bytes, or none
)

// args are an operation's arguments, in the order of Params within each kind. The bytes belong to
// the guest: an operation copies what it keeps.
type args struct {
	b [4][]byte
	n [2]int64
}

// answer is an operation's success.
type answer struct {
	bytes  []byte
	number int64
	none   bool // there is nothing: abi.Absent, or handle 0
}

// MaxRandom bounds one call of random, in bytes.
const MaxRandom = 64 << 10

func bytesParam(name string) Param  { return Param{name, Bytes} }
func numberParam(name string) Param { return Param{name, Number} }

// Operations returns the table, in the order in which it is documented.
func Operations() []Operation { return operations }

var operations = slices.Concat(storageOperations, batchOperations, connOperations, timeOperations, peerOperations, requestOperations, lifeOperations)

// storageOperations are the actor's own data, and who and when it is.
var storageOperations = []Operation{
	{
		Name: "state_get", Price: Price{2000, 1}, Result: BytesResult,
		Doc: "returns the actor's state, or none if it was never set",
		do:  func(c *Call, _ *args) (answer, error) { return optional(c.actor.State()) },
	},
	{
		Name: "state_set", Price: Price{2000, 1}, Params: []Param{bytesParam("state")},
		Doc: "replaces the actor's state",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.SetState(a.b[0]) },
	},
	{
		Name: "kv_get", Price: Price{10000, 1}, Params: []Param{bytesParam("key")}, Result: BytesResult,
		Doc: "returns the value of a KV key, or none",
		do:  func(c *Call, a *args) (answer, error) { return optional(c.actor.KVGet(a.b[0])) },
	},
	{
		Name: "kv_put", Price: Price{3000, 1}, Params: []Param{bytesParam("key"), bytesParam("value")},
		Doc: "sets a KV key",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.KVPut(a.b[0], a.b[1]) },
	},
	{
		Name: "kv_delete", Price: Price{3000, 1}, Params: []Param{bytesParam("key")},
		Doc: "deletes a KV key; a missing key is no failure",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.KVDelete(a.b[0]) },
	},
	{
		Name:  "kv_list",
		Price: Price{20000, 1}, PerItem: 2000,
		Params: []Param{bytesParam("lo"), bytesParam("hi"), bytesParam("cursor"), numberParam("limit"), numberParam("flags")},
		Result: BytesResult,
		Doc:    "returns a page of the KV items with lo <= key < hi, in byte order",
		do: func(c *Call, a *args) (answer, error) {
			r, err := c.listRequest(a.b[0], a.b[1], a.b[2], a.n[0], a.n[1])
			if err != nil {
				return answer{}, err
			}
			page, err := c.actor.KVList(r)
			return answer{bytes: page}, err
		},
	},
	{
		Name:  "kv_delete_range",
		Price: Price{20000, 1}, PerItem: 2000,
		Params: []Param{bytesParam("lo"), bytesParam("hi"), numberParam("limit"), numberParam("flags")},
		Result: NumberResult,
		Doc:    "deletes the KV items with lo <= key < hi, at most limit of them, and returns how many",
		do: func(c *Call, a *args) (answer, error) {
			r, err := c.listRequest(a.b[0], a.b[1], nil, a.n[0], a.n[1])
			if err != nil {
				return answer{}, err
			}
			n, err := c.actor.KVDeleteRange(r)
			return answer{number: n}, err
		},
	},
	{
		Name: "broadcast", Price: Price{3000, 1}, Params: []Param{bytesParam("event"), bytesParam("payload")},
		Doc: "sends an event to the actor's connections once the turn is durable; payload is a list in the module's codec",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkEventName(a.b[0]); err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.Broadcast(string(a.b[0]), a.b[1])
		},
	},
	{
		Name: "self", Price: Price{1000, 1}, Result: BytesResult,
		Doc: "describes the actor, as JSON",
		do:  func(c *Call, _ *args) (answer, error) { return answer{bytes: c.actor.Self()}, nil },
	},
	{
		Name: "log", Price: Price{2000, 1}, Params: []Param{numberParam("level"), bytesParam("text")},
		Doc: "adds a line to the actor's log; levels are 0 trace, 1 debug, 2 info, 3 warn, 4 error",
		do: func(c *Call, a *args) (answer, error) {
			if a.n[0] < int64(LevelTrace) || a.n[0] > int64(LevelError) {
				return answer{}, abi.Errorf(abi.CodeInvalidArgument, "a log level is 0 to 4")
			}
			c.actor.Log(Level(a.n[0]), a.b[0])
			return answer{}, nil
		},
	},
	{
		Name: "now", Price: Price{200, 0}, Result: NumberResult,
		Doc: "returns the turn's clock in milliseconds since 1970; it stands still inside a turn",
		do:  func(c *Call, _ *args) (answer, error) { return answer{number: c.actor.Now().UnixMilli()}, nil },
	},
	{
		Name: "random", Price: Price{1000, 4}, Params: []Param{numberParam("n")}, Result: BytesResult,
		Doc: "returns n random bytes",
		do: func(c *Call, a *args) (answer, error) {
			if a.n[0] < 0 || a.n[0] > MaxRandom {
				return answer{}, abi.Errorf(abi.CodeInvalidArgument, "random gives 0 to %d bytes", MaxRandom)
			}
			p := make([]byte, a.n[0])
			c.actor.Random(p)
			return answer{bytes: p}, nil
		},
	},
	{
		Name: "config", Price: Price{1000, 1}, Params: []Param{bytesParam("name")}, Result: BytesResult,
		Doc: "returns a value that the tenant set for the module, or none",
		do: func(c *Call, a *args) (answer, error) {
			v, ok := c.actor.Config(string(a.b[0]))
			return optional([]byte(v), ok, nil)
		},
	},
}

func optional(b []byte, ok bool, err error) (answer, error) { return answer{bytes: b, none: !ok}, err }

// listRequest checks the arguments that the list operations share.
func (c *Call) listRequest(lo, hi, cursor []byte, limit, flags int64) (ListRequest, error) {
	const all = abi.ListReverse | abi.ListKeys | abi.ListPrefix
	if limit < 0 || flags&^all != 0 {
		return ListRequest{}, abi.Errorf(abi.CodeInvalidArgument, "the limit is negative or a flag is unknown")
	}
	return ListRequest{
		Lo: lo, Hi: hi, Cursor: cursor, Limit: int(min(limit, abi.MaxDeltaOps)),
		Prefix:  flags&abi.ListPrefix != 0,
		Reverse: flags&abi.ListReverse != 0,
		Keys:    flags&abi.ListKeys != 0,
		Look:    c.look,
	}, nil
}

// run charges and performs an operation. A refusal is recorded and comes back as the guest's
// number; a failure of ours ends the run.
func (c *Call) run(op *Operation, a *args) (ans answer, code int64) {
	c.count(op.Price, len(a.b[0])+len(a.b[1])+len(a.b[2])+len(a.b[3]))
	c.perItem = op.PerItem
	ans, err := op.do(c, a)
	if err == nil {
		c.charge(Price{PerByte: op.Price.PerByte}, len(ans.bytes))
		return ans, 0
	}
	if c.spent != nil {
		abort(c.spent)
	}
	e := abi.AsError(err)
	if e.Code == abi.CodeInternal {
		abort(e)
	}
	return answer{}, c.refuse(e)
}
