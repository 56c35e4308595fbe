// Full asks its host for everything that there is, one action for each operation, and tells in its
// state which hooks ran. Tests drive it; nothing is to be learned from it.
package main

import (
	"encoding/json"
	"fmt"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
)

// State is what the actors keep.
type State struct {
	Journal []string            `json:"journal"`
	Open    []guest.OpenRequest `json:"open"`
}

type ctx = guest.Ctx[State]

// write adds a line to the journal.
func write(c *ctx, format string, args ...any) error {
	c.State.Journal = append(c.State.Journal, fmt.Sprintf(format, args...))
	return nil
}

// full has no connection hooks.
var _ = guest.Actor("full", guest.Def[State]{
	Actions: actions,
	Queues: guest.Queues{
		"each": guest.Queue(func(c *ctx, m *guest.Message[string]) (string, error) {
			if m.Body == "fail" {
				return "", guest.UserError("refused", "attempt "+fmt.Sprint(m.Attempt))
			}
			return "done " + m.Body, write(c, "each %s", m.Body)
		}),
		"batch": guest.QueueBatch(10, func(c *ctx, ms []*guest.Message[string]) error { return write(c, "batch of %d", len(ms)) }),
		"open": guest.QueueDo(func(c *ctx, m *guest.Message[string]) error {
			c.State.Open = append(c.State.Open, m.KeepOpen())
			return nil
		}),
	},
	Tasks: guest.Tasks{"note": guest.Task(note), "answer": guest.Task(answer)},
	Request: func(c *ctx, r *guest.Request) (*guest.Response, error) {
		if r.Path() == "/open" {
			c.State.Open = append(c.State.Open, c.KeepOpen())
			return nil, nil
		}
		return guest.JSON(200, map[string]any{"method": r.Method, "url": r.URL, "body": string(r.Body), "agent": r.Header.Get("user-agent")})
	},
	Gone:    func(c *ctx, _ guest.OpenRequest) error { return write(c, "gone") },
	Egress:  []string{"api.example.com", "127.0.0.1"},
	Uploads: true,
})

// guarded has all hooks.
var _ = guest.Actor("guarded", guest.Def[State]{
	Actions: actions,
	Vars:    func(c *ctx) (any, error) { return 1, write(c, "vars") },
	Wake:    func(c *ctx, w guest.Wake) error { return write(c, "wake %s", w.Cause) },
	Sleep:   func(c *ctx) error { return write(c, "sleep") },
	Destroy: func(c *ctx) error { c.Log().Infof("destroy"); return nil },
	Upgrade: func(c *ctx, u guest.Upgrade) error { return write(c, "upgrade %d to %d", u.From, u.To) },
	StateChange: func(c *ctx) error {
		return c.Broadcast("changed", len(c.State.Journal))
	},
	BeforeActionResponse: func(_ *ctx, action string, _ []json.RawMessage, result any) (any, error) {
		if action == "note" {
			return "noted", nil
		}
		return result, nil
	},
	BeforeConnect: func(c *ctx, p Params) error {
		if p.Refuse {
			return guest.UserError("refused", "not you")
		}
		return write(c, "before %s", c.HTTP().Method)
	},
	ConnState:  func(_ *ctx, p Params) (Params, error) { return p, nil },
	Connect:    func(c *ctx, conn *guest.Conn) error { return write(c, "connect %s", conn.Kind()) },
	Disconnect: func(c *ctx, conn *guest.Conn, g guest.Gone) error { return write(c, "disconnect %s", g.Reason) },
	CanSubscribe: map[string]func(*ctx) (bool, error){
		"secret": func(c *ctx) (bool, error) { return c.Conn().Subject() == "ann", nil },
	},
	CanPublish: map[string]func(*ctx) (bool, error){"jobs": func(c *ctx) (bool, error) { return c.Caller() == "ann", nil }},
	Queues:     guest.Queues{"jobs": guest.QueueDo(func(c *ctx, m *guest.Message[string]) error { return write(c, "job %s", m.Body) })},
	Socket: guest.Socket[State]{
		Open: func(c *ctx, conn *guest.Conn) error { return write(c, "open %s", c.HTTP().URL) },
		Message: func(_ *ctx, conn *guest.Conn, f guest.Frame) error {
			switch {
			case string(f.Data) == "close":
				return conn.Close(3000, "asked")
			case f.Text:
				return conn.SendText("echo " + string(f.Data))
			}
			return conn.SendBytes(f.Data)
		},
		Close: func(c *ctx, _ *guest.Conn, g guest.Gone) error { return write(c, "close %d", g.Code) },
	},
	Options: guest.Options{SleepTimeout: time.Minute},
	Events:  []string{"changed", "secret"},
})

// Params are a client's.
type Params struct {
	Refuse bool   `json:"refuse,omitempty"`
	Name   string `json:"name,omitempty"`
}

// note writes a task's outcome down.
func note(c *ctx, v string, r *guest.Result) error {
	if err := r.Err(); err != nil {
		return write(c, "%s failed: %v", v, err)
	}
	body, err := r.Response()
	if err != nil {
		return err
	}
	return write(c, "%s: %d %s", v, body.Status, body.Body)
}

// answer answers an open request with a task's outcome.
func answer(c *ctx, req guest.OpenRequest, r *guest.Result) error {
	if err := r.Err(); err != nil {
		return c.ReplyError(req, err)
	}
	var v any
	if err := r.Decode(&v); err != nil {
		return err
	}
	return c.Reply(req, v)
}

func main() {}
