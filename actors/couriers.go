package actors

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/egress"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// couriers are the goroutines that work on an actor's tasks, one a task.
type couriers struct {
	mu sync.Mutex // guards of
	of map[string]*courier
}

// courier does the work of one task and brings its outcome. It ends when the actor has taken it, when the task is
// cancelled, and when the actor goes; Host.Close waits for it.
type courier struct {
	h      *Host
	actor  tenants.ActorID
	record record // of the actor, when the work began
	id     string
	ctx    context.Context
	cancel context.CancelFunc
	task   *task
	lineage
	envelope []byte // the outcome, if it is known already
	free     func() // gives back the memory that it may take
	resumed  bool   // the work began in an earlier life of the actor
	current  bool   // the process is that in which it began
}

func (c *couriers) has(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[id] != nil
}

func (c *couriers) add(id string, one *courier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]*courier{}
	}
	c.of[id] = one
}

// cancel ends the courier of a task and forgets it.
func (c *couriers) cancel(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.of[id]; one != nil {
		one.cancel()
		delete(c.of, id)
	}
}

// done forgets a courier that has ended, unless another has taken its place.
func (c *couriers) done(one *courier) {
	one.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[one.id] == one {
		delete(c.of, one.id)
	}
}

// cancelAll ends all of them.
func (c *couriers) cancelAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.of {
		one.cancel()
	}
}

// doTask hands a task that is due to a courier, which begins once the task is durable.
func (a *actor) doTask(name, row []byte) (*entry, error) {
	id := string(name)
	if a.couriers.has(id) {
		return nil, nil // the row was only rewritten
	}
	k, err := decodeTask(id, row)
	if err != nil {
		return nil, err
	}
	c := &courier{h: a.h, actor: a.id, record: a.record, id: id, task: k, lineage: k.lineage(a)}
	c.envelope, c.free = a.outcomes.take(id)
	if k.Kind != taskTimer && c.envelope == nil {
		c.resumed, c.current = k.Life != a.generation(), k.Life>>32 == a.lease.Epoch.Boot
	}
	c.ctx, c.cancel = context.WithCancel(a.h.ctx)
	a.couriers.add(id, c)
	life := a.generation()
	a.whenDurable(func() {
		a.h.stats.couriers.Add(1)
		a.h.couriers.Go(func() {
			defer a.h.stats.couriers.Add(-1)
			defer a.couriers.done(c)
			c.run(life)
		})
	}, func() { a.couriers.done(c); c.free() })
	return nil, nil
}

// whenDurable runs f once the actor's turns so far are durable, or undo if one of them was refused. They must
// not block. An agenda row may be due before the delta that wrote it is on disk.
func (a *actor) whenDurable(f, undo func()) {
	a.release(&outbox{request: &request{}, effects: []func(){f}, undo: []func(){undo}})
}

// run does the work and brings the outcome.
func (c *courier) run(life uint64) {
	if c.resumed {
		c.h.tell(c.actor, func(t *turn) (Reply, error) { return Reply{}, t.taskResumed(c.id, life) })
	}
	switch {
	case c.envelope != nil:
	case c.task.Kind == taskTimer:
		c.envelope = abi.AppendReply(nil, &abi.Reply{})
	case c.task.Kind == taskCall:
		c.envelope = c.call()
	case c.task.Fetch.Stream:
		c.stream()
		return
	default:
		c.envelope = c.fetch()
	}
	o := &outcome{id: c.id, envelope: c.envelope, free: c.free, last: true}
	c.deliver(o)
	if !o.kept.Load() {
		c.free()
	}
}

// taskResumed notes that the work on a task begins again.
func (t *turn) taskResumed(id string, life uint64) error {
	k, err := t.readTask(id)
	if err != nil || k == nil || k.Life == life {
		return err
	}
	k.Life, k.Restarts = life, k.Restarts+1
	return t.writeTask(id, k, t.now)
}

// deliver brings an outcome to the actor and returns how its turn went. What is a refusal of ours, or did not
// get to the guest at all, is no attempt: it waits and tries again.
func (c *courier) deliver(o *outcome) error {
	for {
		o.ran = false
		_, err := c.h.post(c.ctx, c.actor, c.h.outcomeEntry(o, c.lineage))
		if c.ctx.Err() != nil || err == nil {
			return err
		}
		if o.ran && !isRefusal(err) {
			return err
		}
		if err := c.wait(snoozeTime); err != nil {
			return err
		}
	}
}

func (c *courier) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// deadline is that of the request for which the work is done, as long as somebody may wait for it.
func (c *courier) deadline() time.Time {
	d := c.h.deadline()
	if own := time.UnixMilli(c.task.Deadline); c.task.Deadline != 0 && c.current && own.Before(d) {
		return own
	}
	return d
}

// call calls an action of another actor. The actor that began it does not wait in a turn, so the callee may call
// it back.
func (c *courier) call() []byte {
	ctx, cancel := context.WithDeadline(c.ctx, c.deadline())
	defer cancel()
	for {
		reply, err := c.callOnce(ctx)
		if code := abi.CodeOf(err); code != abi.CodeHostBusy && code != abi.CodeStorageFull || c.wait(snoozeTime) != nil || ctx.Err() != nil {
			envelope, _ := envelopeOf(reply, err)
			return envelope
		}
	}
}

func (c *courier) callOnce(ctx context.Context) (Reply, error) {
	from := c.through(link{id: c.actor})
	id, err := c.h.locate(ctx, c.actor.Namespace, c.task.Target, from)
	if err != nil {
		return Reply{}, err
	}
	args, free, err := c.body(ctx)
	if err != nil {
		return Reply{}, err
	}
	defer free()
	e, err := c.h.actionEntry(Request{Action: c.task.Action, Args: args})
	if err != nil {
		return Reply{}, err
	}
	e.outside, e.deadline, e.lineage = true, c.deadline(), from
	e.limit = c.limit
	return c.h.post(ctx, id, e)
}

// body reads what the task sends: a request's body or an action's arguments. Large ones wait for a room, which free
// gives back.
func (c *courier) body(ctx context.Context) (b []byte, free func(), err error) {
	free = func() {}
	if c.task.Size == 0 {
		return nil, free, nil
	}
	if c.task.Size > smallAnswer {
		if free, err = c.h.bodies.take(ctx, c.actor.Namespace); err != nil {
			return nil, nil, abi.Wrap(abi.CodeActionTimedOut, err)
		}
	}
	if b, err = c.h.cfg.Store.Get(ctx, c.actor.Space(), taskBodyKey(c.id)); err != nil {
		free()
		return nil, nil, readError(err)
	}
	return b, free, nil
}

// ask sends the request of a fetch and returns the head of the answer.
func (c *courier) ask(ctx context.Context, p egress.Policy) (*egress.Response, error) {
	b, free, err := c.body(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	return c.h.exchange(ctx, c.actor, p, *c.task.Fetch, b)
}

// locate returns the actor of a target, which is made if the target says so.
func (h *Host) locate(ctx context.Context, ns tenants.ID, to *abi.Target, from lineage) (tenants.ActorID, error) {
	if to.ID != "" {
		id, ok := tenants.ParseActorID(ns, to.ID)
		if !ok || to.Name != "" {
			return id, errNoActor
		}
		return id, nil
	}
	key, err := tenants.NewKey(to.Key...)
	if err != nil {
		return tenants.ActorID{}, err
	}
	addr := tenants.Address{Namespace: ns, Name: to.Name, Key: key}
	id, err := h.Resolve(ctx, addr)
	if to.Create && abi.CodeOf(err) == abi.CodeActorNotFound {
		var info Info
		info, _, err = h.GetOrCreate(ctx, addr, CreateOptions{Input: to.Input, from: from})
		id = info.ID
	}
	return id, err
}

// fetch makes the HTTP request of a task.
func (c *courier) fetch() []byte {
	ctx, cancel := context.WithDeadline(c.ctx, c.deadline())
	defer cancel()
	v, err := c.h.cfg.Registry.Version(c.actor.Namespace, c.task.Module, c.task.Version)
	if err != nil {
		return fetchFailure(err)
	}
	p, err := c.h.policy(c.actor.Namespace, &v, &c.record)
	if err != nil {
		return fetchFailure(err)
	}
	small, err := c.h.small.take(ctx, c.actor.Namespace)
	if err != nil {
		return fetchFailure(err)
	}
	c.free = small
	r, err := c.ask(ctx, p)
	if err != nil {
		return fetchFailure(err)
	}
	defer r.Body.Close()
	b, large, err := c.h.readRoomy(ctx, c.actor.Namespace, r.Body)
	c.free = func() { small(); large() }
	if err != nil {
		return fetchFailure(err)
	}
	return fetched(abi.StatusOK, &r.ResponseHead, b)
}

// errGivenUp ends a stream whose parts the guest cannot take.
var errGivenUp = errors.New("actors: the task was given up")
