package abi

// Limits of one turn and of what it may name. Sizes are in bytes. They are the defaults of every
// plan; the host counts each in the call that passes it, so a guest is told and can react.
const (
	MaxKVKey       = 2 << 10       // a KV key
	MaxKVValue     = 1 << 20       // a KV value
	MaxKVBatch     = 128           // items of one batch call
	MaxListItems   = 1000          // items of one list call; more are paged
	MaxListBytes   = 1 << 20       // keys and values of one list call; at least one item is returned
	MaxState       = 4 << 20       // an actor's state
	MaxVars        = 1 << 20       // names and values of all Extism vars of an actor
	MaxDelta       = 8 << 20       // keys and values that a turn writes
	MaxDeltaOps    = 10_000        // items that a turn writes or deletes
	MaxOutbox      = 4 << 20       // events and result of a turn
	MaxEvents      = 1_000         // events of a turn
	MaxEventName   = 256           // an event's name
	MaxLog         = 256 << 10     // what a turn may log; the rest is cut with a note
	MaxErrorText   = 4 << 10       // a guest's error text; the rest is cut
	MaxHandleBytes = 16 << 20      // a turn's Extism memory
	MaxHostCalls   = 100_000       // host calls of a turn that do work (not Extism loads and stores)
	MaxInput       = 4 << 20       // an actor's creation input
	MaxArgs        = 1 << 20       // an action's arguments
	MaxResult      = 1 << 20       // an action's result
	MaxMemory      = 64 << 20      // an instance's linear memory
	MaxTurnSeconds = 60            // wall time of a turn
	MaxGas         = 5_000_000_000 // gas of a turn
	MaxStack       = 16 << 20      // frames of a turn, as they are estimated
)

// Limits of addresses.
const (
	MaxActorName    = 64    // bytes; see tenants.ValidName
	MaxKeyComponent = 128   // bytes of one component of an actor key
	MaxKey          = 1_024 // bytes of an actor key in its canonical form
)
