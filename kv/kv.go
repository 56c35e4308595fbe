// Package kv keeps bytes on disk for owners that know nothing of each other.
//
// It owns the contract between the living and the disk: spaces, leases, deltas, reads. It knows no
// tenant and no actor. Engines implement Store in packages of their own (kv/badgerkv) and are held
// to kv/kvtest.
//
// Its one invariant: what a space holds is the sum of an unbroken chain of deltas, each of which
// named its predecessor and was made under the newest claim. Clocks play no part in that.
package kv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Errors that a caller acts on. Engines wrap them with detail; compare with errors.Is.
var (
	// ErrNotFound says that a key, a name or a space holds nothing.
	ErrNotFound = errors.New("kv: not found")
	// ErrFenced says that the lease is not the newest claim, or that the delta does not follow the
	// space's last one. Nothing was written and nothing under this lease ever will be.
	ErrFenced = errors.New("kv: fenced")
	// ErrExists says that the name to bind belongs to another space. Nothing was written.
	ErrExists = errors.New("kv: name exists")
	// ErrTooLarge says that a delta is above Limits. Nothing was written.
	ErrTooLarge = errors.New("kv: delta too large")
	// ErrReadOnly says that the store takes no writes for now. Nothing was written.
	ErrReadOnly = errors.New("kv: read-only")
	// ErrClosed says that the store is closed. Nothing was written.
	ErrClosed = errors.New("kv: closed")
	// ErrCorrupt says that stored bytes are not what the engine wrote.
	ErrCorrupt = errors.New("kv: corrupt")
)

// UnknownError says that a delta may or may not be on disk. After it the store answers every call
// with an UnknownError, and its owner must end the process: only the log can decide.
type UnknownError struct {
	Cause error
}

func (e *UnknownError) Error() string { return fmt.Sprintf("kv: outcome unknown: %v", e.Cause) }

// Unwrap returns the engine's error.
func (e *UnknownError) Unwrap() error { return e.Cause }

// BoundError says that a delta would take its class past a bound. Nothing was written.
type BoundError struct {
	What Count // which of the class's counts
	Most int64 // the bound
	Held int64 // by the class, without the delta
}

func (e *BoundError) Error() string {
	return fmt.Sprintf("kv: the class holds %d %s of %d", e.Held, e.What, e.Most)
}

// Space names an isolated range of keys. Two spaces never see each other's keys, whatever bytes
// their names hold. The zero Space is invalid.
type Space struct {
	class string
	id    string
}

// NewSpace returns the space id of a fairness class. Both are any bytes of length [1, 255].
// Only package tenants may call it: a space must not be named without its owner.
func NewSpace(class, id string) Space {
	if len(class) < 1 || len(class) > 255 || len(id) < 1 || len(id) > 255 {
		panic(fmt.Sprintf("kv: bad space %q/%q", class, id))
	}
	return Space{class, id}
}

// Class returns the fairness class: spaces of one class share a part of the committer's capacity.
func (s Space) Class() string { return s.class }

// ID returns the space's name within its class.
func (s Space) ID() string { return s.id }

// Valid reports whether s was made by NewSpace.
func (s Space) Valid() bool { return s.class != "" }

// Epoch orders the claims of a space. A later claim has a greater epoch.
type Epoch struct {
	Boot  uint64 // of the process that claimed
	Claim uint64 // within the boot
}

// Lease is one claim of a space. It is immutable; its owner counts deltas on its own.
type Lease struct {
	Space Space
	Epoch Epoch
	// Pos is the number of the last delta on disk when the space was claimed; zero means that the
	// space holds nothing.
	Pos uint64
	// Due is the moment at which the space then wanted to be woken; zero means never.
	Due time.Time
	// Written is the epoch of the claim under which that last delta was written.
	Written Epoch
}

// Op is one change: Put when Value is not nil, else Delete. An empty value is []byte{}.
type Op struct {
	Key   []byte // 1 to Limits.MaxKey bytes
	Value []byte
}

// Delta is all that one turn writes. It applies whole or not at all. The store keeps the slices
// until done is called, so the caller must not change them.
type Delta struct {
	// N is the delta's number: one above the space's last.
	N uint64
	// Begins lets the first delta of a space that holds nothing have any number: a copy of a space goes on where
	// that was.
	Begins bool
	// Ops are applied in order; of two for one key the last counts.
	Ops []Op
	// Bind, when not nil, makes the space findable by this name within its class: 1 to
	// Limits.MaxKey bytes. A space has one name; another frees the former. The delta is refused
	// with ErrExists if the name belongs to another space, on disk or in a delta before this one.
	Bind []byte
	// Due, when not nil, replaces the moment at which the space wants to be woken; the zero time
	// means never. Moments are rounded up to a millisecond: nobody is woken early.
	Due *time.Time
	// Marks are added to the space's marks, which never fall below zero.
	Marks [2]int64
	// Must lets the delta pass the bounds of its class: it notes what has happened.
	Must bool
}

// Size returns the bytes of keys and values, as Limits.MaxBytes counts them.
func (d *Delta) Size() int {
	n := len(d.Bind)
	for _, op := range d.Ops {
		n += len(op.Key) + len(op.Value)
	}
	return n
}

// Count is one of the things that a store counts for each class.
type Count int

// The counts.
const (
	Bytes  Count = iota // of the keys and values of items
	Names               // spaces that have a name
	MarkA               // what owners count on their own, the first; see Delta.Marks
	MarkB               // the second
	counts              // how many there are
)

// String returns the count's name, for errors.
func (c Count) String() string { return [...]string{"bytes", "names", "marks a", "marks b"}[c] }

// Counts are numbers by Count: what a class or a space holds, or the most that it may. They are exact after a
// crash, since they change with the deltas that change them.
type Counts [counts]int64

// Limits are an engine's bounds on one delta.
type Limits struct {
	MaxBytes int // Delta.Size
	MaxOps   int
	MaxKey   int // of one key, and of a name
	MaxValue int // of one value
}

// Range is a part of a space in byte order: Lo <= key < Hi. A nil Hi means the end.
type Range struct {
	Lo, Hi  []byte
	Reverse bool // from the end
}

// PrefixRange returns the range of all keys that begin with p.
func PrefixRange(p []byte) Range {
	hi := append([]byte(nil), p...)
	for i := len(hi) - 1; i >= 0; i-- {
		if hi[i] < 0xff {
			hi[i]++
			return Range{Lo: p, Hi: hi[:i+1]}
		}
	}
	return Range{Lo: p}
}

// Item is one key and value.
type Item struct {
	Key, Value []byte
}

// Binding is a name and the space that it finds.
type Binding struct {
	Name  []byte
	Space Space
}

// Wake is a space and the moment at which it wants to be woken.
type Wake struct {
	Space Space
	Due   time.Time
}

// Loader fills a new store with what Dump yielded, in that order. Nobody may use the store before Close has
// returned nil: then it is on disk and holds what the dumped one held, with positions and names. An item that no
// Dump yields is ErrCorrupt.
type Loader interface {
	Put(Item) error
	Close() error
}

// Reader reads committed data. Implementations are safe for concurrent use.
type Reader interface {
	// Get returns the value of key, a copy that the caller owns, or ErrNotFound.
	Get(ctx context.Context, s Space, key []byte) ([]byte, error)

	// Scan yields the items of r in order, as of one moment. Key and value are valid until the
	// next iteration. An error ends the sequence.
	Scan(ctx context.Context, s Space, r Range) iter.Seq2[Item, error]
}

// Moment is what a store held at one moment. It is of use until the function that got it returns.
type Moment interface {
	Reader

	// Spaces yields the spaces of class that held something and were not destroyed, in the order of Store.Spaces. A
	// name is the caller's.
	Spaces(ctx context.Context, class string) iter.Seq2[Held, error]
}

// Store keeps items in spaces. Implementations are safe for concurrent use and pass every test in
// kvtest.
//
// The order of a space's life is: Claim, any number of Commits, at last Release or Destroy.
// A restart is a claim. A claim orders itself behind the deltas of earlier leases that are in
// flight: those that an engine has not begun to write are refused, the others are counted by
// Lease.Pos, and reads see them when Claim returns.
type Store interface {
	Reader

	// Claim makes the caller the only owner of s: from now on deltas under earlier leases are
	// refused with ErrFenced. It writes nothing. A destroyed space is ErrNotFound, for as long as
	// the engine has anything of it.
	Claim(ctx context.Context, s Space) (Lease, error)

	// ClaimNew is Claim of a space whose id nobody ever used, as one of 128 random bits is: the store believes that and reads
	// nothing. One that somebody has claimed meanwhile is ErrExists.
	ClaimNew(s Space) (Lease, error)

	// Commit queues d behind the lease's earlier deltas and returns at once; d.N must be one above
	// the number of the delta before it. done is called exactly once, deltas of one lease in order,
	// on a goroutine of the store that it must not block:
	//
	//	nil            d is on disk, synced
	//	*UnknownError  d may be on disk; the store has stopped
	//	other          nothing of d was written, and every later Commit under l is ErrFenced
	Commit(l Lease, d *Delta, done func(error))

	// Release ends the lease after its deltas in flight. Nothing is written.
	Release(l Lease)

	// Destroy ends the space behind the lease's deltas in flight: its name is free, its keys read
	// as absent, a later Claim is ErrNotFound. It is durable when done is called with nil; done
	// gets the same errors as that of Commit. The bytes are removed afterwards in bounded steps
	// that go on after a restart. An id must not be used again, unless Remains says that nothing is left of its
	// class.
	Destroy(l Lease, done func(error))

	// Lookup returns the space that name finds within class, or ErrNotFound.
	Lookup(ctx context.Context, class string, name []byte) (Space, error)

	// List yields the bindings of class with a name in r, in byte order of names, as of one
	// moment. A name is valid until the next iteration.
	List(ctx context.Context, class string, r Range) iter.Seq2[Binding, error]

	// Due yields the spaces that want to be woken at or before t, earliest first.
	Due(ctx context.Context, t time.Time) iter.Seq2[Wake, error]

	// Spaces yields the spaces of class that hold something and are not destroyed, as of one moment, in an order
	// in which each comes behind after: the id of the one to go on behind, empty for the first.
	Spaces(ctx context.Context, class, after string) iter.Seq2[Space, error]

	// Remains counts what there is of class, at most max: spaces, names, moments, and what destroyed spaces have
	// left. Of a class with zero no byte can be read any more, not even by a read that is under way.
	Remains(ctx context.Context, class string, max int) (int, error)

	// Dump yields all that the store holds, as of one moment that is not before the call: everything that was
	// done by then is in it. The items are the engine's own, in byte order of their keys, and are for its
	// Loader. Key and value are valid until the next iteration. An error ends the sequence.
	Dump(ctx context.Context) iter.Seq2[Item, error]

	// Moment calls f with what the store holds at one moment that is not before the call, and returns its error. What
	// f sees takes room until it returns, however much is changed meanwhile.
	Moment(ctx context.Context, f func(Moment) error) error

	// Bound sets the most that the spaces of a class may hold together from now on; zero is no bound. It is not
	// stored. A delta that adds to a count that is at its bound, or would pass it, is refused with a *BoundError;
	// what only takes away is never refused.
	Bound(class string, most Counts)

	// Totals returns what the spaces of a class hold together: all that is on disk, and of deltas that are on their
	// way some. Destroyed spaces do not count. It costs no more than a lock.
	Totals(class string) Counts

	// Limits returns the bounds of one delta.
	Limits() Limits

	// Writable returns nil, or what a Commit that came now would be refused with: ErrReadOnly while the
	// engine takes no deltas for lack of room, ErrClosed, an UnknownError. It costs no more than a load, so
	// that work which must end in a delta need not begin. A store that is read-only may still take a
	// Destroy, which is what gives room back.
	Writable() error

	// Failed is closed after an unknown outcome; Err then says why.
	Failed() <-chan struct{}
	Err() error

	// Close finishes the deltas in flight, waits for reads and done callbacks, and closes the
	// engine. Later calls are ErrClosed. It must not be called from a callback or within a scan.
	Close() error
}
