package main

import (
	"errors"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

var actions = guest.Actions{
	"journal": guest.Action0(func(c *ctx) ([]string, error) { return c.State.Journal, nil }),
	"note":    guest.Action(func(c *ctx, text string) (*guest.Fire, error) { return c.Fire(), write(c, "%s", text) }),
	"fail":    guest.Do0(func(c *ctx) error { return errors.Join(write(c, "never kept"), errors.New("on purpose")) }),
	"asker":   guest.Action0(func(c *ctx) ([]string, error) { return []string{c.Caller(), c.Sender(), c.Origin()}, nil }),

	"getBatch": guest.Action(func(c *ctx, keys []string) (int, error) {
		items, err := c.KV().GetBatch(keys...)
		return len(items), err
	}),
	"putBatch": guest.Do(func(c *ctx, keys []string) error {
		var items []guest.Item
		for _, k := range keys {
			items = append(items, guest.Item{Key: k, Value: []byte("v")})
		}
		return c.KV().PutBatch(items...)
	}),
	"deleteBatch": guest.Do(func(c *ctx, keys []string) error { return c.KV().DeleteBatch(keys...) }),

	"me":    guest.Action0(func(c *ctx) (string, error) { return c.Conn().ID(), nil }),
	"conns": guest.Action0(conns),
	"conn": guest.Action(func(c *ctx, id string) (*Conn, error) {
		conn, err := c.ConnByID(id)
		if err != nil || conn == nil {
			return nil, err
		}
		return describe(conn)
	}),
	"setConnState": guest.Do2(func(c *ctx, id string, v any) error {
		return onConn(c, id, func(o *guest.Conn) error { return o.SetState(v) })
	}),
	"sendTo": guest.Do2(func(c *ctx, id, text string) error {
		return onConn(c, id, func(o *guest.Conn) error { return o.Send("note", text) })
	}),
	"sendText": guest.Do2(func(c *ctx, id, text string) error {
		return onConn(c, id, func(o *guest.Conn) error { return o.SendText(text) })
	}),
	"closeSocket": guest.Do2(func(c *ctx, id string, code int) error {
		return onConn(c, id, func(o *guest.Conn) error { return o.Close(code, "bye") })
	}),
	"disconnect": guest.Do2(func(c *ctx, id, why string) error {
		return onConn(c, id, func(o *guest.Conn) error { return o.Disconnect(why) })
	}),

	"after": guest.Action3(func(c *ctx, ms int, action string, args []any) (string, error) {
		return c.Schedule().After(milliseconds(ms), action, args...)
	}),
	"at": guest.Action3(func(c *ctx, ms int64, action string, args []any) (string, error) {
		return c.Schedule().At(time.UnixMilli(ms), action, args...)
	}),
	"every": guest.Do4(func(c *ctx, name string, ms int, action string, args []any) error {
		return c.Schedule().Every(name, milliseconds(ms), action, args...)
	}),
	"cron": guest.Do4(func(c *ctx, name, expr, action string, args []any) error {
		return c.Schedule().Cron(name, expr, action, args...)
	}),
	"cancel":    guest.Action(func(c *ctx, id string) (bool, error) { return c.Schedule().Cancel(id) }),
	"schedule":  guest.Action(func(c *ctx, id string) (*guest.ScheduleInfo, error) { return c.Schedule().Get(id) }),
	"schedules": guest.Action0(func(c *ctx) ([]guest.ScheduleInfo, error) { return c.Schedule().List() }),
	"runs":      guest.Action(func(c *ctx, id string) ([]guest.Run, error) { return c.Schedule().Runs(id) }),

	"call": guest.Action3(func(c *ctx, to guest.Ref, action string, args []any) (any, error) {
		return guest.Call[any](c, to, action, args...)
	}),
	"send":      guest.Do3(func(c *ctx, to guest.Ref, action string, args []any) error { return c.Send(to, action, args...) }),
	"enqueue":   guest.Do2(func(c *ctx, queue string, body any) error { return c.Enqueue(queue, body) }),
	"enqueueTo": guest.Do3(func(c *ctx, to guest.Ref, queue string, body any) error { return c.EnqueueTo(to, queue, body) }),
	"create":    guest.Action2(func(c *ctx, r guest.Ref, input any) (*guest.ActorInfo, error) { return c.Create(r, input) }),
	"ensure":    guest.Action2(func(c *ctx, r guest.Ref, input any) (*guest.ActorInfo, error) { return c.GetOrCreate(r, input) }),
	"child": guest.Action3(func(c *ctx, r guest.Ref, input any, l guest.Limits) (*guest.ActorInfo, error) {
		return c.CreateChild(r, input, l)
	}),
	"find":      guest.Action(func(c *ctx, r guest.Ref) (*guest.ActorInfo, error) { return c.Find(r) }),
	"destroyer": guest.Action(func(c *ctx, r guest.Ref) (bool, error) { return c.DestroyActor(r) }),
	"usage":     guest.Action(func(c *ctx, id string) (*guest.ChildUsage, error) { return c.ChildUsage(id) }),
	"upload": guest.Action2(func(c *ctx, name string, wasm []byte) (*guest.ModuleInfo, error) {
		return c.UploadModule(name, wasm, guest.UploadOptions{})
	}),

	"fetch": guest.Action(func(c *ctx, url string) (string, error) {
		r, err := c.Fetch(guest.Fetch{URL: url})
		if err != nil {
			return "", err
		}
		return string(r.Body), nil
	}),
	"startFetch": guest.Action3(func(c *ctx, url string, stream bool, v string) (string, error) {
		return c.Start("note", guest.Fetch{URL: url, Stream: stream}, v)
	}),
	"startCall": guest.Do3(func(c *ctx, to guest.Ref, action string, args []any) error {
		_, err := c.Start("answer", guest.CallTask(to, action, args...), c.KeepOpen())
		return err
	}),
	"startTimer": guest.Action2(func(c *ctx, ms int, v string) (string, error) {
		return c.Start("note", guest.TimerTask(milliseconds(ms)), v)
	}),
	"cancelTask": guest.Action(func(c *ctx, id string) (bool, error) { return c.CancelTask(id) }),

	"keepOpen": guest.Do0(func(c *ctx) error { c.State.Open = append(c.State.Open, c.KeepOpen()); return nil }),
	"isOpen":   guest.Action0(func(c *ctx) (bool, error) { return c.RequestOpen(c.State.Open[0]), nil }),
	"reply":    guest.Do(func(c *ctx, v any) error { return c.Reply(pop(c), v) }),
	"refuse":   guest.Do0(func(c *ctx) error { return c.ReplyError(pop(c), guest.UserError("refused", "late")) }),
	"head": guest.Do(func(c *ctx, status int) error {
		return c.ReplyHead(c.State.Open[0], status, guest.Header{"x-full": {"yes"}})
	}),
	"part": guest.Do(func(c *ctx, s string) error { return c.ReplyPart(c.State.Open[0], []byte(s)) }),
	"end":  guest.Do0(func(c *ctx) error { return c.ReplyEnd(pop(c)) }),

	"sleep":   guest.Do0(func(c *ctx) error { return c.Sleep() }),
	"destroy": guest.Do0(func(c *ctx) error { return c.DestroySelf() }),
	"gas":     guest.Action0(func(c *ctx) (int64, error) { return c.GasLeft(), nil }),
	"dead":    guest.Action(func(c *ctx, after string) ([]guest.DeadLetter, error) { return c.DeadLetters(after) }),
	"redrive": guest.Action(func(c *ctx, id string) (bool, error) { return c.Redrive(id) }),
}

// Conn is what is known of a connection.
type Conn struct {
	ID, Kind, Subject string
	Params, State     any
	Events            []string
}

func describe(c *guest.Conn) (*Conn, error) {
	p, err := guest.ParamsOf[any](c)
	if err != nil {
		return nil, err
	}
	s, err := guest.ConnStateOf[any](c)
	return &Conn{c.ID(), c.Kind(), c.Subject(), p, s, c.Events()}, err
}

func conns(c *ctx) ([]*Conn, error) {
	list, err := c.Conns()
	if err != nil {
		return nil, err
	}
	all := []*Conn{}
	for _, o := range list {
		d, err := describe(o)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// onConn does f to a connection.
func onConn(c *ctx, id string, f func(o *guest.Conn) error) error {
	o, err := c.ConnByID(id)
	if err != nil {
		return err
	}
	if o == nil {
		return guest.UserError("no_conn", "no connection "+id)
	}
	return f(o)
}

// pop takes the oldest open request.
func pop(c *ctx) guest.OpenRequest {
	r := c.State.Open[0]
	c.State.Open = c.State.Open[1:]
	return r
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }
