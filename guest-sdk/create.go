package guest

import (
	"fmt"
	"reflect"
)

// Maker is a Def's Create, made by [Create].
type Maker interface {
	context() any // a nil *Ctx of the state that it makes
	input() reflect.Type
}

// maker is a Maker of states that are an S.
type maker[S any] struct {
	in  reflect.Type
	run func(c *Ctx[S], input []byte) (S, error)
}

func (*maker[S]) context() any          { return (*Ctx[S])(nil) }
func (m *maker[S]) input() reflect.Type { return m.in }

// Create makes a Def's Create of a function, as [Action] makes an action: its form is checked when the module compiles, and a new
// actor costs half of what it does with a bare function, which is called by reflection.
func Create[S, In any](f func(c *Ctx[S], in In) (S, error)) Maker {
	return &maker[S]{reflect.TypeFor[In](), func(c *Ctx[S], input []byte) (S, error) {
		if len(input) == 0 {
			var none In
			return f(c, none)
		}
		in := new(In)
		if err := readInput(input, in); err != nil {
			var zero S
			return zero, err
		}
		return f(c, *in)
	}}
}

func readInput(doc []byte, to any) error {
	if err := unmarshal(doc, to); err != nil {
		return UserError("invalid_input", "input: "+explain(err))
	}
	return nil
}

// newCreate checks a Def's Create and returns it in one form. Create is an any because its input
// type would otherwise be a second type parameter of Def that every definition has to spell out;
// the price is that a wrong shape is found when the module starts and not when it compiles.
func newCreate[S any](f any) (func(c *Ctx[S], input []byte) (S, error), error) {
	switch f := f.(type) {
	case nil:
		return func(*Ctx[S], []byte) (s S, err error) { return s, nil }, nil
	case func(*Ctx[S]) (S, error):
		return func(c *Ctx[S], _ []byte) (S, error) { return f(c) }, nil
	case *maker[S]:
		return f.run, nil
	case Maker:
		return nil, fmt.Errorf("its Create takes a %T, the actor's is a %v", f.context(), reflect.TypeFor[*Ctx[S]]())
	}
	fn := reflect.ValueOf(f)
	if !isCreate[S](fn.Type()) {
		return nil, fmt.Errorf("its Create is a %T, want func(%v, In) (%v, error)", f, reflect.TypeFor[*Ctx[S]](), reflect.TypeFor[S]())
	}
	in := fn.Type().In(1)
	return func(c *Ctx[S], input []byte) (S, error) {
		arg := reflect.New(in)
		if len(input) > 0 {
			if err := readInput(input, arg.Interface()); err != nil {
				var zero S
				return zero, err
			}
		}
		out := fn.Call([]reflect.Value{reflect.ValueOf(c), arg.Elem()})
		err, _ := out[1].Interface().(error)
		return out[0].Interface().(S), err
	}, nil
}

func isCreate[S any](t reflect.Type) bool {
	return t.Kind() == reflect.Func && !t.IsVariadic() && t.NumIn() == 2 && t.NumOut() == 2 &&
		t.In(0) == reflect.TypeFor[*Ctx[S]]() &&
		t.Out(0) == reflect.TypeFor[S]() &&
		t.Out(1) == reflect.TypeFor[error]()
}
