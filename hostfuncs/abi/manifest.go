package abi

import (
	"encoding/json"
	"slices"
)

// Codec names how user values are written in a module's documents.
type Codec string

// The codecs. CBOR is reserved for modules that want Rivet's default client encoding untouched.
const (
	JSON Codec = "json"
	CBOR Codec = "cbor"
)

// Manifest is what an SDK module says of itself, as JSON.
type Manifest struct {
	ABI    int                      `json:"abi"`
	SDK    string                   `json:"sdk,omitempty"` // name/version, for the report
	Codec  Codec                    `json:"codec"`
	Actors map[string]ActorManifest `json:"actors"`
	// Egress are the hosts that the module wants to reach, "api.example.com" or "*.example.com", with a port
	// if it is not 443. The namespace must allow them, too.
	Egress []string `json:"egress,omitempty"`
	// Uploads says that actors of the module want to upload modules; the namespace must grant it.
	Uploads bool `json:"uploads,omitempty"`
}

// ActorManifest describes one actor of a module.
type ActorManifest struct {
	Actions map[string]ActionManifest `json:"actions,omitempty"`
	Events  []string                  `json:"events,omitempty"`
	Key     []string                  `json:"key,omitempty"` // names of the key's components; nil means any shape
	Queues  map[string]QueueManifest  `json:"queues,omitempty"`
	Hooks   []Hook                    `json:"hooks,omitempty"`
	Options Options                   `json:"options,omitzero"`
	// Origins are the web origins whose pages may reach the actor, such as https://example.com. Nil means
	// any; the guest is not asked for others.
	Origins []string `json:"origins,omitempty"`
	// Open are paths of raw requests that need no token, if the namespace grants that: for webhooks. See
	// ValidOpenPath. Such a request has no caller.
	Open []string `json:"open,omitempty"`
	// CheckArgs lets the host hold arguments and input to their schemas before the guest runs. Bodies of
	// queues and params are not held to theirs yet.
	CheckArgs bool `json:"check_args,omitempty"`
	// Schemas, JSON Schema 2020-12, are for clients and tools, and for CheckArgs. Nil means any.
	Input       json.RawMessage            `json:"input,omitempty"`
	Params      json.RawMessage            `json:"params,omitempty"`
	EventSchema map[string]json.RawMessage `json:"event_schema,omitempty"` // of the list of arguments
}

// ActionManifest describes one action.
type ActionManifest struct {
	Args   json.RawMessage `json:"args,omitempty"`   // schema of the list of arguments
	Result json.RawMessage `json:"result,omitempty"` // schema of the result; nil means unknown
}

// QueueManifest describes one queue.
type QueueManifest struct {
	Batch  int             `json:"batch,omitempty"` // most messages of one turn; zero means one
	Body   json.RawMessage `json:"body,omitempty"`  // schema
	Result json.RawMessage `json:"result,omitempty"`
}

// Hook is a kind of turn that an actor asks for. The host begins no turn of a hook that is not listed.
type Hook string

// The hooks, each named for its Kind.
const (
	HookWake       Hook = "wake"
	HookSleep      Hook = "sleep"
	HookDestroy    Hook = "destroy"
	HookConnect    Hook = "connect"
	HookDisconnect Hook = "disconnect"
	HookRequest    Hook = "request"
	HookGone       Hook = "gone"
	HookOpen       Hook = "open"
	HookMessage    Hook = "message"
	HookClose      Hook = "close"
	HookUpgrade    Hook = "upgrade"
	HookSubscribe  Hook = "subscribe"
	HookPublish    Hook = "publish"
)

// Options are an actor's options: Rivet's, with Rivet's names and defaults. Times are milliseconds; zero
// means the default. One above its bound refuses the upload.
type Options struct {
	Name                       string `json:"name,omitempty"`
	Icon                       string `json:"icon,omitempty"`
	CreateVarsTimeout          int64  `json:"createVarsTimeout,omitempty"`
	CreateConnStateTimeout     int64  `json:"createConnStateTimeout,omitempty"`
	OnBeforeConnectTimeout     int64  `json:"onBeforeConnectTimeout,omitempty"`
	OnConnectTimeout           int64  `json:"onConnectTimeout,omitempty"`
	OnMigrateTimeout           int64  `json:"onMigrateTimeout,omitempty"`
	SleepGracePeriod           int64  `json:"sleepGracePeriod,omitempty"`
	StateSaveInterval          int64  `json:"stateSaveInterval,omitempty"` // accepted: each turn saves
	ActionTimeout              int64  `json:"actionTimeout,omitempty"`
	ConnectionLivenessTimeout  int64  `json:"connectionLivenessTimeout,omitempty"`  // accepted: the host pings by itself
	ConnectionLivenessInterval int64  `json:"connectionLivenessInterval,omitempty"` // accepted
	SleepTimeout               int64  `json:"sleepTimeout,omitempty"`
	NoSleep                    bool   `json:"noSleep,omitempty"`
	MaxQueueSize               int    `json:"maxQueueSize,omitempty"`
	MaxQueueMessageSize        int    `json:"maxQueueMessageSize,omitempty"`
	MaxSchedules               int    `json:"maxSchedules,omitempty"`
	CanHibernateWebSocket      bool   `json:"canHibernateWebSocket,omitempty"` // accepted: every socket outlives sleep
	MaxMessageSize             int    `json:"maxMessageSize,omitempty"`        // of a socket's message, in bytes
}

// HasHook reports whether the actor asks for turns of a hook.
func (m *ActorManifest) HasHook(h Hook) bool { return slices.Contains(m.Hooks, h) }

// Self is the document of the operation self, as JSON.
type Self struct {
	ID        string   `json:"id"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Key       []string `json:"key"`
	Module    string   `json:"module"`
	Version   int      `json:"version"`
	Region    string   `json:"region"`
}

// Import module names.
const (
	ModuleExtism   = "extism:host/env"        // the Extism kernel
	ModuleUser     = "extism:host/user"       // the operations, by i64 handles
	ModuleVivarium = "vivarium"               // the operations, by pointer and length
	ModuleWASI     = "wasi_snapshot_preview1" // clock, randomness and output only
)

// Absent is what an operation returns for "there is none". In the handle form of an operation that
// gives bytes it is the handle 0 instead. A result below Absent is a Code, negated.
const Absent = -1
