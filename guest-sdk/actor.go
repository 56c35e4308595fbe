package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Def defines an actor whose state is an S. S is stored as JSON, so only what encoding/json keeps
// survives; use struct{} for an actor without state.
type Def[S any] struct {
	// Create makes the state of a new actor. It is a func(*Ctx[S], In) (S, error) for any type In
	// that JSON can fill, or a func(*Ctx[S]) (S, error). In is zero if the client gave no input. If
	// it returns an error there is no actor. Nil means the zero S.
	Create any

	// Actions are what clients may call, by name.
	Actions Actions

	// Events names what the actor broadcasts, for clients and tools; it limits nothing.
	Events []string

	// CheckArgs lets the host check arguments and input against the types that the actor declares, before
	// the guest runs. What does not fit costs no turn, and null does not pass for a number or a text.
	CheckArgs bool

	// Key names the components of the actor's key. A key with another number of components is
	// refused by the host. Nil allows any key.
	Key []string
}

// Actions are an actor's actions by name. Make them with [Action], [Do] and their siblings.
type Actions map[string]Handler

// Name is an actor's registered name.
type Name string

// Actor registers an actor under its name. Call it while the module starts, most simply in a
// package variable. A module may register several. It panics if the name is taken or the
// definition is wrong, which an upload reports.
func Actor[S any](name string, d Def[S]) Name {
	if name == "" {
		panic("guest: actor without a name")
	}
	if registry[name] != nil {
		panic(fmt.Sprintf("guest: actor %q is registered twice", name))
	}
	a := &actor[S]{name: name, def: d, actions: make(map[string]*action[S], len(d.Actions))}
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
	registry[name] = a
	return Name(name)
}

// registry holds the module's actors.
var registry = map[string]registered{}

// registered is an actor without its state's type.
type registered interface {
	turn(t *abi.Turn) abi.Reply
	manifest() abi.ActorManifest
}

// actor is a registered actor, and the state of the one actor that this instance serves.
type actor[S any] struct {
	name    string
	create  func(c *Ctx[S], input []byte) (S, error)
	actions map[string]*action[S]
	def     Def[S]

	ctx    Ctx[S]
	loaded bool   // ctx.State is the actor's state
	saved  []byte // what the host has for it; nil means nothing
}

func (a *actor[S]) manifest() abi.ActorManifest {
	m := abi.ActorManifest{
		Actions: make(map[string]abi.ActionManifest, len(a.actions)), Events: a.def.Events, Key: a.def.Key,
		CheckArgs: a.def.CheckArgs, Input: schemaOfInput(a.def.Create),
	}
	for n, act := range a.actions {
		m.Actions[n] = act.manifest()
	}
	return m
}

// turn runs one turn and forgets the state if it failed.
func (a *actor[S]) turn(t *abi.Turn) abi.Reply {
	a.ctx.begin(t)
	if t.Reload {
		a.loaded = false
	}
	result, err := a.run(t)
	if err == nil {
		err = a.save()
	}
	a.ctx.end()
	if err != nil {
		a.loaded = false
		return replyTo(err)
	}
	return abi.Reply{Status: abi.StatusOK, Result: result}
}

func (a *actor[S]) run(t *abi.Turn) ([]byte, error) {
	switch t.Kind {
	case abi.KindCreate:
		return nil, a.runCreate(t)
	case abi.KindAction:
		return a.runAction(t)
	}
	return nil, abi.Errorf(abi.CodeNotSupported, "this SDK does not know turns of kind %d", t.Kind)
}

func (a *actor[S]) runCreate(t *abi.Turn) error {
	var zero S
	a.ctx.State, a.saved, a.loaded = zero, nil, true
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
	if err != nil || !act.result {
		return nil, err
	}
	b, err := json.Marshal(v)
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
	a.ctx.State, a.saved, a.loaded = s, b, true
	return nil
}

// save writes the state if its encoded form is not what the host has.
func (a *actor[S]) save() error {
	b, err := json.Marshal(&a.ctx.State)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if a.saved != nil && bytes.Equal(a.saved, b) {
		return nil
	}
	if err := a.ctx.host.StateSet(b); err != nil {
		return err
	}
	a.saved = b
	return nil
}

// errNoAction ends a turn with StatusNoName.
var errNoAction = errors.New("no such action")
