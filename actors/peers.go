package actors

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// What a turn does with other actors of its namespace, at once. Names and ids are looked up within the
// namespace only, so no call can leave it.

// Call implements hostfuncs.Peers.
func (t *turn) Call(target []byte, action string, args []byte) ([]byte, error) {
	if !isList(args) {
		return nil, errArgs
	}
	id, err := t.resolve(target)
	if err != nil {
		return nil, err
	}
	e, err := t.a.h.actionEntry(Request{Action: action, Args: slices.Clone(args)})
	if err != nil {
		return nil, err
	}
	e.outside, e.deadline = true, t.callDeadline()
	reply, err := t.ask(id, e)
	if err != nil && isCallRefusal(err) {
		return nil, err
	}
	if err != nil {
		t.relay(err)
	}
	if used := e.gas(); used > 0 {
		t.charge(used)
	}
	return envelopeOf(reply, err)
}

var errArgs = abi.Errorf(abi.CodeInvalidArgument, "arguments are a JSON list")

// callRefusal wraps what kept a call from being made at all.
type callRefusal struct{ error }

func (r callRefusal) Unwrap() error { return r.error }

func isCallRefusal(err error) bool { return errors.As(err, new(callRefusal)) }

// ask posts a request to another actor and waits for the answer, within the turn.
func (t *turn) ask(id tenants.ActorID, e *entry) (reply Reply, err error) {
	err = t.waitFor(id, func(ctx context.Context, from lineage) error {
		e.lineage = from
		e.limit = t.GasLeft()
		var failure error
		reply, failure = t.a.h.post(ctx, id, e)
		return failure
	})
	return reply, err
}

// waitFor runs f, which waits for another actor, within the turn; the zero id is one that is to be made. The
// lineage is that of what f asks. What kept f from running is a callRefusal.
func (t *turn) waitFor(on tenants.ActorID, f func(context.Context, lineage) error) error {
	h := t.a.h
	if len(t.entry.chain) >= abi.MaxCallDepth {
		return callRefusal{abi.Errorf(abi.CodeCallDepth, "a chain of calls has at most %d actors", abi.MaxCallDepth)}
	}
	h.mu.Lock()
	wait, err := h.waits.beginLocked(t.entry.chain, t.a.id, on)
	h.mu.Unlock()
	if err != nil {
		return callRefusal{err}
	}
	defer func() {
		h.mu.Lock()
		h.waits.endLocked(t.a.id)
		h.mu.Unlock()
	}()
	var failure error
	if err := t.block(func(ctx context.Context) { failure = f(ctx, t.entry.through(link{t.a.id, wait})) }); err != nil {
		return callRefusal{err}
	}
	return failure
}

// relay notes a failure of another actor, which the guest may pass on as its own.
func (t *turn) relay(failure error) {
	if e := abi.AsError(failure); e.Code != abi.CodeInternal && e.Code != abi.CodeUser {
		if t.relayed == nil {
			t.relayed = map[abi.Code]*abi.Error{}
		}
		t.relayed[e.Code] = &abi.Error{Code: e.Code, Message: e.Message, Retry: e.Retry}
	}
}

// charge takes gas that others used on the turn's behalf. It ends the guest if there is not enough.
func (t *turn) charge(gas int64) {
	if err := t.a.instance.Charge(gas); err != nil {
		panic(err)
	}
}

// GasLeft implements hostfuncs.Life.
func (t *turn) GasLeft() int64 {
	if t.startup || t.a.instance == nil {
		return 0
	}
	return max(0, t.a.instance.Left())
}

// resolve returns the id of a target, which is made if the target says so. It counts as a call.
func (t *turn) resolve(target []byte) (tenants.ActorID, error) {
	if t.startup {
		return tenants.ActorID{}, errStartup
	}
	if err := t.countCall(); err != nil {
		return tenants.ActorID{}, err
	}
	var to abi.Target
	if err := decodeStrict(target, &to); err != nil {
		return tenants.ActorID{}, abi.Errorf(abi.CodeInvalidArgument, "the target is not one: %s", clip(err.Error()))
	}
	ns := t.a.id.Namespace
	if to.ID != "" {
		id, ok := tenants.ParseActorID(ns, to.ID)
		if !ok || to.Name != "" {
			return id, errNoActor
		}
		return id, nil
	}
	addr, err := t.address(to.Name, to.Key)
	if err != nil {
		return tenants.ActorID{}, err
	}
	if !to.Create {
		return t.a.h.Resolve(t.ctx, addr)
	}
	info, _, err := t.create(addr, CreateOptions{Input: slices.Clone(to.Input)})
	return info.ID, err
}

func (t *turn) address(name string, key []string) (tenants.Address, error) {
	if !tenants.ValidName(name) {
		return tenants.Address{}, abi.Errorf(abi.CodeInvalidArgument, "a target has an id or a valid name")
	}
	k, err := tenants.NewKey(key...)
	return tenants.Address{Namespace: t.a.id.Namespace, Name: name, Key: k}, err
}

func (t *turn) countCall() error {
	if t.calls++; t.calls > abi.MaxCalls {
		return abi.Errorf(abi.CodeTooManyCalls, "the turn calls other actors more than %d times", abi.MaxCalls)
	}
	return nil
}

// create makes an actor at once, or finds it.
func (t *turn) create(addr tenants.Address, o CreateOptions) (info Info, created bool, err error) {
	if info, err := t.a.h.Find(t.ctx, addr); abi.CodeOf(err) != abi.CodeActorNotFound {
		return info, false, err
	}
	err = t.waitFor(tenants.ActorID{}, func(ctx context.Context, from lineage) (err error) {
		o.from = from
		info, created, err = t.a.h.GetOrCreate(ctx, addr, o)
		return err
	})
	return info, created, err
}

// CreateActor implements hostfuncs.Peers.
func (t *turn) CreateActor(spec, input []byte) ([]byte, error) {
	if t.startup {
		return nil, errStartup
	}
	if err := t.countCall(); err != nil {
		return nil, err
	}
	var s abi.ActorSpec
	if err := decodeStrict(spec, &s); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "the specification is not one: %s", clip(err.Error()))
	}
	addr, err := t.address(s.Name, s.Key)
	if err != nil {
		return nil, err
	}
	var info Info
	var created bool
	if s.Child || s.Limits != nil {
		info, created, err = t.createChild(addr, &s, input)
	} else {
		info, created, err = t.create(addr, CreateOptions{Input: slices.Clone(input)})
	}
	if err != nil {
		return nil, err
	}
	if !created && !s.Get {
		return nil, exists(info)
	}
	return json.Marshal(abi.ActorInfo{ID: info.ID.String(), Name: info.Address.Name, Key: info.Address.Key.Components(), Created: created})
}

// FindActor implements hostfuncs.Peers.
func (t *turn) FindActor(target []byte) ([]byte, bool, error) {
	id, err := t.resolve(target)
	var info Info
	if err == nil {
		info, err = t.a.h.Get(t.ctx, id)
	}
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	b, err := json.Marshal(abi.ActorInfo{ID: info.ID.String(), Name: info.Address.Name, Key: info.Address.Key.Components()})
	return b, true, err
}

// DestroyActor implements hostfuncs.Peers.
func (t *turn) DestroyActor(target []byte) (bool, error) {
	id, err := t.resolve(target)
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if id == t.a.id {
		return true, t.Destroy()
	}
	e := newEntry(entryDestroy, t.callDeadline(), nil)
	if e.kills, err = t.killChild(id); err != nil {
		return false, err
	}
	if e.kills { // it ends also one that waits for this actor
		err = t.waitFor(tenants.ActorID{}, func(ctx context.Context, from lineage) error {
			e.lineage = from
			_, err := t.a.h.post(ctx, id, e)
			return err
		})
	} else {
		_, err = t.ask(id, e)
	}
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return false, nil
	}
	return err == nil, err
}

// envelopeOf returns an answer as the guest that asked reads it.
func envelopeOf(reply Reply, err error) ([]byte, error) {
	if err == nil {
		doc, err := documentOf(reply)
		if err != nil {
			return nil, err
		}
		return abi.AppendReply(nil, &abi.Reply{Status: abi.StatusOK, Result: doc}), nil
	}
	e := abi.AsError(err)
	r := abi.Reply{Status: abi.StatusHost, Code: e.Code, Message: e.PublicMessage()}
	if e.Code == abi.CodeUser {
		r.Status, r.Name, r.Code = abi.StatusUser, e.PublicName(), 0
	}
	if e.Metadata != nil && e.Code != abi.CodeInternal {
		if r.Metadata, err = json.Marshal(e.Metadata); err != nil {
			r.Metadata = nil
		}
	}
	return abi.AppendReply(nil, &r), nil
}

// documentOf returns an answer as a JSON document.
func documentOf(r Reply) ([]byte, error) {
	b := r.Bytes
	switch r.Kind {
	case ReplyJSON:
		return r.Output, nil
	case ReplyRaw:
		b = r.Raw
	}
	return json.Marshal([]string{"$Uint8Array", base64.StdEncoding.EncodeToString(b)})
}

// decodeStrict reads a guest's JSON document into v. A field that this host does not know is refused:
// it might be a limit.
func decodeStrict(doc []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	switch {
	case d.More():
		return errors.New("there is more than one document")
	case nesting(doc) > maxNesting:
		return errors.New("it is nested too deeply")
	}
	return nil
}
