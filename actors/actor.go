package actors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// actor is one actor that is awake. One goroutine, run, owns it from wake to sleep: all fields but
// those of the first group are its alone.
type actor struct {
	h      *Host
	id     tenants.ActorID
	mail   *mailbox
	flight *flight
	done   chan struct{} // closed when the actor has gone and its lease is released

	standing standing // for Settle

	record     record
	newborn    bool   // its first entry creates it
	roused     func() // not nil: the alarm woke it, and waits until it has got to its work
	requests   openRequests
	underWay   map[[32]byte]*onceOpen // open requests with an idempotency key; may hold some that have ended
	couriers   couriers
	outcomes   outcomes
	agenda     agenda
	waiters    waiters   // senders that wait for their queue messages
	resting    time.Time // nothing that is due is tried before
	briefs     int       // brief entries taken since something else was
	due        time.Time // what the store has, or will have, as the space's due moment
	lease      kv.Lease
	number     uint64 // of the newest delta handed to the store
	turns      uint64 // begun since the actor woke
	clock      time.Time
	recordOwed bool           // the record has changed since it was written
	dueFirst   bool           // what is due comes before the mailbox, the next time
	parked     bool           // in the host's list of idle instances
	reload     bool           // the guest's memory may be ahead of the store
	leave      leaving        // what the last turn decided
	usage      abi.ChildUsage // of a child
	allowance  *tenants.Allowance
	tally      *tenants.Tally // nil until there is such an actor
	gone       bool           // destroyed
	varBytes   int            // of all Extism vars, -1 when unknown

	cause    string // why the hook wake is owed; empty: it is not
	version  *tenants.Version
	code     *sandbox.Version
	instance *sandbox.Instance
	memory   int64 // of the instance, taken from the allowance
	kernel   hostfuncs.Kernel
	self     []byte // document of the operation self, nil when it must be made
	turn     *turn  // the one that runs
	buf      []byte // for envelopes
	calm     bool   // what a turn would need again was given back
}

// gotToWork lets the alarm wake the next actor.
func (a *actor) gotToWork() {
	if a.roused != nil {
		a.roused()
		a.roused = nil
	}
}

// open claims the actor's space and reads who it is.
func (a *actor) open() error {
	ctx := a.h.ctx
	lease, err := a.claim(ctx)
	if err != nil {
		return readError(err)
	}
	a.lease, a.number = lease, lease.Pos
	a.allowance = a.h.cfg.Registry.Allowance(a.id.Namespace)
	a.cause = a.causeOfWake()
	a.requests.last = rand.Uint64N(1<<40) << 12 // exact in a float64, which guests may read it into
	if a.newborn {
		return nil
	}
	if a.isPostOffice() {
		return a.loadAgenda()
	}
	if lease.Pos == 0 {
		return errNoActor
	}
	if a.record, err = readRecord(ctx, a.h.cfg.Store, a.id); err != nil {
		if isGone(err) && a.isImport() {
			a.h.dropImport(a.lease, true)
		}
		return err
	}
	if err := a.loadUsage(); err != nil {
		return err
	}
	return a.loadAgenda()
}

// claim takes the actor's space. That of one that is to be made has an id of its own, of random bits.
func (a *actor) claim(ctx context.Context) (kv.Lease, error) {
	if a.newborn {
		return a.h.cfg.Store.ClaimNew(a.id.Space())
	}
	return a.h.cfg.Store.Claim(ctx, a.id.Space())
}

// loadAgenda reads what the actor has to do, if the store knows of anything.
func (a *actor) loadAgenda() error {
	a.due, a.agenda = a.lease.Due, agenda{}
	if a.due.IsZero() {
		return nil
	}
	return a.agenda.load(a.h.ctx, a.h.cfg.Store, a.id.Space())
}

// takeDue returns the turn of an agenda row that is due, or nil.
func (a *actor) takeDue() *entry {
	a.takeUpAgain()
	for !a.agenda.next().IsZero() && a.h.Ready() == nil && !a.h.now().Before(a.resting) && a.mayWork() {
		key, ok := a.agenda.take(a.h.now())
		if !ok {
			return nil
		}
		a.noteDelay(key)
		e, err := a.workOn(key)
		if err != nil {
			a.h.cfg.Logger.Error("cannot do what is due", "tenant", a.id.Namespace, "actor", a.id, "error", err)
			a.agenda.idle(key, a.h.now().Add(snoozeTime))
		}
		if e != nil {
			return e
		}
	}
	return nil
}

// workOn returns the turn of an agenda row, or nil if the work goes on elsewhere.
func (a *actor) workOn(key string) (*entry, error) {
	row, err := a.read([]byte(key))
	if err != nil {
		return nil, err
	}
	_, body, err := cutAgendaRow(row)
	if err != nil {
		return nil, err
	}
	work := agendaWorks[agendaKind(key[1])]
	if work == nil {
		return nil, fmt.Errorf("actors: agenda row of kind %q: %w", key[1], kv.ErrCorrupt)
	}
	return work(a, []byte(key[2:]), body)
}

// read returns a row as the newest turn left it.
func (a *actor) read(key []byte) ([]byte, error) { return a.view(&kv.Overlay{}).Get(a.h.ctx, key) }

// view shows the actor's rows as the newest turn left them, below changes. The layers are taken BEFORE any snapshot of the store is
// opened. Of a newborn the store is not asked.
func (a *actor) view(changes *kv.Overlay) kv.View {
	layers, all := a.flight.layers(changes)
	v := kv.View{Layers: layers, Space: a.lease.Space}
	if !all || a.lease.Pos > 0 {
		v.Store = a.h.cfg.Store
	}
	return v
}

// mayRest reports whether the actor may sleep, as far as it is its own business. It may not while requests
// are open, since what answers them may be in the guest's memory, or while work on its agenda goes on
// elsewhere, which would begin again. A host that stops waits, with a bound, for those requests whose answer
// has not begun: a stream of events may never end.
func (a *actor) mayRest() bool {
	if a.h.ctx.Err() != nil {
		return true
	}
	waiting, open := a.requests.expire()
	if a.h.Ready() != nil { // no more messages are handled, so nobody need wait for one
		return waiting == 0
	}
	return open == 0 && a.waiters.expire() == 0 && a.agenda.working() == 0 && len(a.outcomes.of) == 0
}

// awaited returns how many requests wait for a later turn.
func (a *actor) awaited() int {
	_, open := a.requests.expire()
	return open + a.waiters.expire()
}

// mayLend reports whether the actor has an instance that it does not need while it may not rest: all that keeps it
// awake is work elsewhere, such as a fetch.
func (a *actor) mayLend() bool {
	_, open := a.requests.expire()
	return a.instance != nil && open == 0 && !a.mayRest()
}

// lend gives the instance up, as sleep does, while the actor stays awake.
func (a *actor) lend() {
	a.mail.calm()
	if a.h.isDraining() {
		a.mail.nudge() // it may have been the host's
	}
	a.fallAsleep()
	a.flight.drain()
	a.putToSleep()
	a.cause = abi.WakeSleep
}

// park offers the actor's instance to others while it has nothing to do. It reports false if one
// of them waits already: the actor then sleeps at once.
func (a *actor) park() bool {
	if a.instance == nil || a.parked {
		return true
	}
	// A newborn's lease began with nothing. It has had the turn that made it, and a first request.
	a.parked = a.h.instances.park(a, a.lease.Pos == 0 && a.turns <= 2)
	return a.parked
}

func (a *actor) unpark() {
	if a.parked {
		a.h.instances.unpark(a)
		a.parked = false
	}
}

// serve does what e asks for. It reports false if the actor is no more.
func (a *actor) serve(e *entry) bool {
	if !e.take() {
		a.h.dropped.Add(1)
		return true // nobody waits for it any more
	}
	if e.kind == entryDestroy {
		a.sayGoodbye()
		return a.destroy(e)
	}
	err := a.prepare(e)
	gone := errors.Is(err, errNoActor) // what a turn fails with may be about another actor
	if err == nil {
		err = a.runTurn(e)
	} else {
		a.h.stats.turns[0].Add(int(abi.CodeOf(err)))
		e.answer(Reply{}, err)
	}
	a.putBack(e, err)
	if gone || err != nil && a.newborn {
		a.mail.fail(errNoActor) // it never was, or is no more
		return false
	}
	a.newborn = false
	switch leave := a.leave; {
	case err != nil:
	case leave == goToSleep:
		a.mail.nudge()
	case leave == beDestroyed:
		a.sayGoodbye()
		return a.destroy(newEntry(entryDestroy, e.deadline, nil))
	}
	return true
}

// prepare makes the actor ready for a turn: room in flight, a whole lease, the live version. It refuses
// an entry that the version's manifest does not allow.
func (a *actor) prepare(e *entry) error {
	if !time.Now().Before(e.deadline) {
		a.h.dropped.Add(1)
		return errWaited
	}
	if e.writes {
		if err := a.h.Writable(); err != nil {
			return err
		}
		if err := a.allowance.MayWrite(); err != nil {
			return err
		}
	}
	a.flight.waitForRoom()
	if a.flight.broken() != nil {
		if err := a.reclaim(); err != nil {
			return err
		}
	}
	a.leave = stay
	if e.bare {
		return nil
	}
	if a.isPostOffice() {
		return errNoActor
	}
	if err := a.h.crashes.check(a.id, a.h.now()); err != nil {
		return err
	}
	if err := a.mayRun(); err != nil {
		return err
	}
	if err := a.upgrade(e.deadline); err != nil {
		return err
	}
	return a.awaken()
}

// reclaim gets a new lease after the store refused a delta. What the guest remembers of refused
// turns never was.
func (a *actor) reclaim() error {
	a.flight.drain()
	a.h.cfg.Store.Release(a.lease)
	lease, err := a.h.cfg.Store.Claim(a.h.ctx, a.id.Space())
	if err != nil {
		return readError(err)
	}
	a.lease, a.number = lease, lease.Pos
	if lease.Pos == 0 && !a.isPostOffice() {
		return errNoActor
	}
	if !a.isPostOffice() {
		if a.record, err = readRecord(a.h.ctx, a.h.cfg.Store, a.id); err != nil {
			return err
		}
		a.recordOwed = false // upgrade finds out again what to note
	}
	a.flight.mend()
	a.distrust()
	if err := a.loadUsage(); err != nil {
		return err
	}
	return a.loadAgenda()
}

// distrust says that the guest's memory may hold what was not committed. A module with a manifest
// is told to read again; a plain one knows nothing of that and loses its memory.
func (a *actor) distrust() {
	a.reload, a.varBytes = a.reload || !failpoint.Omitted(failpoint.Distrust), -1
	if a.version != nil && a.version.Plain {
		a.dropInstance()
	}
}

// dropInstance frees the instance; the next turn makes a new one from the version.
func (a *actor) dropInstance() {
	if a.instance == nil {
		return
	}
	a.instance.Close()
	a.leavePlace()
}

// leavePlace gives back what the instance took, which is gone.
func (a *actor) leavePlace() {
	a.instance = nil
	a.allowance.FreeMemory(a.memory)
	a.memory = 0
	a.parked = false
	a.h.instances.release(a.id.Namespace, a)
}

// putToSleep frees the instance and lets the sandbox keep its memory, if that is exactly what the store
// has: no delta was refused and no reload is owed. Nothing is in flight.
func (a *actor) putToSleep() {
	stale := a.reload && !failpoint.Omitted(failpoint.StaleMemory)
	if a.instance == nil || stale || a.flight.broken() != nil || a.gone {
		a.dropInstance()
		return
	}
	a.instance.Sleep(a.id, a.number)
	a.leavePlace()
}

// destroy ends the actor for good. It reports false if it did.
func (a *actor) destroy(e *entry) bool {
	if a.isPostOffice() {
		e.answer(Reply{}, errNoActor)
		return true
	}
	failpoint.Reach(failpoint.DestroyBegun)
	if err := a.destroyChildren(); err != nil {
		e.answer(Reply{}, err)
		return true
	}
	failpoint.Reach(failpoint.DestroyChildren)
	if err := a.leaveSends(); err != nil {
		e.answer(Reply{}, err)
		return true
	}
	failpoint.Reach(failpoint.DestroyPosted)
	a.flight.drain()
	if a.flight.broken() != nil {
		if err := a.reclaim(); err != nil {
			e.answer(Reply{}, err)
			a.mail.fail(errNoActor)
			return false
		}
	}
	ended := make(chan error, 1)
	a.h.cfg.Store.Destroy(a.lease, func(err error) { ended <- err })
	failpoint.Reach(failpoint.DestroyHanded)
	if err := <-ended; err != nil {
		e.answer(Reply{}, commitError(err))
		if a.reclaim() != nil {
			a.mail.fail(errNoActor)
			return false
		}
		return true
	}
	failpoint.Reach(failpoint.DestroyDurable)
	a.gone = true
	if s := a.h.connSetOf(a.id); s != nil {
		s.closeAll(closeGone, "actor.destroyed")
	}
	a.h.cfg.Sandbox.Forget(a.id)
	a.mail.fail(errNoActor)
	a.h.forget(a) // before the answer, or the address would still find it
	e.answer(Reply{}, nil)
	return false
}

// vanish ends the actor in this process: no hook runs, and its memory is not kept. What is on disk is whoever evicted
// it to remove.
func (a *actor) vanish() {
	a.gone = true
	if s := a.h.connSetOf(a.id); s != nil {
		s.closeAll(closeGone, "actor.destroyed")
	}
}

// end gives everything back. Whoever waits on done finds the actor gone.
func (a *actor) end() {
	a.flight.drain()
	a.requests.lose(errReplyLost)
	a.couriers.cancelAll()
	a.waiters.giveUp()
	a.outcomes.drop()
	a.putToSleep()
	a.gotToWork()
	if a.code != nil {
		a.code.Release()
	}
	if a.lease.Space.Valid() {
		a.h.cfg.Store.Release(a.lease)
	}
	if a.tally != nil {
		a.tally.Done()
	}
	a.h.forget(a)
	a.leaveWork()
	close(a.done)
}

var errReplyLost = &abi.Error{Code: abi.CodeReplyLost}

// seed returns the randomness of a turn: unforgeable outside the process, never the same for two
// turns.
func (a *actor) seed(turn uint64) (seed [32]byte) {
	mac := hmac.New(sha256.New, a.h.seedKey)
	mac.Write([]byte(a.id.Namespace))
	mac.Write([]byte{0})
	mac.Write([]byte(a.id.String()))
	var n [24]byte
	binary.BigEndian.PutUint64(n[0:], a.lease.Epoch.Boot)
	binary.BigEndian.PutUint64(n[8:], a.lease.Epoch.Claim)
	binary.BigEndian.PutUint64(n[16:], turn)
	mac.Write(n[:])
	copy(seed[:], mac.Sum(nil))
	return seed
}

// describe returns the document of the operation self.
func (a *actor) describe() []byte {
	if a.self == nil {
		a.self, _ = json.Marshal(abi.Self{ // strings and numbers always encode
			ID: a.id.String(), Namespace: string(a.id.Namespace),
			Name: a.record.Name, Key: a.record.Key.Components(),
			Module: a.version.Module, Version: a.version.Number,
		})
	}
	return a.self
}
