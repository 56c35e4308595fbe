// Package actors runs tenants' actors, one turn at a time each.
//
// It owns an actor from wake to sleep: the mailbox, the turn in progress, the outbox. It leaves the
// guest's execution to package sandbox, what a guest may ask to package hostfuncs, identity to
// package tenants and bytes on disk to package kv.
//
// One invariant rules the package: nothing that depends on a turn leaves the process before that
// turn is durable. A turn runs in this order, and each step waits for the one before it:
//
//  1. take the next entry from the mailbox, alone on this actor;
//  2. run the guest; state writes, replies and events gather in the overlay and the outbox;
//  3. commit the overlay as one delta, fenced by the lease's epoch;
//  4. open the outbox once the delta is durable, or drop it if it was refused.
//
// The actor may begin its next turn after step 3; package kv keeps the deltas in order.
package actors

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/egress"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// Config is what a Host is made of. Store, Registry and Sandbox are the caller's to close, after
// the Host.
type Config struct {
	Store    kv.Store
	Registry *tenants.Registry
	Sandbox  *sandbox.Sandbox // opened with GuestModules

	// IdleTime is how long an actor stays awake with nothing to do. Zero means 30 s.
	IdleTime time.Duration
	// TurnTime bounds a request from its arrival to the end of its turn. Zero means 60 s.
	TurnTime time.Duration
	// MaxWait is how long an outside request may have to wait for a processor, as far as that can be told when it comes.
	// Past it the request is refused at once: who is told so can do something else, and who waits in vain still costs.
	// Zero means 400 ms.
	MaxWait time.Duration
	// MaxInstances bounds the instances that live at once, of which a namespace has three quarters at most. Zero means
	// DefaultMaxInstances.
	MaxInstances int
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// OnLog, when not nil, gets every line of every actor's log. It must not block.
	OnLog func(Info, LogLine)
	// OnEvent, when not nil, gets every event of every actor, once its turn is durable and before anybody is
	// answered, with Seq zero. It must not block.
	OnEvent func(Info, Event)
	Logger  *slog.Logger // nil means slog.Default()

	// OwnAddrs returns the addresses on which this process listens: guests cannot reach them. Nil means none.
	OwnAddrs func() []netip.AddrPort
	// AllowLoopback lists "host:port" that guests may reach at a loopback address, if they may reach the host
	// at all: for tests and development.
	AllowLoopback []string
	// Secrets returns the value of a secret for requests of a module to a host, or an error if there is none
	// for it. Guests are told of abi.CodeNoSecretsKey and abi.CodeSecretUnreadable, and else that there is none.
	// Nil means that there are no secrets.
	Secrets func(ns tenants.ID, module, name, host string) (string, error)
	// EnterUpload counts an upload that a guest makes among all that go on, until leave is called, or says why there is
	// no room for it. Nil counts none. Those that Upload is called for are counted by the caller.
	EnterUpload func(ns tenants.ID) (leave func(), err error)
	// Dial, when not nil, opens the guests' connections to "host:port" in place of the network, and Roots are
	// whom they trust with a server's name; nil means the system's. For tests: no rule about addresses holds.
	Dial  func(ctx context.Context, address string) (net.Conn, error)
	Roots *x509.CertPool
}

// DefaultMaxInstances is how many instances live at once unless Config says another number.
const DefaultMaxInstances = 1000

func (c *Config) setDefaults() {
	if c.IdleTime == 0 {
		c.IdleTime = 30 * time.Second
	}
	if c.TurnTime == 0 {
		c.TurnTime = abi.MaxTurnSeconds * time.Second
	}
	if c.MaxWait == 0 {
		c.MaxWait = 400 * time.Millisecond
	}
	if c.MaxInstances == 0 {
		c.MaxInstances = DefaultMaxInstances
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// GuestModules returns the modules that a Host's sandbox must offer to guests.
func GuestModules() []sandbox.HostModule {
	var list []sandbox.HostModule
	for _, m := range hostfuncs.Modules() {
		hm := sandbox.HostModule{Name: m.Name}
		for _, f := range m.Funcs {
			hm.Funcs = append(hm.Funcs, sandbox.HostFunc(f))
		}
		list = append(list, hm)
	}
	return list
}

// Host runs the actors of all namespaces. Safe for concurrent use. What it refuses is an
// *abi.Error; find it with abi.AsError.
type Host struct {
	cfg       Config
	ctx       context.Context // ends the guests that still run at Close
	cancel    context.CancelFunc
	seedKey   []byte
	instances *instances
	logs      *feeds[LogLine]
	events    *feeds[Event]
	alarm     *alarm
	remover   *remover
	crashes   crashes
	living    sync.WaitGroup // goroutines of actors, also of those that are forgotten and not yet gone
	checkers  checkers
	stats     counters
	egress    *egress.Client
	couriers  sync.WaitGroup // of tasks; they end with ctx
	refused   atomic.Int64   // see Load
	dropped   atomic.Int64
	small     *rooms
	large     *rooms
	bodies    *rooms

	clockMu sync.Mutex // guards clock
	clock   time.Time  // the latest that anybody was shown

	mu       sync.Mutex // guards the fields below
	awake    map[tenants.ActorID]*actor
	byAddr   map[tenants.Address]Info          // of awake, as it is on disk; not those that are being born
	births   map[tenants.Address]chan struct{} // closed when the birth has ended, well or not
	waits    waits
	draining bool

	connMu     sync.Mutex // guards conns
	conns      map[tenants.ActorID]*connSet
	delivering sync.WaitGroup // goroutines that hand to sinks
}

// Start returns a running Host. Actors that have something due begin at once.
func Start(cfg Config) (*Host, error) {
	cfg.setDefaults()
	if cfg.Store == nil || cfg.Registry == nil || cfg.Sandbox == nil {
		return nil, errors.New("actors: Config needs a store, a registry and a sandbox")
	}
	if l := cfg.Store.Limits(); l.MaxBytes < abi.MaxDelta+abi.MaxKey || l.MaxOps < abi.MaxDeltaOps+1 || l.MaxValue < abi.MaxState {
		return nil, errors.New("actors: the store's limits are below those of a turn's delta")
	}
	h := &Host{
		cfg:       cfg,
		seedKey:   make([]byte, 32),
		instances: newInstances(cfg.MaxInstances),
		small:     newRooms(smallRooms),
		large:     newRooms(largeRooms),
		bodies:    newRooms(bodyRooms),
		logs:      newLogs(),
		events:    newEvents(),
		awake:     map[tenants.ActorID]*actor{},
		byAddr:    map[tenants.Address]Info{},
		births:    map[tenants.Address]chan struct{}{},
		conns:     map[tenants.ActorID]*connSet{},
	}
	rand.Read(h.seedKey) // never fails; see crypto/rand
	var err error
	if h.egress, err = egress.New(egress.Config{Logger: cfg.Logger, OwnAddrs: cfg.OwnAddrs, AllowLoopback: cfg.AllowLoopback, Dial: cfg.Dial, Roots: cfg.Roots}); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.alarm = startAlarm(h)
	h.remover = startRemover(h)
	return h, nil
}

// now is the wall clock, which never goes back: a guest may wake with the memory of a later moment.
func (h *Host) now() time.Time {
	h.clockMu.Lock()
	defer h.clockMu.Unlock()
	if t := h.cfg.Now(); t.After(h.clock) {
		h.clock = t
	}
	return h.clock
}

// Ready returns nil, or why the host takes no new work.
func (h *Host) Ready() error {
	if h.isDraining() {
		return errDraining
	}
	select {
	case <-h.cfg.Store.Failed():
		return commitError(h.cfg.Store.Err())
	default:
		return nil
	}
}

var errDraining = &abi.Error{Code: abi.CodeUnavailable, Retry: time.Second}

func (h *Host) isDraining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Drain refuses new work, lets the turns that wait or run finish, and puts every actor to sleep.
// When ctx ends first, what still waits is answered CodeUnavailable and guests that still run are
// stopped. No actor is awake when it returns.
func (h *Host) Drain(ctx context.Context) error {
	h.mu.Lock()
	h.draining = true
	all := make([]*actor, 0, len(h.awake))
	for _, a := range h.awake {
		all = append(all, a)
		a.mail.nudge()
	}
	h.mu.Unlock()
	var late error
	for _, a := range all {
		select {
		case <-a.done:
			continue
		case <-ctx.Done():
			late = context.Cause(ctx)
		}
		h.cancel()
		a.mail.fail(errDraining)
		<-a.done
	}
	h.living.Wait()
	return late
}

// Close drains without patience and ends the host.
func (h *Host) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.Drain(ctx)
	h.alarm.stop(h.cancel)
	<-h.remover.done // it ends with ctx
	h.couriers.Wait()
	h.egress.Close()
	h.delivering.Wait()
	return nil
}

// Awake returns how many actors are awake and how many instances live.
func (h *Host) Awake() (actors, live int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.awake), h.instances.count()
}

// wake returns the actor with this id, starting its goroutine if it sleeps. Whether there is such
// an actor at all its goroutine finds out.
func (h *Host) wake(id tenants.ActorID) (*actor, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admitLocked(id.Namespace); err != nil {
		return nil, err
	}
	if a := h.awake[id]; a != nil {
		return a, nil
	}
	return h.startLocked(id, nil), nil
}

// admitLocked returns why no actor of a namespace may begin, or nil. Who holds the lock BEFORE the actors of a deleted
// namespace are evicted may still start one, which is then among them.
func (h *Host) admitLocked(ns tenants.ID) error {
	if h.draining {
		return errDraining
	}
	_, err := h.cfg.Registry.Namespace(ns)
	return err
}

// startLocked starts the goroutine of an actor; born is the record of one that is to be created.
func (h *Host) startLocked(id tenants.ActorID, born *record) *actor {
	mail := newMailbox()
	a := &actor{h: h, id: id, mail: mail, flight: newFlight(mail.poke), varBytes: -1, done: make(chan struct{})}
	if born != nil {
		a.newborn, a.record = true, *born
	}
	h.awake[id] = a
	h.living.Go(a.run) // ends when the actor sleeps or is destroyed; Drain waits for it
	return a
}

// settle lists an actor, which is as info says, under its address.
func (h *Host) settle(a *actor, info Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.awake[a.id] == a {
		h.byAddr[info.Address] = info
	}
}

// note takes up what a durable turn wrote into the record of an actor.
func (h *Host) note(info Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byAddr[info.Address].ID == info.ID {
		h.byAddr[info.Address] = info
	}
}

// forget removes an actor that has gone.
func (h *Host) forget(a *actor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.awake[a.id] == a {
		delete(h.awake, a.id)
	}
	if addr := a.record.info(a.id).Address; h.byAddr[addr].ID == a.id {
		delete(h.byAddr, addr)
	}
}

// post puts an entry into an actor's mailbox, waking the actor if need be, and waits for the answer.
func (h *Host) post(ctx context.Context, id tenants.ActorID, e *entry) (Reply, error) {
	if err := h.put(ctx, id, e); err != nil {
		return Reply{}, err
	}
	return e.wait(ctx)
}

// put puts an entry into an actor's mailbox, waking the actor if need be.
func (h *Host) put(ctx context.Context, id tenants.ActorID, e *entry) error {
	for {
		a, err := h.wake(id)
		if err != nil {
			return err
		}
		if e.fromClient() {
			if err := h.admit(id.Namespace, a.mail.ahead(), e.deadline); err != nil {
				return err
			}
		}
		err = a.mail.put(e)
		if errors.Is(err, errMailboxFull) {
			h.stats.full.Add(1)
		}
		if !errors.Is(err, errAsleep) {
			return err
		}
		select {
		case <-a.done: // and then it can be woken again
		case <-ctx.Done():
			return abi.Wrap(abi.CodeActionTimedOut, context.Cause(ctx))
		}
	}
}

func (h *Host) deadline() time.Time { return time.Now().Add(h.cfg.TurnTime) }
