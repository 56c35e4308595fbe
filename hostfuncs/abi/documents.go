package abi

import "encoding/json"

// The documents below travel as JSON, whatever the module's codec: the host writes or reads them.
// Times are milliseconds since 1970, durations milliseconds.

// Conn is a client that is connected to the actor, in [Turn].Conn and from conn_get and conn_list.
type Conn struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // one of the ConnKinds
	Params  json.RawMessage `json:"params,omitempty"`
	Subject string          `json:"subject,omitempty"` // verified identity; empty means anonymous
	State   json.RawMessage `json:"state,omitempty"`   // by conn_state_set
	Events  []string        `json:"events,omitempty"`  // subscriptions
}

// The kinds of connections.
const (
	ConnEvents  = "events"  // Rivet's connect: actions and events
	ConnSocket  = "socket"  // a raw WebSocket
	ConnRequest = "request" // that of a single action, for one turn
)

// RequestHead is what came with a raw HTTP request or an upgrade. URL is path and query as the actor
// sees them. A name of Header is lower case; one that came several times has several values.
type RequestHead struct {
	Method string              `json:"method"`
	URL    string              `json:"url"`
	Header map[string][]string `json:"header,omitempty"`
	Remote string              `json:"remote,omitempty"` // client address, without port
}

// ResponseHead begins the answer to a raw HTTP request or a fetch. Status 0 means 200.
type ResponseHead struct {
	Status int                 `json:"status,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
}

// Wake says why the guest's memory is fresh or was restored.
type Wake struct {
	Cause      string `json:"cause"`              // one of the WakeCauses
	Memory     bool   `json:"memory,omitempty"`   // guest memory is that of the turn before
	Generation uint64 `json:"generation"`         // of this life of the actor, from 1
	Overdue    int64  `json:"overdue,omitempty"`  // how late the earliest due work is
	Previous   int    `json:"previous,omitempty"` // version before, if Cause is WakeUpgrade
}

// The causes of a wake.
const (
	WakeCreate  = "create"  // right after creation
	WakeSleep   = "sleep"   // the actor slept in this process
	WakeRestart = "restart" // the process is another: there are no connections
	WakeTrap    = "trap"    // the last turn ended its instance
	WakeUpgrade = "upgrade" // the version is new
)

// Upgrade names the versions of a change. Going back is one too.
type Upgrade struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Gone says how a connection or a client went.
type Gone struct {
	Code   int    `json:"code,omitempty"` // WebSocket close code
	Reason string `json:"reason,omitempty"`
	Clean  bool   `json:"clean,omitempty"`
}

// Frame describes a message of a raw socket.
type Frame struct {
	Text bool `json:"text,omitempty"`
}

// Schedule is what schedule_set takes and schedule_get and schedule_list give; the list comes without
// arguments. Exactly one of After, At, Every and Cron is set in what is taken; a moment that is past means
// now. Every and Cron need a name. What has a name has it as its id, too, and setting it again replaces it;
// if the time is the same as before, the next run stays when it was.
type Schedule struct {
	ID       string          `json:"id,omitempty"` // given by the host to a one-shot one
	Name     string          `json:"name,omitempty"`
	Action   string          `json:"action"`
	Args     json.RawMessage `json:"args,omitempty"`     // list; given apart to schedule_set
	After    int64           `json:"after,omitempty"`    // from now
	At       int64           `json:"at,omitempty"`       // moment
	Every    int64           `json:"every,omitempty"`    // interval, at least MinInterval
	Cron     string          `json:"cron,omitempty"`     // five fields
	Timezone string          `json:"timezone,omitempty"` // IANA name; empty means UTC

	// What the host says.
	Next    int64  `json:"next,omitempty"` // due moment
	Created int64  `json:"created,omitempty"`
	Runs    int    `json:"runs,omitempty"`
	Error   string `json:"error,omitempty"` // of the last run
}

// Run is one run of a schedule, from schedule_history.
type Run struct {
	ID     string `json:"id"`     // of the schedule
	Due    int64  `json:"due"`    // moment
	At     int64  `json:"at"`     // when it ran
	Result string `json:"result"` // ok, error or skipped
	Error  string `json:"error,omitempty"`
}

// Fire says which schedule began an action. Run is the same for each attempt at one run.
type Fire struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Kind string `json:"kind"` // once, every or cron
	Due  int64  `json:"due"`
	Run  int    `json:"run"`
}

// QueueMessage describes one message of a KindQueue turn.
type QueueMessage struct {
	ID      string `json:"id"`
	Sent    int64  `json:"sent"`
	Attempt int    `json:"attempt"`           // from 1
	Request uint64 `json:"request,omitempty"` // who waits for its completion; zero means nobody
	Sender  string `json:"sender,omitempty"`  // id of the actor that sent it
	Subject string `json:"subject,omitempty"` // verified subject of the client that sent it
}

// Target names an actor of the namespace: by ID, or by Name and Key.
type Target struct {
	ID     string          `json:"id,omitempty"`
	Name   string          `json:"name,omitempty"`
	Key    []string        `json:"key,omitempty"`
	Create bool            `json:"create,omitempty"` // make it if there is none
	Input  json.RawMessage `json:"input,omitempty"`  // of that creation
}

// ActorSpec is what actor_create takes. With Limits or Child the actor is a child of this one: it ends
// with its parent.
type ActorSpec struct {
	Name   string       `json:"name"`
	Key    []string     `json:"key,omitempty"`
	Get    bool         `json:"get,omitempty"` // an actor that exists will do
	Child  bool         `json:"child,omitempty"`
	Limits *ChildLimits `json:"limits,omitempty"`
}

// ChildLimits narrow what a child may do; zero leaves the parent's own.
type ChildLimits struct {
	TurnGas  int64    `json:"turn_gas,omitempty"` // of one turn
	Gas      int64    `json:"gas,omitempty"`      // in all
	Memory   int64    `json:"memory,omitempty"`   // bytes of an instance
	Stored   int64    `json:"stored,omitempty"`   // bytes of state, KV and the rest
	Egress   []string `json:"egress,omitempty"`   // hosts; a subset of the parent's. Nil means none
	Lifetime int64    `json:"lifetime,omitempty"` // until it is destroyed
}

// ActorInfo is what actor_create and actor_find give.
type ActorInfo struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Key     []string `json:"key"`
	Created bool     `json:"created,omitempty"` // by this call
}

// ChildUsage is what child_usage gives.
type ChildUsage struct {
	Gas    int64  `json:"gas"`
	Stored int64  `json:"stored"`
	Turns  int64  `json:"turns"`
	Ended  string `json:"ended,omitempty"` // why it was ended: gas, stored, memory, lifetime or killed
}

// Task describes what a KindTask turn brings. ID is the same for each attempt.
type Task struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"` // fetch, call or timer
	Attempt int    `json:"attempt"`
}

// FetchRequest is what fetch and task_fetch take. Secrets are headers whose value is a secret's name.
type FetchRequest struct {
	Method  string              `json:"method,omitempty"` // empty means GET
	URL     string              `json:"url"`
	Header  map[string][]string `json:"header,omitempty"`
	Secrets map[string]string   `json:"secrets,omitempty"` // header to "prefix {secret:NAME} suffix"
	Timeout int64               `json:"timeout,omitempty"` // zero means the request's own deadline
	// Stream makes each part of the body a KindTask turn of its own, with StatusOpen until the last. Only
	// for task_fetch.
	Stream bool `json:"stream,omitempty"`
}

// DeadLetter is work that was given up.
type DeadLetter struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"` // queue, send or task
	Name     string          `json:"name"` // queue or action
	Body     json.RawMessage `json:"body,omitempty"`
	Error    string          `json:"error"`
	Attempts int             `json:"attempts"`
	At       int64           `json:"at"` // when it was given up
}
