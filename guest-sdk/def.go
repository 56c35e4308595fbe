package guest

import "encoding/json"

// Def defines an actor whose state is an S. S is stored as JSON, so only what encoding/json keeps
// survives; use struct{} for an actor without state. Everything is optional, and what is left out
// costs nothing: the host begins no turn for a hook that is not there.
//
// Each function runs in a turn, with the same Ctx as an action: what it does is kept if it returns
// nil, and undone if it does not. Vars and Wake in all, Sleep and Destroy have abi.MaxHookSeconds,
// Upgrade half a minute, everything else the time of an action.
type Def[S any] struct {
	// Create makes the state of a new actor. It is made by [Create] of a func(*Ctx[S], In) (S, error), for
	// any type In that JSON can fill; or it is such a function as it is, or a func(*Ctx[S]) (S, error). In is zero if the
	// client gave no input. If it returns an error there is no actor. Nil means the zero S.
	Create any

	// Actions are what clients may call, by name.
	Actions Actions

	// Events names what the actor broadcasts, for clients and tools; it limits nothing.
	Events []string

	// Key names the components of the actor's key. A key with another number of components is
	// refused by the host. Nil allows any key.
	Key []string

	// Vars makes scratch data that is never stored: caches, parsed forms of the state. It runs on
	// every wake, before Wake. [VarsOf] gives what it made.
	Vars func(c *Ctx[S]) (any, error)

	// Wake runs before the first turn of an actor that was created, slept, or lost its instance.
	Wake func(c *Ctx[S], w Wake) error
	// Sleep is the last turn before the instance goes. If it fails the actor sleeps all the same.
	Sleep func(c *Ctx[S]) error
	// Destroy is the last turn of all. Whatever it returns, the actor goes; its state is not saved.
	Destroy func(c *Ctx[S]) error
	// Upgrade runs when the actor changes its version, an older one included, before its first turn there.
	// It always runs in the newer code of both, which knows both shapes of the state: going back it is to
	// leave what the older one reads. If it fails the actor keeps the version that it has.
	Upgrade func(c *Ctx[S], u Upgrade) error

	// StateChange runs once at the end of a turn that changed the state, other than Create, and may
	// change it further. Its error fails the turn.
	StateChange func(c *Ctx[S]) error
	// BeforeActionResponse has the last word on an action's result, nil for none. It does not see
	// what Reply gives in a later turn.
	BeforeActionResponse func(c *Ctx[S], action string, args []json.RawMessage, result any) (any, error)

	// BeforeConnect lets a client in, or returns the error that it gets. It is a
	// func(*Ctx[S], P) error for a type P that JSON can fill with the client's params, or a
	// func(*Ctx[S]) error. c.Conn is the connection and c.HTTP its request. It guards raw sockets, and
	// actions that come without a connection, too; not raw HTTP: see Request.
	BeforeConnect any
	// ConnState makes the state of a new connection: a func(*Ctx[S], P) (T, error) or a
	// func(*Ctx[S]) (T, error). [ConnStateOf] reads it.
	ConnState any
	// Connect runs when a client is in, in the same turn.
	Connect func(c *Ctx[S], conn *Conn) error
	// Disconnect runs after a connection has gone.
	Disconnect func(c *Ctx[S], conn *Conn, g Gone) error

	// CanSubscribe decides which of c.Conn's wishes for an event are granted, CanPublish which clients
	// may send to a queue. A name without an entry is open to all; an entry for a queue that is not in
	// Queues, or an event that is not in Events if that is set, is a mistake.
	CanSubscribe, CanPublish map[string]func(c *Ctx[S]) (bool, error)

	// Request answers raw HTTP requests. Nil is 204. After KeepOpen a response that it returns begins
	// the answer: see ReplyPart.
	Request func(c *Ctx[S], r *Request) (*Response, error)
	// Gone runs when the client of an open raw request does not wait any more.
	Gone func(c *Ctx[S], r OpenRequest) error
	// Socket takes raw WebSockets.
	Socket Socket[S]

	// Queues are the actor's queues by name. Make them with [Queue], [QueueDo] and [QueueBatch].
	Queues Queues
	// Tasks take the outcomes of what Start began, by name. Make them with [Task].
	Tasks Tasks

	// Options are what else the host is to know.
	Options Options
	// Origins are the web origins whose pages may reach the actor, such as https://example.com. Nil
	// means any.
	Origins []string
	// Open are paths of raw requests that need no token, if the namespace grants that: "/hooks/stripe",
	// or "/hooks/*" for all below. Such a request has no Caller: check what it says of itself.
	Open []string
	// CheckArgs lets the host hold arguments and input to the types of the functions here before the
	// guest runs.
	CheckArgs bool

	// Egress are the hosts that the module wants to reach, "api.example.com" or "*.example.com", with
	// a port if it is not 443; the namespace must allow them, too. Uploads says that the module wants
	// to upload modules. Both are the module's: the actors' are added up.
	Egress  []string
	Uploads bool
}

// Socket takes raw WebSockets: those that do not speak Rivet's protocol of actions and events. The path of
// their request begins with /websocket.
type Socket[S any] struct {
	// Open lets a socket in, or returns an error. The connection hooks have run before, in this turn.
	Open func(c *Ctx[S], conn *Conn) error
	// Message takes one message.
	Message func(c *Ctx[S], conn *Conn, f Frame) error
	// Close runs after a socket is closed, before Disconnect.
	Close func(c *Ctx[S], conn *Conn, g Gone) error
}
