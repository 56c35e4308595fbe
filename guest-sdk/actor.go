package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Actions are an actor's actions by name. Make them with [Action], [Do] and their siblings.
type Actions map[string]Handler

// Name is an actor's registered name.
type Name string

// Actor registers an actor under its name. Call it while the module starts, most simply in a
// package variable. A module may register several. It panics if the name is taken or the
// definition is wrong, which an upload reports. No function of the definition runs meanwhile, and no method of
// its types.
func Actor[S any](name string, d Def[S]) Name {
	if name == "" {
		panic("guest: actor without a name")
	}
	if registry[name] != nil {
		panic(fmt.Sprintf("guest: actor %q is registered twice", name))
	}
	a := &actor[S]{name: name, def: &d, actions: make(map[string]*action[S], len(d.Actions))}
	create, err := newCreate[S](d.Create)
	if err != nil {
		panic(fmt.Sprintf("guest: actor %q: %v", name, err))
	}
	a.create = create
	for n, h := range d.Actions {
		act, ok := h.(*action[S])
		if !ok {
			panic(fmt.Sprintf("guest: actor %q: action %q takes a %s, the actor's is a %T", name, n, contextOf(h), &a.ctx))
		}
		a.actions[n] = act
	}
	if err := bind(&a.hooks, &d, &a.ctx); err != nil {
		panic(fmt.Sprintf("guest: actor %q: %v", name, err))
	}
	a.ctx.hooks = &a.hooks
	a.before.flat, a.layout = isFlat(reflect.TypeFor[S]()), layoutOf(reflect.TypeFor[S]())
	a.warm()
	registry[name] = a
	return Name(name)
}

// registry holds the module's actors.
var registry = map[string]registered{}

// registered is an actor without its state's type.
type registered interface {
	turn(t *abi.Turn) abi.Reply
	manifest(m *abi.Manifest) abi.ActorManifest
}

// actor is a registered actor, and the state of the one actor that this instance serves.
type actor[S any] struct {
	name    string
	def     *Def[S]
	create  func(c *Ctx[S], input []byte) (S, error)
	actions map[string]*action[S]
	hooks   hooks

	ctx    Ctx[S]
	loaded bool        // ctx.State is the actor's state
	saved  []byte      // what the host has for it; nil means nothing
	before snapshot[S] // of the state that saved is of

	layout  layout  // of the state; nil if only encoder knows
	encoder encoder // of the state
	plain   []byte  // what layout encoded last
}

// manifest describes the actor, and adds to m what it wants of the module.
func (a *actor[S]) manifest(m *abi.Manifest) abi.ActorManifest {
	d := abi.ActorManifest{
		Actions:   make(map[string]abi.ActionManifest, len(a.actions)),
		Events:    a.def.Events,
		Key:       a.def.Key,
		Queues:    a.hooks.queueManifest(),
		Hooks:     a.hooks.list(),
		Options:   a.def.Options.abi(),
		Origins:   a.def.Origins,
		Open:      a.def.Open,
		CheckArgs: a.def.CheckArgs,
		Input:     schemaOfInput(a.def.Create),
		Params:    schemaOfParams(a.def.BeforeConnect, a.def.ConnState),
	}
	for n, act := range a.actions {
		d.Actions[n] = act.manifest()
	}
	for _, host := range a.def.Egress {
		if !slices.Contains(m.Egress, host) {
			m.Egress = append(m.Egress, host)
		}
	}
	m.Uploads = m.Uploads || a.def.Uploads
	return d
}

// turn runs one turn and forgets the state if it failed.
func (a *actor[S]) turn(t *abi.Turn) abi.Reply {
	a.ctx.begin(t)
	if t.Reload {
		a.loaded = false
	}
	result, err := a.run(t)
	if err == nil {
		err = a.save(t)
	}
	a.ctx.end()
	if err != nil {
		a.loaded = false
		return replyTo(err)
	}
	if a.ctx.open {
		return abi.Reply{Status: abi.StatusOpen}
	}
	return abi.Reply{Status: abi.StatusOK, Result: result, Head: a.ctx.head}
}

func (a *actor[S]) run(t *abi.Turn) ([]byte, error) {
	switch {
	case t.Kind == abi.KindCreate:
		return nil, a.runCreate(t)
	case t.Kind == abi.KindAction && !t.Hooks:
		return a.runAction(t)
	}
	if err := a.load(); err != nil {
		return nil, err
	}
	if t.Hooks {
		return a.hooks.around(func() ([]byte, error) { return a.runInside(t) })
	}
	return a.hooks.run(t)
}

// runInside runs what the client of a temporary connection asks for.
func (a *actor[S]) runInside(t *abi.Turn) ([]byte, error) {
	if t.Kind == abi.KindAction {
		return a.runAction(t)
	}
	return a.hooks.run(t)
}

func (a *actor[S]) runCreate(t *abi.Turn) error {
	var zero S
	a.ctx.State, a.saved, a.loaded, a.before.taken = zero, nil, true, false
	s, err := a.create(&a.ctx, t.Args)
	a.ctx.State = s
	return err
}

func (a *actor[S]) runAction(t *abi.Turn) ([]byte, error) {
	act := a.actions[t.Name]
	if act == nil {
		return nil, errNoAction
	}
	d := args{action: t.Name, params: act.params}
	if err := d.split(t.Args); err != nil {
		return nil, err
	}
	if err := a.load(); err != nil {
		return nil, err
	}
	v, err := act.run(&a.ctx, &d)
	if err != nil || a.ctx.open {
		return nil, err
	}
	has := act.result
	if f := a.def.BeforeActionResponse; f != nil {
		if !has {
			v = nil
		}
		if v, err = f(&a.ctx, t.Name, d.raw(), v); err != nil {
			return nil, err
		}
		has = has || v != nil
	}
	if !has {
		return nil, nil
	}
	b, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("result of %s: %w", t.Name, err)
	}
	return b, nil
}

// load reads the state unless memory has it.
func (a *actor[S]) load() error {
	if a.loaded {
		return nil
	}
	b, _, err := a.ctx.host.StateGet()
	if err != nil {
		return err
	}
	var s S
	if len(b) > 0 {
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("stored state does not fit %T: %w", s, err)
		}
	}
	a.ctx.State, a.saved, a.loaded, a.before.taken = s, b, true, false
	return nil
}

// save writes the state if its encoded form is not what the host has.
func (a *actor[S]) save(t *abi.Turn) error {
	if a.before.same(&a.ctx.State) {
		return nil
	}
	b, err := a.encoded()
	if err != nil {
		return err
	}
	if a.saved != nil && bytes.Equal(a.saved, b) {
		a.before.take(&a.ctx.State)
		return nil
	}
	if t.Kind == abi.KindDestroy {
		return nil
	}
	if a.def.StateChange != nil && t.Kind != abi.KindCreate {
		if b, err = a.changed(); err != nil {
			return err
		}
	}
	if err := a.ctx.host.StateSet(b); err != nil {
		return err
	}
	a.saved = append(a.saved[:0], b...)
	a.before.take(&a.ctx.State)
	return nil
}

// changed runs StateChange and returns the state after it.
func (a *actor[S]) changed() ([]byte, error) {
	if err := a.def.StateChange(&a.ctx); err != nil {
		return nil, err
	}
	return a.encoded()
}

// encoded returns the state as it is stored, until the next call.
func (a *actor[S]) encoded() ([]byte, error) {
	if a.layout != nil {
		b, ok := a.layout.append(a.plain[:0], unsafe.Pointer(&a.ctx.State))
		if a.plain = b; cap(b) > keepBuffer {
			a.plain = nil
		}
		if ok {
			return b, nil
		}
	}
	b, err := a.encoder.encode(&a.ctx.State)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return b, nil
}

// errNoAction ends a turn with StatusNoName.
var errNoAction = errors.New("no such action")
