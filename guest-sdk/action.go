package guest

import (
	"fmt"
	"reflect"
)

// Handler is one action of an actor, made by [Action], [Do] or one of their siblings.
type Handler interface {
	context() any // a nil *Ctx of the state that the action is written for
}

// action is a Handler for actors whose state is an S.
type action[S any] struct {
	params []param
	result bool // what run returns is the answer
	out    reflect.Type
	run    func(c *Ctx[S], d *args) (any, error)
}

func (*action[S]) context() any { return (*Ctx[S])(nil) }

func contextOf(h Handler) string {
	if h == nil {
		return "nil handler"
	}
	return fmt.Sprintf("%T", h.context())
}

// Action makes an action with one argument and a result. Its siblings take the number of arguments
// in their name; [Do] and its siblings are for actions without a result.
//
// The client must give as many arguments as f takes, of types that JSON can turn into f's; arguments
// at the end whose type is a pointer may be left out. If not, the action is not run and the client
// gets the user error "invalid_arguments", which names the argument.
func Action[S, A, R any](f func(c *Ctx[S], a A) (R, error)) Handler {
	return &action[S]{params: []param{paramOf[A]()}, result: true, out: reflect.TypeFor[R](), run: func(c *Ctx[S], d *args) (any, error) {
		a := next[A](d)
		if d.err != nil {
			return nil, d.err
		}
		return f(c, a)
	}}
}

// Action0 makes an action with no arguments and a result.
func Action0[S, R any](f func(c *Ctx[S]) (R, error)) Handler {
	return &action[S]{result: true, out: reflect.TypeFor[R](), run: func(c *Ctx[S], _ *args) (any, error) { return f(c) }}
}

// Action2 makes an action with two arguments and a result.
func Action2[S, A, B, R any](f func(c *Ctx[S], a A, b B) (R, error)) Handler {
	return &action[S]{params: []param{paramOf[A](), paramOf[B]()}, result: true, out: reflect.TypeFor[R](), run: func(c *Ctx[S], d *args) (any, error) {
		a, b := next[A](d), next[B](d)
		if d.err != nil {
			return nil, d.err
		}
		return f(c, a, b)
	}}
}

// Action3 makes an action with three arguments and a result.
func Action3[S, A, B, C, R any](f func(c *Ctx[S], a A, b B, cc C) (R, error)) Handler {
	params := []param{paramOf[A](), paramOf[B](), paramOf[C]()}
	return &action[S]{params: params, result: true, out: reflect.TypeFor[R](), run: func(c *Ctx[S], d *args) (any, error) {
		a, b, cc := next[A](d), next[B](d), next[C](d)
		if d.err != nil {
			return nil, d.err
		}
		return f(c, a, b, cc)
	}}
}

// Action4 makes an action with four arguments and a result. For more, take a struct.
func Action4[S, A, B, C, D, R any](f func(c *Ctx[S], a A, b B, cc C, dd D) (R, error)) Handler {
	params := []param{paramOf[A](), paramOf[B](), paramOf[C](), paramOf[D]()}
	return &action[S]{params: params, result: true, out: reflect.TypeFor[R](), run: func(c *Ctx[S], d *args) (any, error) {
		a, b, cc, dd := next[A](d), next[B](d), next[C](d), next[D](d)
		if d.err != nil {
			return nil, d.err
		}
		return f(c, a, b, cc, dd)
	}}
}

// Do makes an action with one argument and no result. See [Action] for how arguments are checked.
func Do[S, A any](f func(c *Ctx[S], a A) error) Handler {
	return withoutResult[S](Action(func(c *Ctx[S], a A) (none, error) { return none{}, f(c, a) }))
}

// Do0 makes an action with no arguments and no result.
func Do0[S any](f func(c *Ctx[S]) error) Handler {
	return withoutResult[S](Action0(func(c *Ctx[S]) (none, error) { return none{}, f(c) }))
}

// Do2 makes an action with two arguments and no result.
func Do2[S, A, B any](f func(c *Ctx[S], a A, b B) error) Handler {
	return withoutResult[S](Action2(func(c *Ctx[S], a A, b B) (none, error) { return none{}, f(c, a, b) }))
}

// Do3 makes an action with three arguments and no result.
func Do3[S, A, B, C any](f func(c *Ctx[S], a A, b B, cc C) error) Handler {
	return withoutResult[S](Action3(func(c *Ctx[S], a A, b B, cc C) (none, error) { return none{}, f(c, a, b, cc) }))
}

// Do4 makes an action with four arguments and no result. For more, take a struct.
func Do4[S, A, B, C, D any](f func(c *Ctx[S], a A, b B, cc C, dd D) error) Handler {
	return withoutResult[S](Action4(func(c *Ctx[S], a A, b B, cc C, dd D) (none, error) { return none{}, f(c, a, b, cc, dd) }))
}

type none struct{}

func withoutResult[S any](h Handler) Handler {
	h.(*action[S]).result = false
	return h
}
