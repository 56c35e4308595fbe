// Kitchen has one of each thing that Rivet's client can ask of an actor. The tests of e2e/client call it.
package main

import (
	"encoding/json"
	"errors"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State counts, and keeps what the actor was created with.
type State struct {
	Count int             `json:"count"`
	Input json.RawMessage `json:"input"`
}

// Params are a client's, and the state of its connection.
type Params struct {
	Name string `json:"name"`
}

type ctx = guest.Ctx[State]

var _ = guest.Actor("kitchen", guest.Def[State]{
	Create: func(_ *ctx, input json.RawMessage) (State, error) { return State{Input: input}, nil },
	Actions: guest.Actions{
		"inc":     guest.Action(inc),
		"get":     guest.Action0(func(c *ctx) (int, error) { return c.State.Count, nil }),
		"input":   guest.Action0(func(c *ctx) (json.RawMessage, error) { return c.State.Input, nil }),
		"echo":    guest.Action(func(_ *ctx, v json.RawMessage) (json.RawMessage, error) { return v, nil }),
		"nothing": guest.Do0(func(*ctx) error { return nil }),
		"fail": guest.Do0(func(*ctx) error {
			return guest.UserError("bad_name", "bad name").With(map[string]any{"min": 3})
		}),
		"boom":       guest.Do0(func(*ctx) error { return errors.New("secret boom") }),
		"whoami":     guest.Action0(whoami),
		"kick":       guest.Do0(func(c *ctx) error { return c.Conn().Disconnect("kicked") }),
		"doze":       guest.Do0(func(c *ctx) error { return c.Sleep() }),
		"destroy":    guest.Do0(func(c *ctx) error { return c.DestroySelf() }),
		"nested.a.b": guest.Action0(func(*ctx) (string, error) { return "deep", nil }),
	},
	Events: []string{"count"},
	BeforeConnect: func(_ *ctx, p Params) error {
		switch p.Name {
		case "stranger":
			return guest.UserError("forbidden", "no entry").With(map[string]any{"why": "test"})
		case "boom":
			return errors.New("secret boom")
		}
		return nil
	},
	ConnState: func(_ *ctx, p Params) (Params, error) { return p, nil },
	Queues: guest.Queues{
		"done": guest.Queue(func(_ *ctx, m *guest.Message[json.RawMessage]) (map[string]any, error) {
			return map[string]any{"echoed": m.Body}, nil
		}),
		"never": guest.QueueDo(func(_ *ctx, m *guest.Message[json.RawMessage]) error {
			m.KeepOpen()
			return nil
		}),
	},
	Request: func(_ *ctx, r *guest.Request) (*guest.Response, error) {
		if r.Path() == "/teapot" {
			return guest.Text(418, "short and stout")
		}
		return guest.JSON(200, map[string]any{"method": r.Method, "url": r.URL, "body": string(r.Body), "mine": r.Header.Get("x-mine")})
	},
	Socket: guest.Socket[State]{
		Open: func(c *ctx, conn *guest.Conn) error { return conn.SendText(c.HTTP().URL) },
		Message: func(_ *ctx, conn *guest.Conn, f guest.Frame) error {
			switch {
			case string(f.Data) == "bye":
				return conn.Close(4001, "app.bye")
			case f.Text:
				return conn.SendText("echo " + string(f.Data))
			}
			return conn.SendBytes(f.Data)
		},
	},
})

// inc counts and tells everybody, before its caller has the answer.
func inc(c *ctx, by int) (int, error) {
	c.State.Count += by
	return c.State.Count, c.Broadcast("count", c.State.Count, map[string]int{"by": by})
}

func whoami(c *ctx) (Params, error) { return guest.ConnStateOf[Params](c.Conn()) }

func main() {}
