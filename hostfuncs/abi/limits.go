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
	MaxStack       = 8 << 20       // frames of a turn, as they are estimated
)

// Limits of what an actor has beside state and KV.
const (
	MaxSchedules       = 1_000     // schedules of an actor
	MaxScheduleAhead   = 100 * 366 // days from now to a schedule's moment
	MaxScheduleArgs    = 64 << 10  // a schedule's arguments
	MinInterval        = 5_000     // milliseconds between runs of a recurring schedule
	MaxRuns            = 100       // runs that are kept of one schedule
	MaxRunsOfActor     = 1_000     // runs that are kept of all of an actor's
	MaxQueueSize       = 1_000     // messages that wait in an actor's queues, of the actor's choice; at most 10,000
	MaxQueueMessage    = 64 << 10  // body of a queue message, of the actor's choice; at most 128 KiB
	MaxQueueBatch      = 100       // messages of one turn
	MaxDeadLetters     = 1_000     // the oldest goes for a new one
	MaxAttempts        = 5         // of a queue message, a send or a task result
	MaxConns           = 16_384    // connections of an actor
	MaxConnParams      = 4 << 10   // a connection's params
	MaxConnState       = 64 << 10  // a connection's state
	MaxConnEvents      = 256       // subscriptions of a connection
	MaxSocketMessage   = 1 << 20   // a raw socket's message, unless the manifest has another
	MaxReason          = 123       // reason of a WebSocket close
	MaxOpenRequests    = 256       // requests of an actor that outlive their turns
	MaxBody            = 4 << 20   // body of a raw HTTP request
	MaxResponsePart    = 1 << 20   // one part of a raw HTTP answer
	MaxTasks           = 256       // tasks of an actor that have not ended
	MaxTaskContext     = 64 << 10  // a task's context
	MaxCallDepth       = 16        // actors in a chain of calls
	MaxCalls           = 1_000     // calls, creations and destroys of a turn
	MaxSends           = 1_000     // sends of an actor that wait for delivery
	MaxFetches         = 50        // fetches of a turn
	MaxFetchBody       = 8 << 20   // body of a fetch or its answer, decompressed
	MaxIdempotencyKey  = 255       // an idempotency key
	MaxIdempotencyKeys = 10_000    // live records of an actor
	MaxIdempotencyBody = 64 << 10  // an answer that a record keeps
	IdempotencyHours   = 24        // that a record lives
	MaxHookSeconds     = 5         // wall time of a hook
)

// Limits of addresses.
const (
	MaxActorName    = 64    // bytes; see tenants.ValidName
	MaxKeyComponent = 128   // bytes of one component of an actor key
	MaxKey          = 1_024 // bytes of an actor key in its canonical form
)
