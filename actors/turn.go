package actors

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// turn is one run of a guest: what it may ask (hostfuncs.Actor) and what it has done so far. All
// of it is dropped unless the turn succeeds. It lives on the actor's goroutine.
type turn struct {
	hostfuncs.Nothing // what is not there yet

	a      *actor
	ctx    context.Context
	entry  *entry
	number uint64
	begun  time.Time // by the machine's clock
	now    time.Time
	random *rand.ChaCha8 // made when first asked for

	changes *kv.Overlay // what the turn writes
	view    kv.View     // what it reads: changes, deltas in flight, store

	effects     []func()        // what happens outside once the turn is durable, in order; see outbox
	undo        []func()        // what is taken back if it never is
	guest       bool            // the guest ran
	asked       abi.Kind        // what for; zero if it did not
	cut         error           // why a read was cut off; the turn then fails, even if the guest ends well
	open        bool            // the request stays open
	replied     bool            // the operation reply has answered it
	run         *hostfuncs.Call // of the guest, once it has begun
	told        *abi.Error      // of a task's turn: how the task failed, nil if it did not
	served      uint64          // of a task's turn: the open request that the task was begun for, zero if there is none
	leave       leaving         // what the guest wants to become of the actor
	left        bool            // the guest wants to answer later, but nobody waits for this turn itself
	made        int             // ids that the turn has given; see newID
	events      int
	calls       int                     // of other actors
	relayed     map[abi.Code]*abi.Error // what other actors answered, which the guest may pass on
	fetches     int
	acted       bool // something was asked of others at once, which the turn's failure does not take back
	outboxBytes int
	varBytes    int // of all Extism vars, -1 until known
	logBytes    int
	must        bool // what it writes passes the namespace's bounds
	growth      growth
	set         *connSet    // nil until asked for, or if there is none
	conns       connChanges // what the turn does to connections
	partial     [2][]byte   // stdout and stderr without a line end yet

	grown map[agendaKind]int // agenda rows that the turn makes, less those that it removes; see dueRows

	// startup is set while an instance is made: its code belongs to no request and leaves nothing.
	startup bool
}

var _ hostfuncs.Actor = (*turn)(nil)

// State implements hostfuncs.Actor.
func (t *turn) State() ([]byte, bool, error) { return t.get(stateKey) }

// SetState implements hostfuncs.Actor.
func (t *turn) SetState(state []byte) error {
	if len(state) > abi.MaxState {
		return abi.Errorf(abi.CodeStateTooLarge, "the state is larger than %d bytes", abi.MaxState)
	}
	return t.put(stateKey, state)
}

// KVGet implements hostfuncs.Actor.
func (t *turn) KVGet(key []byte) ([]byte, bool, error) {
	if err := checkKVKey(key); err != nil {
		return nil, false, err
	}
	return t.get(kvKey(key))
}

// KVPut implements hostfuncs.Actor.
func (t *turn) KVPut(key, value []byte) error {
	if err := checkKVKey(key); err != nil {
		return err
	}
	if len(value) > abi.MaxKVValue {
		return abi.Errorf(abi.CodeValueTooLarge, "the KV value is larger than %d bytes", abi.MaxKVValue)
	}
	return t.put(kvKey(key), value)
}

// KVDelete implements hostfuncs.Actor.
func (t *turn) KVDelete(key []byte) error {
	if err := checkKVKey(key); err != nil {
		return err
	}
	return t.delete(kvKey(key))
}

// KVList implements hostfuncs.Actor.
func (t *turn) KVList(r hostfuncs.ListRequest) ([]byte, error) {
	if r.Limit == 0 || r.Limit > abi.MaxListItems {
		r.Limit = abi.MaxListItems
	}
	page := abi.AppendPageHead(nil, false)
	items := 0
	err := t.scan(r, func(it kv.Item) bool {
		if r.Keys {
			it.Value = nil
		}
		if items == r.Limit || items > 0 && len(page)+len(it.Key)+len(it.Value) > abi.MaxListBytes {
			page[0] = 1 // there is more
			return false
		}
		page = abi.AppendItem(page, it.Key, it.Value)
		items++
		return true
	})
	return page, err
}

// KVDeleteRange implements hostfuncs.Actor. It deletes all that it is asked to or nothing.
func (t *turn) KVDeleteRange(r hostfuncs.ListRequest) (int64, error) {
	r.Keys = true
	ops, size := abi.MaxDeltaOps-t.changes.Len(), abi.MaxDelta-t.changes.Size()
	var keys [][]byte
	err := t.scan(r, func(it kv.Item) bool {
		if r.Limit > 0 && len(keys) == r.Limit || ops < 0 || size < 0 {
			return false
		}
		key := kvKey(it.Key)
		keys = append(keys, key)
		ops, size = ops-1, size-len(key)
		return true
	})
	if err != nil {
		return 0, err
	}
	if ops < 0 || size < 0 {
		return 0, abi.Errorf(abi.CodeDeltaTooLarge, "the range holds more items than a turn may delete (%d): delete it in parts, with a limit", abi.MaxDeltaOps)
	}
	for _, key := range keys {
		t.changes.Delete(key)
	}
	return int64(len(keys)), nil
}

// scan calls f with the KV items of r, in order, until it says false; the guest pays for each row on the
// way. Keys are without the table's prefix.
func (t *turn) scan(r hostfuncs.ListRequest, f func(kv.Item) bool) error {
	if t.startup {
		return errStartup
	}
	rng, err := kvRange(r)
	if err != nil {
		return err
	}
	view := t.view
	var spent error
	view.Look = func(it kv.Item) error {
		spent = r.Look(len(it.Key) - 1 + len(it.Value))
		return spent
	}
	for it, err := range view.Scan(t.ctx, rng) {
		switch {
		case spent != nil:
			return spent
		case err != nil:
			return t.readError(err)
		}
		if !f(kv.Item{Key: it.Key[1:], Value: it.Value}) {
			break
		}
	}
	return nil
}

// kvRange returns the part of the actor's space that a list request names.
func kvRange(r hostfuncs.ListRequest) (kv.Range, error) {
	for _, k := range [][]byte{r.Lo, r.Hi, r.Cursor} {
		if len(k) > abi.MaxKVKey {
			return kv.Range{}, errKVKey
		}
	}
	rng := kv.Range{Lo: kvKey(r.Lo), Hi: kvKey(r.Hi), Reverse: r.Reverse}
	switch {
	case r.Prefix:
		rng.Hi = kv.PrefixRange(rng.Lo).Hi
	case len(r.Hi) == 0:
		rng.Hi = []byte{tableKV + 1}
	}
	if len(r.Cursor) > 0 {
		at := kvKey(r.Cursor)
		if r.Reverse && bytes.Compare(at, rng.Hi) < 0 {
			rng.Hi = at
		}
		if after := append(at, 0); !r.Reverse && bytes.Compare(after, rng.Lo) > 0 {
			rng.Lo = after
		}
	}
	return rng, nil
}

// Var implements hostfuncs.Actor.
func (t *turn) Var(name []byte) ([]byte, bool, error) {
	if len(name) > abi.MaxKVKey {
		return nil, false, errKVKey
	}
	return t.get(varKey(name))
}

// SetVar implements hostfuncs.Actor.
func (t *turn) SetVar(name, value []byte) error {
	if len(name) > abi.MaxKVKey {
		return errKVKey
	}
	old, had, err := t.Var(name)
	if err != nil {
		return err
	}
	total, err := t.sizeOfVars()
	if err != nil {
		return err
	}
	if had {
		total -= len(name) + len(old)
	}
	if value == nil {
		t.varBytes = total
		return t.delete(varKey(name))
	}
	if total += len(name) + len(value); total > abi.MaxVars {
		return abi.Errorf(abi.CodeVarsTooLarge, "the Extism vars are larger than %d bytes in all", abi.MaxVars)
	}
	t.varBytes = total
	return t.put(varKey(name), value)
}

// sizeOfVars returns the bytes of all vars as the turn sees them.
func (t *turn) sizeOfVars() (int, error) {
	if t.varBytes >= 0 {
		return t.varBytes, nil
	}
	total := 0
	for it, err := range t.view.Scan(t.ctx, kv.PrefixRange([]byte{tableVars})) {
		if err != nil {
			return 0, t.readError(err)
		}
		total += len(it.Key) - 1 + len(it.Value)
	}
	t.varBytes = total
	return total, nil
}

// Broadcast implements hostfuncs.Actor.
func (t *turn) Broadcast(event string, payload []byte) error {
	switch {
	case t.startup:
		return errStartup
	case !isList(payload):
		return errPayload
	}
	if err := t.sayEvent(len(event) + len(payload)); err != nil {
		return err
	}
	e := Event{Time: t.now, Name: event, Args: bytes.Clone(payload)}
	t.after(func() { t.a.tell(e) })
	t.fanOut(event, e.Args)
	return nil
}

// after lets f run once the turn, and every turn before it, is durable. f must not block.
func (t *turn) after(f func()) { t.effects = append(t.effects, f) }

// unless lets f run if the turn fails or is not committed. f must not block.
func (t *turn) unless(f func()) { t.undo = append(t.undo, f) }

// say counts n bytes into the outbox.
func (t *turn) say(n int) error {
	if t.outboxBytes+n > abi.MaxOutbox {
		return abi.Errorf(abi.CodeOutboxTooLarge, "the turn's events and answer are larger than %d bytes", abi.MaxOutbox)
	}
	t.outboxBytes += n
	return nil
}

// Self implements hostfuncs.Actor.
func (t *turn) Self() []byte { return t.a.describe() }

// Config implements hostfuncs.Actor.
func (t *turn) Config(name string) (string, bool) {
	v, ok := t.a.h.cfg.Registry.Config(t.a.id.Namespace, t.a.version.Module)[name]
	return v, ok
}

// Now implements hostfuncs.Actor and sandbox.Env.
func (t *turn) Now() time.Time { return t.now }

// Sleep implements sandbox.Env. It is the one thing that moves a turn's clock.
func (t *turn) Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		t.now = t.now.Add(d)
	case <-t.ctx.Done(): // the engine ends the guest
	}
}

// Random implements hostfuncs.Actor and sandbox.Env.
func (t *turn) Random(p []byte) {
	if t.random == nil {
		t.random = rand.NewChaCha8(t.a.seed(t.number))
	}
	t.random.Read(p)
}

var (
	errKVKey   = abi.Errorf(abi.CodeKeyTooLarge, "a key is longer than %d bytes", abi.MaxKVKey)
	errNoKey   = abi.Errorf(abi.CodeInvalidArgument, "a key is empty")
	errNotYet  = abi.Errorf(abi.CodeNotSupported, "this host does not have the operation yet")
	errStartup = abi.Errorf(abi.CodeNotSupported, "start-up code has no actor: use an action or a hook")
)

func checkKVKey(key []byte) error {
	switch {
	case len(key) == 0:
		return errNoKey
	case len(key) > abi.MaxKVKey:
		return errKVKey
	}
	return nil
}

// get reads one row through the three layers.
func (t *turn) get(key []byte) ([]byte, bool, error) {
	if t.startup {
		return nil, false, errStartup
	}
	v, err := t.view.Get(t.ctx, key)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, t.readError(err)
	}
	return v, true, nil
}

// readError tells a read that was cut off by the turn's deadline from one that failed.
func (t *turn) readError(err error) error {
	if t.ctx.Err() != nil {
		t.cut = abi.Wrap(abi.CodeActionTimedOut, err)
		return t.cut
	}
	return readError(err)
}

// put and delete change one row of the overlay, within the limits of a delta.
func (t *turn) put(key, value []byte) error {
	if err := t.room(key, len(value)); err != nil {
		return err
	}
	if err := t.mayStore(key, len(value)); err != nil {
		return err
	}
	t.changes.Put(key, append([]byte{}, value...))
	return nil
}

func (t *turn) delete(key []byte) error {
	if err := t.room(key, 0); err != nil {
		return err
	}
	t.growth = growth{} // less than was thought
	t.changes.Delete(key)
	return nil
}

func (t *turn) room(key []byte, value int) error {
	if t.startup {
		return errStartup
	}
	if err := t.a.h.Writable(); err != nil {
		return err // before the guest does more that is lost
	}
	if t.changes.Len() == 0 {
		if err := t.a.allowance.MayWrite(); err != nil {
			return err
		}
	}
	bytes, ops := t.changes.Size()+len(key)+value, t.changes.Len()+1
	if old, ok := t.changes.Get(key); ok {
		bytes -= len(key) + len(old)
		ops--
	}
	if bytes > abi.MaxDelta || ops > abi.MaxDeltaOps {
		return errDeltaTooLarge
	}
	return nil
}

var errDeltaTooLarge = abi.Errorf(abi.CodeDeltaTooLarge, "the turn writes more than %d bytes or %d items", abi.MaxDelta, abi.MaxDeltaOps)

// isList reports whether b is one JSON list.
func isList(b []byte) bool {
	trimmed := bytes.TrimLeft(b, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '[' && isJSON(b)
}
