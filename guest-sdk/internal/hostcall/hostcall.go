// Package hostcall is the seam between package guest and whatever stands in for the host: the
// imports of module vivarium in a guest, a host in memory in a test.
//
// It owns no behaviour. A guest is single-threaded, so nothing here is safe for concurrent use.
package hostcall

// Host is what a guest may ask of its host. A failed operation returns an *abi.Error; a bool result
// tells whether there is such a thing. Byte slices that a method returns belong to the caller.
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
}

// Current is the host of this process. Package guest sets it in a guest; tests set it themselves.
var Current Host

// Turn and Manifest are the two exports of an SDK module, set by package guest for tests.
var Turn, Manifest func()
