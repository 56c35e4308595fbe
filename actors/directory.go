package actors

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// Info describes an actor.
type Info struct {
	ID      tenants.ActorID
	Address tenants.Address
	Created time.Time
	Module  string // whose version created it
	Version int    // that wrote its newest data, as far as the actor had reason to note it
	Kept    int    // live version whose upgrade failed, so that the actor keeps Version; zero means none
}

// CreateOptions are the choices of a creation.
type CreateOptions struct {
	Input  []byte // a JSON document; nil means none
	Caller string // verified subject of the client; empty means anonymous

	from  lineage // of an actor that creates it
	child *childOptions
}

func (o CreateOptions) check() error {
	if len(o.Input) > abi.MaxInput {
		return abi.Errorf(abi.CodeInputTooLarge, "the input is larger than %d bytes", abi.MaxInput)
	}
	if len(o.Input) > 0 && !isJSON(o.Input) {
		return abi.Errorf(abi.CodeInvalidRequest, "the input is not valid JSON")
	}
	return nil
}

// Create makes an actor. If there is one at the address it is CodeActorExists, with the existing
// actor's id as metadata.
func (h *Host) Create(ctx context.Context, a tenants.Address, o CreateOptions) (Info, error) {
	info, created, err := h.GetOrCreate(ctx, a, o)
	if err != nil || created {
		return info, err
	}
	return Info{}, exists(info)
}

func exists(info Info) error {
	return (&abi.Error{Code: abi.CodeActorExists}).With(map[string]any{"existing_actor_id": info.ID.String(), "key": string(info.Address.Key)})
}

// GetOrCreate returns the actor at an address, made with o if there is none; created says which.
func (h *Host) GetOrCreate(ctx context.Context, a tenants.Address, o CreateOptions) (info Info, created bool, err error) {
	return h.getOrCreate(ctx, a, o, nil)
}

// CallOrCreate is Call of the actor at an address, made with o if there is none. Its first turn then comes right behind the
// one that makes it, and need not wait until that is durable: the answer does. id is zero if there is no such actor.
func (h *Host) CallOrCreate(ctx context.Context, a tenants.Address, o CreateOptions, r Request) (id tenants.ActorID, reply Reply, err error) {
	first := &firstCall{request: r}
	info, created, err := h.getOrCreate(ctx, a, o, first)
	switch {
	case err != nil:
		return tenants.ActorID{}, Reply{}, err
	case created:
		return info.ID, first.reply, first.err
	}
	reply, err = h.Call(ctx, info.ID, r)
	return info.ID, reply, err
}

// firstCall is a call of an actor that has yet to be made, and how it ended.
type firstCall struct {
	request Request
	reply   Reply
	err     error
}

// getOrCreate is GetOrCreate. If it makes the actor it waits for the first call, unless that is nil: who has one needs no
// more than the id of another actor.
func (h *Host) getOrCreate(ctx context.Context, a tenants.Address, o CreateOptions, first *firstCall) (info Info, created bool, err error) {
	if err := o.check(); err != nil {
		return Info{}, false, err
	}
	for {
		info, whole, err := h.lookUp(ctx, a)
		if err == nil && !whole && first == nil {
			info, err = h.Get(ctx, info.ID)
		}
		if abi.CodeOf(err) != abi.CodeActorNotFound {
			return info, false, err
		}
		end, other := h.beginBirth(a)
		if end != nil {
			info, err := h.birth(ctx, a, o, first, end)
			if abi.CodeOf(err) == abi.CodeActorExists {
				continue // another process or an earlier birth was first
			}
			return info, err == nil, err
		}
		select {
		case <-other:
		case <-ctx.Done():
			return Info{}, false, abi.Wrap(abi.CodeActionTimedOut, context.Cause(ctx))
		}
	}
}

// born is closed: a birth that has ended.
var born = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// beginBirth reserves an address for one birth at a time. It returns what ends the reservation, or
// a channel that is closed when the birth that goes on, or went on until now, has ended.
func (h *Host) beginBirth(a tenants.Address) (end func(), other chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ch, ok := h.births[a]; ok {
		return nil, ch
	}
	if _, ok := h.byAddr[a]; ok {
		return nil, born
	}
	ch := make(chan struct{})
	h.births[a] = ch
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.births, a)
		close(ch)
	}, nil
}

// birth makes an actor and calls end when it is there, or is not to be. It waits for that even if the client goes away,
// because others may wait for its outcome.
func (h *Host) birth(ctx context.Context, a tenants.Address, o CreateOptions, first *firstCall, end func()) (Info, error) {
	id, rec, entries, err := h.conceive(a, o, first)
	if err == nil {
		entries[0].told = func(Reply, error) { end() }
		err = h.startBirth(id, rec, entries)
	}
	if err != nil {
		end()
		return Info{}, err
	}
	if first != nil { // it is answered after the turn before it
		first.reply, first.err = entries[1].wait(ctx)
	}
	_, err = entries[0].wait(context.WithoutCancel(ctx))
	return rec.info(id), err
}

// conceive checks whether there may be such an actor. It returns who that would be, and its first turns.
func (h *Host) conceive(a tenants.Address, o CreateOptions, first *firstCall) (id tenants.ActorID, rec *record, entries []*entry, err error) {
	if o.from.sender == (tenants.ActorID{}) {
		if err := h.Admit(a.Namespace); err != nil {
			return id, nil, nil, err
		}
	}
	v, err := h.birthVersion(a, &o)
	if err != nil {
		return id, nil, nil, err
	}
	if err := h.Writable(); err != nil {
		return id, nil, nil, err
	}
	if err := h.mayCreate(a.Namespace); err != nil {
		return id, nil, nil, err
	}
	def := v.Actors[a.Name]
	if want := def.Key; want != nil && len(a.Key.Components()) != len(want) {
		return id, nil, nil, abi.Errorf(abi.CodeActorInvalidKey, "a key of this actor has %d components: %q", len(want), want)
	}
	id = tenants.NewActorID(a.Namespace)
	rec = &record{Name: a.Name, Key: a.Key, Created: h.now().UnixMilli(), Module: v.Module}
	if c := o.child; c != nil {
		id, rec.Parent, rec.Limits, rec.Pin = c.id, c.parent.String(), c.limits, c.pin
	}
	entries = []*entry{h.createEntry(o)}
	if first != nil {
		if err := allowOrigin(def.Origins, first.request.Origin); err != nil {
			return id, nil, nil, err
		}
		e, err := h.callEntry(first.request)
		if err != nil {
			return id, nil, nil, err
		}
		entries = append(entries, e)
	}
	return id, rec, entries, nil
}

// createEntry returns the turn that makes an actor.
func (h *Host) createEntry(o CreateOptions) *entry {
	k := &ask{Turn: abi.Turn{Kind: abi.KindCreate, Args: o.Input}}
	e := newEntry(entryCreate, h.deadline(), func(t *turn) (Reply, error) {
		if c := o.child; c != nil && c.limits.Lifetime > 0 {
			t.changes.Put(agendaKey(agendaLifetime, nil), agendaRow(t.now.Add(time.Duration(c.limits.Lifetime)*time.Millisecond), nil))
		}
		if err := t.a.checker().Input(o.Input); err != nil {
			return Reply{}, err
		}
		return t.runGuest(k)
	})
	e.lineage = o.from
	if o.from.sender == (tenants.ActorID{}) {
		e.lineage = lineage{subject: o.Caller, origin: o.Caller}
	}
	return e
}

// startBirth starts an actor with its first turns, of which one makes it. It has them in its mailbox before anybody can ask
// it to sleep, as Drain does.
func (h *Host) startBirth(id tenants.ActorID, rec *record, entries []*entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admitLocked(id.Namespace); err != nil {
		return err
	}
	mail := h.startLocked(id, rec).mail
	for _, e := range entries {
		if err := mail.put(e); err != nil {
			return err
		}
	}
	return nil
}

// birthVersion returns the version that a new actor begins with.
func (h *Host) birthVersion(a tenants.Address, o *CreateOptions) (*tenants.Version, error) {
	if o.child != nil && o.child.pin != nil {
		v, err := h.cfg.Registry.Version(a.Namespace, o.child.pin.Module, o.child.pin.Version)
		return &v, err
	}
	v, err := h.cfg.Registry.Resolve(a.Namespace, a.Name)
	if abi.CodeOf(err) == abi.CodeActorNoVersion {
		return nil, abi.Errorf(abi.CodeModuleNotFound, "no live module of the namespace defines an actor named %q", a.Name)
	}
	return v, err
}

// Find returns the actor at an address, or CodeActorNotFound.
func (h *Host) Find(ctx context.Context, a tenants.Address) (Info, error) {
	info, whole, err := h.lookUp(ctx, a)
	if err != nil || whole {
		return info, err
	}
	return h.Get(ctx, info.ID)
}

// Resolve returns the id of the actor at an address, or CodeActorNotFound. It reads half of what Find does.
func (h *Host) Resolve(ctx context.Context, a tenants.Address) (tenants.ActorID, error) {
	info, _, err := h.lookUp(ctx, a)
	return info.ID, err
}

// lookUp returns the whole info of an actor that is awake, and who it is of one that sleeps. An address is bound by the
// delta that makes its actor, and free from the one on that destroys it.
func (h *Host) lookUp(ctx context.Context, a tenants.Address) (info Info, whole bool, err error) {
	h.mu.Lock()
	info, whole = h.byAddr[a]
	h.mu.Unlock()
	if whole {
		return info, true, nil
	}
	space, err := h.cfg.Store.Lookup(ctx, string(a.Namespace), a.Binding())
	if err != nil {
		return Info{}, false, readError(err)
	}
	id, ok := tenants.IDOfSpace(space)
	if !ok {
		return Info{}, false, kv.ErrCorrupt
	}
	return Info{ID: id, Address: a}, false, nil
}

// Get returns the actor with an id, or CodeActorNotFound.
func (h *Host) Get(ctx context.Context, id tenants.ActorID) (Info, error) {
	rec, err := readRecord(ctx, h.cfg.Store, id)
	if err != nil {
		return Info{}, err
	}
	return rec.info(id), nil
}

// List returns up to limit actors of a namespace, in order of name and key, after a cursor; name
// narrows the list unless it is empty. next is the cursor of the following page, empty at the end.
func (h *Host) List(ctx context.Context, ns tenants.ID, name, cursor string, limit int) (list []Info, next string, err error) {
	r := kv.Range{}
	if name != "" {
		r = kv.PrefixRange(append([]byte(name), 0))
	}
	if cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return nil, "", abi.Errorf(abi.CodeInvalidRequest, "the cursor is not one of this host's")
		}
		if after = append(after, 0); slices.Compare(after, r.Lo) > 0 {
			r.Lo = after
		}
	}
	for b, err := range h.cfg.Store.List(ctx, string(ns), r) {
		if err != nil {
			return nil, "", readError(err)
		}
		if len(list) == limit {
			return list, base64.RawURLEncoding.EncodeToString(list[limit-1].Address.Binding()), nil
		}
		id, ok := tenants.IDOfSpace(b.Space)
		if !ok {
			continue // a name of another kind of space
		}
		info, err := h.Get(ctx, id)
		if abi.CodeOf(err) == abi.CodeActorNotFound {
			continue // destroyed since the list was opened
		}
		if err != nil {
			return nil, "", err
		}
		list = append(list, info)
	}
	return list, "", nil
}

// HasActors reports whether a namespace has an actor with this name.
func (h *Host) HasActors(ns tenants.ID, name string) (bool, error) {
	list, _, err := h.List(h.ctx, ns, name, "", 1)
	return len(list) > 0, err
}

// ActorNames returns the actor names that the namespace's live versions define, sorted.
func (h *Host) ActorNames(_ context.Context, ns tenants.ID) ([]string, error) {
	if _, err := h.cfg.Registry.Namespace(ns); err != nil {
		return nil, err
	}
	names := []string{}
	for _, m := range h.cfg.Registry.Modules(ns) {
		if m.Live == 0 {
			continue
		}
		v, err := h.cfg.Registry.Version(ns, m.Name, m.Live)
		if err != nil {
			return nil, err
		}
		for name := range v.Actors {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Destroy ends an actor: when it returns, its address is free and none of its data can be read.
func (h *Host) Destroy(ctx context.Context, id tenants.ActorID) error {
	_, err := h.post(ctx, id, newEntry(entryDestroy, h.deadline(), nil))
	return err
}
