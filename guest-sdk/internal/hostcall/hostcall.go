// Package hostcall is the seam between package guest and whatever stands in for the host: the
// imports of module vivarium in a guest, a host in memory in a test.
//
// It owns no behaviour. A guest is single-threaded, so nothing here is safe for concurrent use.
package hostcall

// Host is what a guest may ask of its host. A failed operation returns an *abi.Error; a bool result
// tells whether there is such a thing. Byte slices that a method returns belong to the caller; those
// that it gets are read before it returns.
type Host interface {
	// Input returns the turn's envelope, valid until the next call.
	Input() []byte
	// Output sets the reply's envelope; b is read before it returns.
	Output(b []byte)

	StateGet() ([]byte, bool, error)
	StateSet(b []byte) error

	KVGet(key string) ([]byte, bool, error)
	KVPut(key string, value []byte) error
	KVDelete(key string) error
	// KVList returns a page, see abi.ParsePage.
	KVList(lo, hi, cursor string, limit, flags int64) ([]byte, error)
	// KVDeleteRange returns how many items it deleted.
	KVDeleteRange(lo, hi string, limit, flags int64) (int64, error)
	// KVGetBatch takes a page of keys and returns a page of the items that there are. KVPutBatch and
	// KVDeleteBatch take a page, and do all of it or nothing.
	KVGetBatch(keys []byte) ([]byte, error)
	KVPutBatch(items []byte) error
	KVDeleteBatch(keys []byte) error

	// Broadcast takes a document that is a list of event arguments.
	Broadcast(event string, payload []byte) error
	// Self returns the JSON of an abi.Self.
	Self() ([]byte, error)
	// Log takes a level from 0, trace, to 4, error.
	Log(level int64, text string) error
	// Now returns the turn's clock, in milliseconds since 1970.
	Now() (int64, error)
	Random(n int64) ([]byte, error)
	Config(name string) (string, bool)

	Conns
	Schedules
	Tasks
	Peers
	Requests
	Life
}

// Conns are the actor's connections, JSON of abi.Conn.
type Conns interface {
	ConnList() ([]byte, error)
	ConnGet(id string) ([]byte, bool, error)
	ConnStateSet(id string, state []byte) error
	ConnSend(id, event string, payload []byte) error
	ConnDisconnect(id, reason string) error
	// SocketSend takes 1 for a text message, 0 for a binary one.
	SocketSend(id string, data []byte, text int64) error
	SocketClose(id string, code int64, reason string) error
}

// Schedules take and give JSON of abi.Schedule and abi.Run.
type Schedules interface {
	// ScheduleSet returns the schedule's id.
	ScheduleSet(spec, args []byte) ([]byte, error)
	// ScheduleCancel returns 1 if there was one.
	ScheduleCancel(id string) (int64, error)
	ScheduleGet(id string) ([]byte, bool, error)
	ScheduleList() ([]byte, error)
	ScheduleRuns(id string) ([]byte, error)
}

// Tasks begin work whose outcome is a later turn, and return the task's id.
type Tasks interface {
	TaskFetch(request, body, context []byte) ([]byte, error)
	TaskCall(target []byte, action string, args, context []byte) ([]byte, error)
	TaskTimer(ms int64, context []byte) ([]byte, error)
	// TaskCancel returns 1 if there was one.
	TaskCancel(id string) (int64, error)
	// Fetch waits, and returns an envelope of abi.Reply.
	Fetch(request, body []byte) ([]byte, error)
}

// Peers reach other actors; target is JSON of an abi.Target.
type Peers interface {
	// Call returns an envelope of abi.Reply.
	Call(target []byte, action string, args []byte) ([]byte, error)
	Send(target []byte, action string, args []byte) error
	// QueueSend sends to the actor itself if target is empty.
	QueueSend(target []byte, queue string, body []byte) error
	// ActorCreate takes an abi.ActorSpec and returns an abi.ActorInfo.
	ActorCreate(spec, input []byte) ([]byte, error)
	ActorFind(target []byte) ([]byte, bool, error)
	// ActorDestroy returns 1 if there was one.
	ActorDestroy(target []byte) (int64, error)
	ChildUsage(id string) ([]byte, bool, error)
	ModuleUpload(module string, wasm, options []byte) ([]byte, error)
}

// Requests are those that outlive their turns.
type Requests interface {
	// Reply takes an envelope of abi.Reply, ReplyHead the JSON of an abi.ResponseHead.
	Reply(request int64, envelope []byte) error
	ReplyHead(request int64, head []byte) error
	ReplyPart(request int64, part []byte) error
	// RequestOpen returns 1 if somebody waits.
	RequestOpen(request int64) (int64, error)
}

// Life is about the actor itself.
type Life interface {
	Sleep() error
	Destroy() error
	GasLeft() (int64, error)
	// DeadList returns JSON of a list of abi.DeadLetter behind an id.
	DeadList(after string) ([]byte, error)
	// DeadRetry returns 1 if there is such a letter.
	DeadRetry(id string) (int64, error)
}

// Current is the host of this process. Package guest sets it in a guest; tests set it themselves.
var Current Host

// Turn and Manifest are the two exports of an SDK module, set by package guest for tests.
var Turn, Manifest func()
