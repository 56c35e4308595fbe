// Package failpoint names the steps of package actors at which a test may kill the process, and the
// rollbacks that a test may leave out to see that it would be noticed.
//
// It owns the names; the tests below package actors own what happens there. Being internal to actors it is
// out of reach for every command and setting, and its one invariant is that without a test nothing happens:
// a step then costs one atomic load.
package failpoint

import "sync/atomic"

// Point is a step at which a test may act.
type Point string

// The steps, in the order in which a turn, a call, a send and so on come to them.
const (
	TurnBegun    Point = "turn begun"    // nothing has run
	TurnRan      Point = "turn ran"      // well or not, nothing is committed
	TurnHanded   Point = "turn handed"   // its delta is with the store, which may have it on disk or not
	TurnDurable  Point = "turn durable"  // its outbox is still shut
	TurnReleased Point = "turn released" // its outbox is out

	CallOpen     Point = "call open"     // the gate inside a turn has opened, nothing is asked yet
	CallAnswered Point = "call answered" // what was asked is done; the turn goes on
	AsideDurable Point = "aside durable" // a row that a turn commits before it ends

	SendTaken    Point = "send taken"    // by a courier, from a sender whose turn is durable
	SendReceived Point = "send received" // durable at its receiver, unknown to its sender
	SendNoted    Point = "send noted"    // by its sender

	PairQuiet    Point = "pair quiet"    // its numbers are to go
	PairReceiver Point = "pair receiver" // has forgotten
	PairSender   Point = "pair sender"   // has forgotten too

	DestroyBegun    Point = "destroy begun"
	DestroyChildren Point = "destroy children" // are gone
	DestroyPosted   Point = "destroy posted"   // what it had sent is with the post office
	DestroyHanded   Point = "destroy handed"   // to the store
	DestroyDurable  Point = "destroy durable"  // and not answered

	RemovalMarked   Point = "removal marked"   // durably: the namespace is deleted
	RemovalEvicted  Point = "removal evicted"  // no actor of it is awake
	RemovalBatch    Point = "removal batch"    // some of its actors are destroyed
	RemovalActors   Point = "removal actors"   // all are
	RemovalFiles    Point = "removal files"    // those of its modules are gone
	RemovalRegistry Point = "removal registry" // its modules, keys and tokens are destroyed
	RemovalDone     Point = "removal done"     // the name is free

	UpgradeBegun Point = "upgrade begun"
	UpgradeRan   Point = "upgrade ran" // well or not, which may be on disk or not
)

// Points has all of them.
var Points = []Point{
	TurnBegun, TurnRan, TurnHanded, TurnDurable, TurnReleased,
	CallOpen, CallAnswered, AsideDurable,
	SendTaken, SendReceived, SendNoted, PairQuiet, PairReceiver, PairSender,
	DestroyBegun, DestroyChildren, DestroyPosted, DestroyHanded, DestroyDurable,
	UpgradeBegun, UpgradeRan,
	RemovalMarked, RemovalEvicted, RemovalBatch, RemovalActors, RemovalFiles, RemovalRegistry, RemovalDone,
}

// Rollback is something that is taken back, or kept from being done twice.
type Rollback string

// The rollbacks that a test can leave out.
const (
	DropChanges Rollback = "drop the changes of a failed turn"
	Distrust    Rollback = "have the guest read again after a failed turn"
	StaleMemory Rollback = "drop a memory that is ahead of the store when its actor sleeps"
	SendTwice   Rollback = "see that a send was done before"
)

var (
	hook atomic.Pointer[func(Point)]
	left atomic.Pointer[Rollback]
)

// Set makes f run at every step, on the goroutine that comes to it; nil ends that.
func Set(f func(Point)) {
	if f == nil {
		hook.Store(nil)
		return
	}
	hook.Store(&f)
}

// Reach says that the process has come to p.
func Reach(p Point) {
	if f := hook.Load(); f != nil {
		(*f)(p)
	}
}

// LeaveOut makes the host forget a rollback; the empty one ends that.
func LeaveOut(r Rollback) {
	if r == "" {
		left.Store(nil)
		return
	}
	left.Store(&r)
}

// Omitted reports whether r is left out.
func Omitted(r Rollback) bool {
	l := left.Load()
	return l != nil && *l == r
}
