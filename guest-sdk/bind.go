package guest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// bind puts c into the functions of d, and reports the first that has a wrong shape.
func bind[S any](h *hooks, d *Def[S], c *Ctx[S]) error {
	actions := d.Actions
	h.env, h.actions = &c.env, func(name string) bool { return actions[name] != nil }
	bindLife(h, d, c)
	bindRaw(h, d, c)
	if err := bindConns(h, d, c); err != nil {
		return err
	}
	return h.addHandlers(d.Queues, d.Tasks, c)
}

func bindLife[S any](h *hooks, d *Def[S], c *Ctx[S]) {
	h.vars = bound(d.Vars, c)
	h.sleep, h.destroy = boundError(d.Sleep, c), boundError(d.Destroy, c)
	if f := d.Wake; f != nil {
		h.wake = func(w Wake) error { return f(c, w) }
	}
	if f := d.Upgrade; f != nil {
		h.upgrade = func(u Upgrade) error { return f(c, u) }
	}
}

func bindRaw[S any](h *hooks, d *Def[S], c *Ctx[S]) {
	if f := d.Request; f != nil {
		h.request = func(r *Request) (*Response, error) { return f(c, r) }
	}
	if f := d.Gone; f != nil {
		h.gone = func(r OpenRequest) error { return f(c, r) }
	}
	if f := d.Socket.Open; f != nil {
		h.open = func(conn *Conn) error { return f(c, conn) }
	}
	if f := d.Socket.Message; f != nil {
		h.message = func(conn *Conn, m Frame) error { return f(c, conn, m) }
	}
	if f := d.Socket.Close; f != nil {
		h.close = func(conn *Conn, g Gone) error { return f(c, conn, g) }
	}
	h.socket = h.open != nil || h.message != nil || h.close != nil
}

func bindConns[S any](h *hooks, d *Def[S], c *Ctx[S]) error {
	before, err := bindParams("BeforeConnect", d.BeforeConnect, c, false)
	if err != nil {
		return err
	}
	if before != nil {
		h.beforeConnect = func(params []byte) error { _, err := before(params); return err }
	}
	if h.connState, err = bindParams("ConnState", d.ConnState, c, true); err != nil {
		return err
	}
	if f := d.Connect; f != nil {
		h.connect = func(conn *Conn) error { return f(c, conn) }
	}
	if f := d.Disconnect; f != nil {
		h.disconnect = func(conn *Conn, g Gone) error { return f(c, conn, g) }
	}
	return bindRules(h, d, c)
}

// bindRules binds what decides about clients. A name that is not there would be a rule that never asks.
func bindRules[S any](h *hooks, d *Def[S], c *Ctx[S]) error {
	if fs := d.CanSubscribe; len(fs) > 0 {
		for event := range fs {
			if len(d.Events) > 0 && !slices.Contains(d.Events, event) {
				return fmt.Errorf("its CanSubscribe names an event %q that is not in Events", event)
			}
		}
		h.subscribe = func(name string) (bool, error) { return asked(fs[name], c) }
	}
	if fs := d.CanPublish; len(fs) > 0 {
		for queue := range fs {
			if d.Queues[queue] == nil {
				return fmt.Errorf("its CanPublish names a queue %q that is not in Queues", queue)
			}
		}
		h.publish = func(name string) (bool, error) { return asked(fs[name], c) }
	}
	return nil
}

// addHandlers puts c, a *Ctx, into the handlers of queues and tasks.
func (h *hooks) addHandlers(queues Queues, tasks Tasks, c any) error {
	h.queues = make(map[string]boundQueue, len(queues))
	for name, q := range queues {
		if q == nil {
			return fmt.Errorf("queue %q has no handler", name)
		}
		b, ok := q.bindQueue(c)
		if !ok {
			return fmt.Errorf("queue %q is for another state than the actor's %T", name, c)
		}
		h.queues[name] = b
	}
	h.tasks = make(map[string]boundTask, len(tasks))
	for name, t := range tasks {
		if t == nil || strings.ContainsRune(name, 0) {
			return fmt.Errorf("task %q has no handler, or a NUL in its name", name)
		}
		b, ok := t.bindTask(c)
		if !ok {
			return fmt.Errorf("task %q is for another state than the actor's %T", name, c)
		}
		h.tasks[name] = b
	}
	return nil
}

// asked returns what f decides; without f everybody may.
func asked[S any](f func(*Ctx[S]) (bool, error), c *Ctx[S]) (bool, error) {
	if f == nil {
		return true, nil
	}
	return f(c)
}

func bound[S, R any](f func(*Ctx[S]) (R, error), c *Ctx[S]) func() (R, error) {
	if f == nil {
		return nil
	}
	return func() (R, error) { return f(c) }
}

func boundError[S any](f func(*Ctx[S]) error, c *Ctx[S]) func() error {
	if f == nil {
		return nil
	}
	return func() error { return f(c) }
}

// bindParams returns f, a function of c and perhaps of a connection's params, as one of the params'
// JSON. The reason for an any is that of newCreate.
func bindParams(what string, f, c any, result bool) (func(params []byte) (any, error), error) {
	if f == nil {
		return nil, nil
	}
	fn, ctx := reflect.ValueOf(f), reflect.ValueOf(c)
	in, ok := paramsOf(fn.Type(), ctx.Type(), result)
	if !ok {
		want := "error"
		if result {
			want = "(T, error)"
		}
		return nil, fmt.Errorf("its %s is a %T, want func(%v, P) %s", what, f, ctx.Type(), want)
	}
	return func(params []byte) (any, error) {
		args := []reflect.Value{ctx}
		if in != nil {
			p := reflect.New(in)
			if err := decodeParams(params, p.Interface()); err != nil {
				return nil, err
			}
			args = append(args, p.Elem())
		}
		out := fn.Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		return out[0].Interface(), err
	}, nil
}

// paramsOf returns the type of a function's params, nil if it takes none.
func paramsOf(t, ctx reflect.Type, result bool) (in reflect.Type, ok bool) {
	out := 1
	if result {
		out = 2
	}
	if t.Kind() != reflect.Func || t.IsVariadic() || t.NumOut() != out || t.Out(out-1) != reflect.TypeFor[error]() ||
		t.NumIn() < 1 || t.NumIn() > 2 || t.In(0) != ctx {
		return nil, false
	}
	if t.NumIn() == 2 {
		in = t.In(1)
	}
	return in, true
}

// decodeParams decodes what a client said of itself when it connected. Nothing leaves v as it is.
func decodeParams(params []byte, v any) error {
	if len(params) == 0 {
		return nil
	}
	if err := json.Unmarshal(params, v); err != nil {
		return UserError("invalid_params", "params: "+explain(err))
	}
	return nil
}
