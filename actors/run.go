package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// runTurn is the one path of all turns, with a guest or without one:
//
//  1. begin: clock, seed, deadline, an empty overlay over the deltas in flight and the store;
//  2. run what the entry asks for;
//  3. on success hand the overlay to the store as one delta, on failure drop it;
//  4. AFTER the delta, and every delta before it, is durable: open the outbox.
//
// It returns the turn's failure, which has been answered.
func (a *actor) runTurn(e *entry) error {
	ctx := newTurnContext(a.h.ctx, e.deadline)
	defer ctx.cut(context.Canceled)
	t := a.begin(ctx, e)
	a.tally.Add(tenants.UsedTurns, 1)
	failpoint.Reach(failpoint.TurnBegun)
	a.mail.during(ctx.cut)
	e.during(ctx.cut)
	reply, err := e.run(t)
	e.during(nil)
	a.mail.during(nil)
	if err == nil {
		err = t.cut // whatever the guest made of a read that failed, it did not see what is there
	}
	switch cause := ctx.ended(); {
	case errors.Is(cause, errKilled): // whatever the guest made of it
		err = abi.Wrap(abi.CodeUnavailable, errKilled) // soon there is no such actor
	case errors.Is(cause, tenants.ErrForeign):
		err = tenants.ErrForeign // there is no such namespace any more
	}
	if e.isGivenUp() {
		a.h.dropped.Add(1)
		err = errGone
	}
	if err != nil && a.h.ctx.Err() != nil {
		err = t.stopped(err)
	}
	if err == nil && t.changes.Len() > 0 {
		err = t.noteUsage(e.bare)
	}
	t.end()
	failpoint.Reach(failpoint.TurnRan)
	a.h.stats.ran(t, err)
	if err != nil {
		a.tally.Add(tenants.UsedFailures, 1)
		return a.fail(e, t, err)
	}
	a.leave = max(a.leave, t.leave)
	if t.guest {
		a.reload, a.varBytes = false, t.varBytes
	}
	if t.open && !t.replied {
		a.requests.keep(e.request)
	}
	o := &outbox{request: e.request, reply: reply, open: t.open || t.replied, effects: t.effects, undo: t.undo}
	if e.kind == entryCreate {
		return a.commitBirth(t, o)
	}
	return a.commitTurn(t, o)
}

// fail drops what a turn did and answers why. If a durable record began it, the record's new standing is
// committed in its place.
func (a *actor) fail(e *entry, t *turn, failure error) error {
	if t.guest {
		a.distrust()
	}
	for _, f := range t.undo {
		f()
	}
	if failpoint.Omitted(failpoint.DropChanges) && !a.newborn {
		a.commitTurn(t, &outbox{request: &request{}})
	}
	o := &outbox{request: e.request, err: failure}
	settle := e.settle
	if isRefusal(failure) || a.h.ctx.Err() != nil || a.mail.isEvicted() { // the host ended the guest
		settle = nil
	}
	if settle == nil && (a.record.Parent == "" || !t.guest || a.newborn || a.mail.isEvicted()) {
		a.release(o)
		return failure
	}
	ctx, cancel := context.WithTimeout(a.h.ctx, a.h.cfg.TurnTime)
	defer cancel()
	t = a.begin(ctx, e)
	t.must = true
	var err error
	if settle != nil {
		err = settle(t, failure)
	}
	if err == nil {
		err = t.noteUsage(true)
	}
	t.end()
	if err == nil {
		o.effects, o.undo = t.effects, t.undo
		err = a.commitTurn(t, o)
	}
	if err != nil {
		a.release(&outbox{request: e.request, err: errors.Join(failure, err)})
	}
	return failure
}

// stopped is what the failure of a turn is called that a stop of the host cut off. Nothing of the turn itself is
// left, but what it had asked of others may be done.
func (t *turn) stopped(failure error) error {
	if t.acted {
		return &abi.Error{Code: abi.CodeOutcomeUnknown, Message: "The host stopped while the action waited for what it had asked of others", Cause: failure}
	}
	return &abi.Error{Code: abi.CodeUnavailable, Retry: errDraining.Retry, Cause: failure}
}

// isRefusal reports whether a failure is a refusal of ours, which does not count as an attempt at work
// that a durable record began. What a guest passes on is one only if it concerns the whole host: another actor
// that is broken for good would otherwise hold up the work for good.
func isRefusal(err error) bool {
	switch abi.CodeOf(err) {
	case abi.CodeUnavailable, abi.CodeStorageFull, abi.CodeHostBusy, abi.CodeInternal, abi.CodeOutcomeUnknown, abi.CodeNamespaceNotFound:
		return true
	case abi.CodeActorOverloaded, abi.CodeActorNoVersion, abi.CodeActorConflict, abi.CodeCrashLoop, abi.CodeQuota:
		return !errors.As(err, new(passedOn))
	}
	return false
}

// passedOn is a failure of an operation that a guest ended its turn with.
type passedOn struct{ error }

func (p passedOn) Unwrap() error { return p.error }

// begin makes the next turn.
func (a *actor) begin(ctx context.Context, e *entry) *turn {
	a.turns++
	if now := a.h.now(); now.After(a.clock) {
		a.clock = now // it never goes back, whatever the machine's clock does
	}
	a.requests.number(e.request)
	changes := &kv.Overlay{}
	t := &turn{
		Nothing: hostfuncs.Nothing{Err: errNotYet}, begun: time.Now(),
		a: a, ctx: ctx, entry: e, number: a.turns, now: a.clock, varBytes: a.varBytes, changes: changes,
		view: a.view(changes),
	}
	a.turn = t
	return t
}

// end closes what a turn printed. Nothing of the guest runs after it.
func (t *turn) end() {
	t.flush()
	t.a.turn = nil
}

// commitTurn hands what a turn wrote to the store; the outbox opens when it is durable.
func (a *actor) commitTurn(t *turn, o *outbox) error {
	t.publishConns()
	if t.changes.Len() == 0 {
		a.release(o)
		return nil
	}
	if a.recordOwed { // not worth a sync of its own
		if err := t.writeRecord(); err != nil {
			return err
		}
		o.effects = t.effects
	}
	d := &kv.Delta{Ops: t.changes.Ops(), Must: t.must || t.entry.bare && !t.entry.writes}
	if err := a.plan(t, d); err != nil {
		a.release(&outbox{request: o.request, err: err, undo: o.undo})
		return err
	}
	a.commit(d, t.changes, o)
	return nil
}

// plan brings the agenda up to date, and the moment at which the store shall have the actor woken.
func (a *actor) plan(t *turn, d *kv.Delta) error {
	before := a.agenda.marks()
	if err := a.agenda.apply(t.changes); err != nil {
		return err
	}
	for i, n := range a.agenda.marks() {
		d.Marks[i] = n - before[i]
	}
	a.outcomes.keepOnly(func(id string) bool { return a.agenda.has(string(taskKey(id))) })
	if due := a.agenda.due(); !due.Equal(a.due) {
		a.due, d.Due = due, &due
	}
	return nil
}

// commit hands a delta to the store; the outbox opens when it is durable.
func (a *actor) commit(d *kv.Delta, changes *kv.Overlay, o *outbox) {
	a.number++
	d.N = a.number
	a.allowance.Wrote(int64(d.Size()))
	a.tally.Add(tenants.UsedWritten, int64(d.Size()))
	a.flight.launch(changes, d.Size(), o)
	a.h.cfg.Store.Commit(a.lease, d, a.flight.landed)
	failpoint.Reach(failpoint.TurnHanded)
}

// release lets the outbox of a turn that writes nothing out, behind the deltas that it may have
// read. If one of them was refused meanwhile the turn never was: none was when it began.
func (a *actor) release(o *outbox) {
	if !a.flight.follow(o) {
		o.release(a.flight.broken())
	}
}

// commitBirth commits the turn that makes the actor: what its guest wrote, its record and its address, under which it is found
// once that is durable.
func (a *actor) commitBirth(t *turn, o *outbox) error {
	a.record.Version = a.version.Number
	if err := t.writeRecord(); err != nil {
		return err
	}
	info := a.record.info(a.id)
	d := &kv.Delta{Ops: t.changes.Ops(), Bind: info.Address.Binding()}
	if err := a.plan(t, d); err != nil {
		a.release(&outbox{request: o.request, err: err, undo: o.undo})
		return err
	}
	o.effects = append([]func(){func() { a.h.settle(a, info) }}, o.effects...)
	o.undo = append(o.undo, a.mail.nudge) // it never was
	a.commit(d, t.changes, o)
	return nil
}

// ask is what a guest is asked in a turn.
type ask struct {
	abi.Turn        // all but Actor, Request, Reload and who asks, which the turn knows
	raw      []byte // bytes for a plain module, instead of Args
	isRaw    bool
}

// runGuest runs the guest in a turn and sorts out how it ended.
func (t *turn) runGuest(k *ask) (Reply, error) {
	a := t.a
	if err := a.ensureInstance(t); err != nil {
		return Reply{}, err
	}
	t.guest, t.asked = true, k.Kind
	a.instance.Ask(t.entry.begin)
	defer t.within(a.turnTime(k.Kind))()
	a.instance.Limit(a.turnGas(t.entry.limit))
	if a.version.Plain {
		return a.runPlain(t, k)
	}
	reply, err := a.runSDK(t, k)
	if err != nil && isHook(k.Kind) {
		a.crashed(err)
	}
	return reply, err
}

// ensureInstance makes the actor's instance if it has none. Start-up code runs outside the turn.
func (a *actor) ensureInstance(t *turn) error {
	if a.instance != nil {
		return nil
	}
	need := a.code.MemoryBytes()
	if err := a.h.instances.acquire(t.ctx, &claim{ns: a.id.Namespace, chained: len(t.entry.chain) > 0, allowance: a.allowance, memory: need}); err != nil {
		return err
	}
	a.memory = need
	t.startup = true
	defer func() { t.startup = false }()
	instance, kept, err := a.code.Wake(hostfuncs.NewStartup(t.ctx, t, &a.kernel), env{a}, a.id, a.number)
	if err != nil {
		a.leavePlace()
		return a.failure(err)
	}
	a.tally.Add(tenants.UsedGas, instance.Used())
	a.settleMemory(instance)
	// A kept memory is that of the actor's last committed turn. It is used only right after the
	// actor woke, when no turn of this life can have made it stale.
	a.instance, a.reload = instance, !kept
	return nil
}

// settleMemory holds an instance to what a child and its namespace may have. A memory that was kept has what it had
// grown to, whatever was taken by others meanwhile.
func (a *actor) settleMemory(i *sandbox.Instance) {
	if more := i.MemoryBytes() - a.memory; more > 0 {
		_ = a.allowance.TakeMemory(more, true) // which is not refused
		a.memory += more
	}
	i.LimitMemory(a.memoryLimit())
	i.GateMemory(func(more int64) bool {
		if a.allowance.TakeMemory(more, false) != nil {
			return false
		}
		a.memory += more
		return true
	})
}

// env gives an instance, which lives longer than a turn, the world of the turn that runs.
type env struct{ a *actor }

var _ sandbox.Env = env{}

func (v env) Now() time.Time              { return v.a.turn.Now() }
func (v env) Sleep(d time.Duration)       { v.a.turn.Sleep(d) }
func (v env) Random(p []byte)             { v.a.turn.Random(p) }
func (v env) Output(stream int, p []byte) { v.a.turn.Output(stream, p) }

// call runs one export of the guest. After a failure the instance is gone, unless the guest had not begun.
func (a *actor) call(c *hostfuncs.Call, export string) (int32, error) {
	n, err := a.instance.Call(c, export)
	a.turn.entry.used.Add(a.instance.Used())
	a.tally.Add(tenants.UsedGas, a.instance.Used())
	a.h.stats.gas.Add(uint64(a.instance.Used()))
	a.count(a.instance.Used())
	if errors.Is(err, sandbox.ErrNotRun) {
		return 0, a.notRun()
	}
	if err != nil {
		if !a.instance.Whole() {
			a.lose()
		}
		return 0, a.failure(err)
	}
	return n, nil
}

// notRun says that the turn waited for a processor until its time was up, or its client left.
func (a *actor) notRun() error {
	if a.turn.entry.isGivenUp() {
		return errGone
	}
	a.h.dropped.Add(1)
	return errWaited
}

// lose drops an instance that failed, and with it all that only its memory knew.
func (a *actor) lose() {
	a.dropInstance()
	a.cause = abi.WakeTrap
	a.requests.lose(errReplyLost)
}

// failure says to the client and to the log how a guest's run ended early.
func (a *actor) failure(err error) error {
	var trap *sandbox.TrapError
	var limit *sandbox.LimitError
	var refused *abi.Error
	switch {
	case errors.As(err, &trap):
		a.log("error", "host", "the guest trapped: "+trap.Text)
		return (&abi.Error{Code: abi.CodeActorTrapped, Cause: err}).With(map[string]any{"trap": trap.Kind})
	case errors.As(err, &limit):
		a.log("error", "host", "the guest was stopped: "+limit.Text)
		return abi.Wrap(limit.Code(), err)
	case errors.As(err, &refused) && refused.Code != abi.CodeInternal:
		a.log("error", "host", "the guest was stopped: "+refused.PublicMessage())
		return refused
	}
	a.h.cfg.Logger.Error("turn failed by our fault", "tenant", a.id.Namespace, "actor", a.id, "turn", a.turns, "error", err)
	return abi.Wrap(abi.CodeInternal, err)
}

// keptBuffer is the largest buffer for envelopes that an actor keeps, in bytes.
const keptBuffer = 64 << 10

// runSDK runs a turn of a module with a manifest: an envelope in, an envelope out.
func (a *actor) runSDK(t *turn, k *ask) (Reply, error) {
	if k.isRaw {
		return Reply{}, abi.Errorf(abi.CodeUnsupportedType, "this module's actions take JSON")
	}
	env := k.Turn
	env.Actor, env.Reload, env.Request = a.record.Name, a.reload, t.request()
	env.Caller, env.Origin = t.entry.subject, t.entry.origin
	if sender := t.entry.sender; sender != (tenants.ActorID{}) {
		env.Sender = sender.String()
	}
	a.buf = abi.AppendTurn(a.buf[:0], &env)
	c := hostfuncs.NewCall(t.ctx, t, &a.kernel, a.instance, a.buf)
	t.run = c
	n, err := a.call(c, abi.ExportTurn)
	if cap(a.buf) > keptBuffer {
		a.buf = nil
	}
	if err != nil {
		return Reply{}, err
	}
	reply, err := abi.ParseReply(c.Output())
	if n != 0 || err != nil {
		a.lose()
		return Reply{}, a.failure(&sandbox.TrapError{Kind: "broken contract", Text: fmt.Sprintf("actor_turn returned %d, envelope: %v", n, err)})
	}
	return a.readReply(t, k, &reply)
}

// readReply turns the guest's answer into a client's.
func (a *actor) readReply(t *turn, k *ask, r *abi.Reply) (Reply, error) {
	switch r.Status {
	case abi.StatusOK:
		return t.success(r)
	case abi.StatusOpen:
		return Reply{}, t.keepOpen(r)
	case abi.StatusUser:
		return Reply{}, userError(r)
	case abi.StatusHidden:
		return Reply{}, a.hidden(r.Message)
	case abi.StatusHost:
		return Reply{}, passedOn{t.hostFailure(r)}
	case abi.StatusNoName:
		return Reply{}, a.noAction(k.Name)
	}
	return Reply{}, a.failure(&sandbox.TrapError{Kind: "broken contract", Text: fmt.Sprintf("unknown status %d", r.Status)})
}

// guestCodes are those that a guest may end a turn with though no operation failed with them: it has no such
// thing, or its rules forbid it. With any other it would speak for the host.
var guestCodes = map[abi.Code]bool{
	abi.CodeForbidden: true, abi.CodeActionNotFound: true, abi.CodeQueueNotFound: true, abi.CodeNoHandler: true, abi.CodeNotSupported: true,
}

// jsonReply checks a result, which is the guest's word that it is JSON.
func jsonReply(t *turn, result []byte) (Reply, error) {
	switch {
	case len(result) > abi.MaxResult:
		return Reply{}, abi.Errorf(abi.CodeOutputTooLarge, "the result is larger than %d bytes", abi.MaxResult)
	case len(result) > 0 && !isJSON(result):
		return Reply{}, t.a.hidden("the result is not valid JSON")
	}
	if err := t.say(len(result)); err != nil {
		return Reply{}, err
	}
	return Reply{Kind: ReplyJSON, Output: result}, nil
}

// hidden logs an error that is not for clients and returns what they see instead.
func (a *actor) hidden(text string) error {
	a.log("error", "host", "the action failed: "+clip(text))
	return &abi.Error{Code: abi.CodeGuestInternal}
}

var userCodeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// userError is a guest's deliberate error, with everything in it made harmless.
func userError(r *abi.Reply) error {
	e := &abi.Error{Code: abi.CodeUser, Message: clip(r.Message)}
	if userCodeForm.MatchString(r.Name) {
		e.Name = r.Name
	}
	if len(r.Metadata) > 0 && len(r.Metadata) <= abi.MaxResult && isJSON(r.Metadata) {
		e.Metadata = json.RawMessage(slices.Clone(r.Metadata))
	}
	return e
}

// clip bounds a guest's error text.
func clip(s string) string {
	if len(s) > abi.MaxErrorText {
		s = s[:abi.MaxErrorText]
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if r < 0x20 && r != '\n' && r != '\t' || r == 0x7f {
			r = utf8.RuneError // no control character reaches a terminal or a log
		}
		out = append(out, r)
	}
	return string(out)
}

// noAction names what there is instead.
func (a *actor) noAction(name string) error {
	var known []string
	for n := range a.version.Actors[a.record.Name].Actions {
		known = append(known, n)
	}
	slices.Sort(known)
	return abi.Errorf(abi.CodeActionNotFound, "the actor has no action %q", clip(name[:min(len(name), 100)])).
		With(map[string]any{"actions": known[:min(len(known), 50)]})
}
