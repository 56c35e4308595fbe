package guest

import (
	"encoding/json"
	"reflect"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Every actor begins with the image of its version, which is the memory after the module's start-up. So what each new actor would do
// once for itself is done here for all of them, while the module starts: encoding/json looks at the types of the actor's documents, and
// reflect at how its functions are called. It is most of what the first turns of an actor cost otherwise.
//
// None of the author's code runs by it: it may rely on what is set up later. What is encoded are nil pointers, which are null
// whatever methods their types have, and no function is called. Nor does it ask the host for anything.

// warm looks at all that the actor's turns decode, encode and call by reflection.
func (a *actor[S]) warm() {
	_, _ = a.encoder.encode((*S)(nil)) // makes its buffer, too
	a.plain = make([]byte, 0, 128)
	for _, act := range a.actions {
		for _, p := range act.params {
			warmType(p.typ)
		}
		if act.result {
			warmType(act.out)
		}
	}
	if m, ok := a.def.Create.(Maker); ok {
		warmTypes(m.input(), reflect.TypeFor[S]())
	} else {
		warmFunc(a.def.Create)
	}
	warmFunc(a.def.BeforeConnect)
	warmFunc(a.def.ConnState)
	if len(a.def.Egress) > 0 {
		warmTypes(reflect.TypeFor[abi.FetchRequest](), reflect.TypeFor[abi.ResponseHead]())
	}
	a.hooks.warm()
}

// warm looks at the documents of the turns that the hooks take. Those of operations that any turn may use, and most do
// not, are left to their first use, but for the actor's identity.
func (h *hooks) warm() {
	warmType(reflect.TypeFor[abi.Self]())
	for _, q := range h.queues {
		warmTypes(reflect.TypeFor[abi.QueueMessage](), q.body, q.result)
	}
	for _, t := range h.tasks {
		warmTypes(reflect.TypeFor[abi.Task](), t.value)
	}
	enters := h.beforeConnect != nil || h.connState != nil || h.connect != nil || h.socket
	leaves := h.disconnect != nil || h.close != nil
	for _, d := range []struct {
		met bool
		doc reflect.Type
	}{
		{h.wake != nil, reflect.TypeFor[abi.Wake]()},
		{h.upgrade != nil, reflect.TypeFor[abi.Upgrade]()},
		{enters || leaves || h.subscribe != nil, reflect.TypeFor[abi.Conn]()},
		{enters || h.request != nil, reflect.TypeFor[abi.RequestHead]()},
		{h.request != nil, reflect.TypeFor[abi.ResponseHead]()},
		{leaves, reflect.TypeFor[abi.Gone]()},
		{h.message != nil, reflect.TypeFor[abi.Frame]()},
	} {
		if d.met {
			warmType(d.doc)
		}
	}
}

// warmFunc looks at f, unless it is nil, as at a function that is called by reflection.
func warmFunc(f any) {
	t := reflect.TypeOf(f)
	if t == nil {
		return
	}
	if t.NumIn() > 1 {
		warmType(t.In(1))
	}
	if t.NumOut() > 1 {
		warmType(t.Out(0))
	}
	reflect.MakeFunc(t, nil) // finds and keeps the layout of t's arguments
}

func warmTypes(types ...reflect.Type) {
	for _, t := range types {
		if t != nil {
			warmType(t)
		}
	}
}

// warmed are the types that were looked at.
var warmed = map[reflect.Type]bool{}

// warmType has encoding/json find out how a value of t, and all that it is made of, is encoded. It keeps that, with the fields of the
// structs, which are what decoding needs, too.
func warmType(t reflect.Type) {
	if !warmed[t] {
		warmed[t] = true
		_, _ = json.Marshal(reflect.Zero(reflect.PointerTo(t)).Interface())
	}
}
