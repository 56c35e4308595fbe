package hostfuncs

// The parts of Actor beyond its own data. Documents are those of package abi, as JSON; an envelope is
// that of abi.Reply. Slices are as in Actor: valid until the method returns, not to be changed.

// Connections are the actor's clients. Changes are part of the turn.
type Connections interface {
	// Connections lists them as JSON of []abi.Conn; Connection gives one as abi.Conn.
	Connections() ([]byte, error)
	Connection(id string) ([]byte, bool, error)
	SetConnState(id string, state []byte) error
	// ConnSend sends an event to one, subscribed or not; Disconnect closes one with code 1000.
	ConnSend(id, event string, payload []byte) error
	Disconnect(id, reason string) error
	// SocketSend and SocketClose are for raw sockets.
	SocketSend(id string, data []byte, text bool) error
	SocketClose(id string, code int, reason string) error
}

// Schedules are durable turns of the future.
type Schedules interface {
	// SetSchedule takes an abi.Schedule, and the list of arguments apart, and returns its id.
	SetSchedule(spec, args []byte) (id string, err error)
	CancelSchedule(id string) (bool, error)
	Schedule(id string) ([]byte, bool, error)
	Schedules() ([]byte, error)
	// ScheduleRuns lists the last runs of one schedule, newest first, as []abi.Run.
	ScheduleRuns(id string) ([]byte, error)
}

// Peers are the other actors of the namespace. target is an abi.Target. What acts at once is not
// undone with the turn; it first waits until the actor's earlier turns are durable.
type Peers interface {
	// Call acts at once and waits. The envelope is the answer, be it an error of the other side.
	Call(target []byte, action string, args []byte) (envelope []byte, err error)
	// Send and QueueSend are part of the turn and happen once in effect. An empty target of QueueSend is
	// the actor itself.
	Send(target []byte, action string, args []byte) error
	QueueSend(target []byte, queue string, body []byte) error
	// CreateActor takes an abi.ActorSpec and gives an abi.ActorInfo. It, FindActor and DestroyActor act at
	// once.
	CreateActor(spec, input []byte) ([]byte, error)
	FindActor(target []byte) ([]byte, bool, error)
	DestroyActor(target []byte) (bool, error)
	// ChildUsage gives an abi.ChildUsage of a child, also of one that has ended.
	ChildUsage(id string) ([]byte, bool, error)
	// UploadModule acts at once and gives the report, as the API does.
	UploadModule(module string, wasm, options []byte) ([]byte, error)
}

// Tasks are work whose outcome is a later turn. They begin when the turn is durable and go on over a
// restart: at least once, under one id.
type Tasks interface {
	StartFetch(request, body, context []byte) (id string, err error)
	StartCall(target []byte, action string, args, context []byte) (id string, err error)
	StartTimer(ms int64, context []byte) (id string, err error)
	CancelTask(id string) (bool, error)
	// Fetch waits for the answer inside the turn.
	Fetch(request, body []byte) (envelope []byte, err error)
}

// Requests are those that wait for an answer of the actor. The answers are part of the turn.
type Requests interface {
	// Reply answers an open request, once.
	Reply(request uint64, envelope []byte) error
	// ReplyHead begins the answer to a raw HTTP request with an abi.ResponseHead, ReplyPart goes on;
	// Reply ends it.
	ReplyHead(request uint64, head []byte) error
	ReplyPart(request uint64, part []byte) error
	// RequestOpen reports whether somebody still waits.
	RequestOpen(request uint64) bool
}

// Life is what an actor may decide of itself.
type Life interface {
	// SleepAfter and Destroy act when the turn has succeeded.
	SleepAfter() error
	Destroy() error
	// GasLeft is what the turn may still use.
	GasLeft() int64
	// DeadLetters gives a page of []abi.DeadLetter after an id, oldest first; Redrive tries one again.
	DeadLetters(after string) ([]byte, error)
	Redrive(id string) (bool, error)
}
