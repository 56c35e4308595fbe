package abi

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
}

// ActorManifest describes one actor of a module.
type ActorManifest struct {
	Actions map[string]ActionManifest `json:"actions,omitempty"`
	Events  []string                  `json:"events,omitempty"`
	Key     []string                  `json:"key,omitempty"` // names of the key's components; nil means any shape
}

// ActionManifest describes one action. Empty for now; schemas of arguments and results follow.
type ActionManifest struct{}

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
