package guest

import (
	"encoding/json"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What the host says of a turn.
type (
	// Wake says why the guest's memory is fresh or was restored.
	Wake = abi.Wake
	// Upgrade names the versions of a change. Going back is one too.
	Upgrade = abi.Upgrade
	// Gone says how a connection went.
	Gone = abi.Gone
	// Fire says which schedule began an action.
	Fire = abi.Fire
)

// hooks are the functions of a Def with the actor's own Ctx in place, so that what surrounds them is
// compiled once and not for each type of state. A nil one is not there.
type hooks struct {
	env     *env
	actions func(name string) bool // whether there is such an action

	vars           func() (any, error)
	wake           func(w Wake) error
	sleep, destroy func() error
	upgrade        func(u Upgrade) error

	beforeConnect func(params []byte) error
	connState     func(params []byte) (any, error)
	connect       func(conn *Conn) error
	disconnect    func(conn *Conn, g Gone) error
	subscribe     func(event string) (bool, error)
	publish       func(queue string) (bool, error)

	request func(r *Request) (*Response, error)
	gone    func(r OpenRequest) error
	socket  bool
	open    func(conn *Conn) error
	message func(conn *Conn, f Frame) error
	close   func(conn *Conn, g Gone) error

	queues map[string]boundQueue
	tasks  map[string]boundTask
}

// run runs a turn of any kind but action and create.
func (h *hooks) run(t *abi.Turn) ([]byte, error) {
	switch t.Kind {
	case abi.KindWake:
		return nil, h.runWake(t)
	case abi.KindSleep:
		return nil, maybe(h.sleep)
	case abi.KindDestroy:
		return nil, maybe(h.destroy)
	case abi.KindUpgrade:
		return nil, with(h.upgrade, t)
	case abi.KindConnect:
		return nil, h.enter()
	case abi.KindDisconnect:
		return nil, h.leave(h.disconnect)
	case abi.KindSubscribe:
		return nil, may(h.subscribe, t.Name)
	case abi.KindPublish:
		return nil, may(h.publish, t.Name)
	case abi.KindRequest:
		return h.runRequest(t)
	case abi.KindGone:
		return nil, h.runGone(t)
	case abi.KindOpen, abi.KindMessage, abi.KindClose:
		return nil, h.runSocket(t)
	case abi.KindQueue:
		return nil, h.runQueue(t)
	case abi.KindTask:
		return nil, h.runTask(t)
	}
	return nil, abi.Errorf(abi.CodeNotSupported, "this SDK does not know turns of kind %d", t.Kind)
}

func (h *hooks) runWake(t *abi.Turn) error {
	h.env.vars = nil
	if h.vars != nil {
		v, err := h.vars()
		if err != nil {
			return err
		}
		h.env.vars = v
	}
	return with(h.wake, t)
}

func maybe(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// with calls f, unless it is nil, with the turn's head.
func with[T any](f func(T) error, t *abi.Turn) error {
	if f == nil {
		return nil
	}
	v, err := head[T](t)
	if err != nil {
		return err
	}
	return f(v)
}

// head decodes the turn's head. None is the zero T.
func head[T any](t *abi.Turn) (v T, err error) {
	if len(t.Head) > 0 {
		if err := json.Unmarshal(t.Head, &v); err != nil {
			return v, fmt.Errorf("head of a turn of kind %d: %w", t.Kind, err)
		}
	}
	return v, nil
}

// may returns the error of a client that f does not let do something.
func may(f func(name string) (bool, error), name string) error {
	if f == nil {
		return nil
	}
	ok, err := f(name)
	if err == nil && !ok {
		return &abi.Error{Code: abi.CodeForbidden}
	}
	return err
}

// list names the hooks for the manifest.
func (h *hooks) list() []abi.Hook {
	var hs []abi.Hook
	enters := h.beforeConnect != nil || h.connState != nil || h.connect != nil
	for _, c := range []struct {
		hook abi.Hook
		set  bool
	}{
		{abi.HookWake, h.wake != nil || h.vars != nil},
		{abi.HookSleep, h.sleep != nil},
		{abi.HookDestroy, h.destroy != nil},
		{abi.HookConnect, enters},
		{abi.HookDisconnect, h.disconnect != nil},
		{abi.HookRequest, h.request != nil},
		{abi.HookGone, h.gone != nil},
		{abi.HookOpen, h.socket},
		{abi.HookMessage, h.message != nil},
		{abi.HookClose, h.close != nil || h.socket && h.disconnect != nil},
		{abi.HookUpgrade, h.upgrade != nil},
		{abi.HookSubscribe, h.subscribe != nil},
		{abi.HookPublish, h.publish != nil},
	} {
		if c.set {
			hs = append(hs, c.hook)
		}
	}
	return hs
}
