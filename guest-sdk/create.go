package guest

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// newCreate checks a Def's Create and returns it in one form. Create is an any because its input
// type would otherwise be a second type parameter of Def that every definition has to spell out;
// the price is that a wrong shape is found when the module starts and not when it compiles.
func newCreate[S any](f any) (func(c *Ctx[S], input []byte) (S, error), error) {
	switch f := f.(type) {
	case nil:
		return func(*Ctx[S], []byte) (s S, err error) { return s, nil }, nil
	case func(*Ctx[S]) (S, error):
		return func(c *Ctx[S], _ []byte) (S, error) { return f(c) }, nil
	}
	fn := reflect.ValueOf(f)
	if !isCreate[S](fn.Type()) {
		return nil, fmt.Errorf("its Create is a %T, want func(%v, In) (%v, error)", f, reflect.TypeFor[*Ctx[S]](), reflect.TypeFor[S]())
	}
	in := fn.Type().In(1)
	return func(c *Ctx[S], input []byte) (S, error) {
		arg := reflect.New(in)
		if len(input) > 0 {
			if err := json.Unmarshal(input, arg.Interface()); err != nil {
				var zero S
				return zero, UserError("invalid_input", "input: "+explain(err))
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
