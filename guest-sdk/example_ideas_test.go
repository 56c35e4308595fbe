package guest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
)

// Seat is the state of a connection to a table.
type Seat struct {
	Nick string `json:"nick"`
}

var _ = guest.Actor("table", guest.Def[struct{}]{
	BeforeConnect: func(c *guest.Ctx[struct{}], p Seat) error {
		if p.Nick == "" {
			return guest.UserError("no_name", "who are you?")
		}
		return nil
	},
	ConnState: func(c *guest.Ctx[struct{}], p Seat) (Seat, error) { return p, nil },
	Actions: guest.Actions{
		"hello": guest.Do0(func(c *guest.Ctx[struct{}]) error {
			seat, err := guest.ConnStateOf[Seat](c.Conn())
			if err != nil {
				return err
			}
			return c.Conn().Send("hello", seat.Nick)
		}),
	},
})

// A client is let in by BeforeConnect, and what ConnState made of it goes with it.
func ExampleConn() {
	table := guesttest.New(new(testing.T), "table", guesttest.Options{})
	_, err := table.Connect(nil)
	fmt.Println(err)

	ann, _ := table.Connect(Seat{Nick: "ann"})
	fmt.Println(ann.Call(nil, "hello"), ann.Events())
	// Output:
	// no_name: who are you?
	// <nil> [{hello [ann]}]
}

// Tea is the state of the actor teapot.
type Tea struct {
	Ready bool `json:"ready"`
}

var _ = guest.Actor("teapot", guest.Def[Tea]{
	Actions: guest.Actions{
		"brew": guest.Do0(func(c *guest.Ctx[Tea]) error {
			_, err := c.Schedule().After(4*time.Minute, "ready")
			return err
		}),
		"ready": guest.Do0(func(c *guest.Ctx[Tea]) error {
			c.State.Ready = true
			return c.Broadcast("ready", c.Fire().Kind)
		}),
	},
})

// A schedule calls an action of its own actor.
func ExampleSchedules() {
	pot := guesttest.New(new(testing.T), "teapot", guesttest.Options{})
	pot.MustCall(nil, "brew")
	pot.Advance(3 * time.Minute)
	fmt.Println(pot.Events())
	pot.Advance(time.Minute)
	fmt.Println(pot.Events())
	// Output:
	// []
	// [{ready [once]}]
}

var _ = guest.Actor("mill", guest.Def[struct{}]{
	Queues: guest.Queues{
		"grind": guest.Queue(func(c *guest.Ctx[struct{}], m *guest.Message[string]) (string, error) {
			if m.Body == "stone" {
				return "", errors.New("too hard")
			}
			return "ground " + m.Body, nil
		}),
	},
})

// What a queue's function returns is for a sender that waits. What it fails with is tried again.
func ExampleQueue() {
	mill := guesttest.New(new(testing.T), "mill", guesttest.Options{})
	var got string
	err := mill.QueueSend(&got, "grind", "wheat")
	fmt.Println(got, err)
	err = mill.QueueSend(nil, "grind", "stone")
	fmt.Println(err, len(mill.DeadLetters()))
	// Output:
	// ground wheat <nil>
	// hidden error: too hard 1
}

// Question is what a task of the actor oracle knows.
type Question struct {
	Req  guest.OpenRequest `json:"req"`
	Text string            `json:"text"`
}

var _ = guest.Actor("oracle", guest.Def[struct{}]{
	Egress: []string{"api.example.com"},
	Actions: guest.Actions{
		"ask": guest.Do(func(c *guest.Ctx[struct{}], text string) error {
			_, err := c.Start("answer", guest.Fetch{URL: "https://api.example.com/"}, Question{c.KeepOpen(), text})
			return err
		}),
	},
	Tasks: guest.Tasks{
		"answer": guest.Task(func(c *guest.Ctx[struct{}], q Question, r *guest.Result) error {
			answer, err := r.Response()
			if err != nil {
				return c.ReplyError(q.Req, err)
			}
			return c.Reply(q.Req, q.Text+" "+string(answer.Body))
		}),
	},
})

// A task holds nobody up: the request stays open, and the turn of the outcome answers it.
func ExampleTask() {
	oracle := guesttest.New(new(testing.T), "oracle", guesttest.Options{})
	ask := oracle.Begin("ask", "why?")
	fmt.Println(ask.Done(), oracle.Tasks()[0].Fetch.URL)

	_ = oracle.Complete(oracle.Tasks()[0].ID, &guest.Response{Body: []byte("because")})
	var got string
	err := ask.Result(&got)
	fmt.Println(got, err)
	// Output:
	// false https://api.example.com/
	// why? because <nil>
}

var _ = guest.Actor("till", guest.Def[struct{}]{
	Actions: guest.Actions{
		"charge": guest.Action(func(c *guest.Ctx[struct{}], cents int) (int, error) {
			left, err := guest.Call[int](c, guest.To("account", "ann"), "pay", cents)
			if err != nil {
				return 0, err
			}
			return left, c.Send(guest.To("books"), "charged", cents)
		}),
	},
})

// A call acts at once, a send with the turn. An error of the other side is like one of our own.
func ExampleCall() {
	till := guesttest.New(new(testing.T), "till", guesttest.Options{})
	account := guesttest.New(new(testing.T), "account", guesttest.Options{})
	account.MustCall(nil, "receive", 500)
	till.OnCall = account.Answer

	var left int
	err := till.Call(&left, "charge", 200)
	fmt.Println(left, err, len(till.Sends()))
	err = till.Call(&left, "charge", 400)
	fmt.Println(err, len(till.Sends()))
	// Output:
	// 300 <nil> 1
	// insufficient_funds: there is not enough money 0
}

var _ = guest.Actor("site", guest.Def[struct{}]{
	Request: func(c *guest.Ctx[struct{}], r *guest.Request) (*guest.Response, error) {
		name, ok := r.Query("name")
		if !ok {
			return guest.Text(400, "who are you?")
		}
		return guest.JSON(200, map[string]string{"hello": name})
	},
})

// Raw HTTP goes in and out as it is.
func ExampleRequest() {
	site := guesttest.New(new(testing.T), "site", guesttest.Options{})
	r, err := site.Request(guest.Request{Method: "GET", URL: "/?name=ann"})
	fmt.Println(r.Status, string(r.Body), err)
	// Output:
	// 200 {"hello":"ann"} <nil>
}
