package guest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// clock keeps what its schedules did.
type clock struct {
	Rings []string
	IDs   map[string]string
}

type clockCtx = guest.Ctx[clock]

var _ = guest.Actor("clock", guest.Def[clock]{
	Create: func(c *clockCtx) (clock, error) { return clock{IDs: map[string]string{}}, nil },
	Actions: guest.Actions{
		"ring": guest.Do(func(c *clockCtx, what string) error {
			how := "by hand"
			if f := c.Fire(); f != nil {
				how = fmt.Sprintf("%s %d", f.Kind, f.Run)
			}
			c.State.Rings = append(c.State.Rings, fmt.Sprintf("%s %s %s", c.Now().UTC().Format("15:04:05"), what, how))
			if what == "fail" {
				return errors.New("broken bell")
			}
			return nil
		}),
		"after": guest.Action2(func(c *clockCtx, s int, what string) (string, error) {
			return c.Schedule().After(time.Duration(s)*time.Second, "ring", what)
		}),
		"at": guest.Action2(func(c *clockCtx, at time.Time, what string) (string, error) { return c.Schedule().At(at, "ring", what) }),
		"every": guest.Do3(func(c *clockCtx, name string, s int, what string) error {
			return c.Schedule().Every(name, time.Duration(s)*time.Second, "ring", what)
		}),
		"cron":   guest.Do3(func(c *clockCtx, name, expr, what string) error { return c.Schedule().Cron(name, expr, "ring", what) }),
		"wrong":  guest.Action0(func(c *clockCtx) (string, error) { return c.Schedule().After(time.Second, "rong") }),
		"cancel": guest.Action(func(c *clockCtx, id string) (bool, error) { return c.Schedule().Cancel(id) }),
		"get":    guest.Action(func(c *clockCtx, id string) (*guest.ScheduleInfo, error) { return c.Schedule().Get(id) }),
		"list":   guest.Action0(func(c *clockCtx) ([]guest.ScheduleInfo, error) { return c.Schedule().List() }),
		"runs":   guest.Action(func(c *clockCtx, id string) ([]guest.Run, error) { return c.Schedule().Runs(id) }),
		"thenFail": guest.Do0(func(c *clockCtx) error {
			_, err := c.Schedule().After(time.Second, "ring", "never")
			return errors.Join(err, errors.New("on purpose"))
		}),
	},
})

func newClock(t *testing.T) *guesttest.Actor {
	return guesttest.New(t, "clock", guesttest.Options{Now: time.Date(2026, 3, 28, 23, 59, 0, 0, time.UTC)})
}

func rings(a *guesttest.Actor) string {
	var s clock
	a.State(&s)
	return strings.Join(s.Rings, ", ")
}

func TestSchedules(t *testing.T) {
	a := newClock(t)
	var id string
	a.MustCall(&id, "after", 30, "egg")
	a.MustCall(nil, "at", time.Date(2026, 3, 28, 23, 59, 10, 0, time.UTC), "first")
	a.MustCall(nil, "at", time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), "past")
	a.MustCall(nil, "every", "tick", 20, "tick")
	a.MustCall(nil, "ring", "me")
	if err := a.Call(nil, "thenFail"); err == nil {
		t.Error("thenFail succeeded")
	}
	if err := a.Call(nil, "wrong"); abi.CodeOf(err) != abi.CodeActionNotFound {
		t.Errorf("an action that is none: %v", err)
	}
	if err := a.Call(nil, "every", "fast", 1, "x"); abi.CodeOf(err) != abi.CodeInvalidSchedule {
		t.Errorf("every second: %v", err)
	}
	var list []guest.ScheduleInfo
	if a.MustCall(&list, "list"); len(list) != 4 {
		t.Errorf("schedules %+v", list)
	}
	a.Advance(45 * time.Second)
	want := "23:59:00 me by hand, 23:59:00 past once 1, 23:59:10 first once 1, 23:59:20 tick every 1, 23:59:30 egg once 1, 23:59:40 tick every 2"
	if got := rings(a); got != want {
		t.Errorf("rings\n%s, want\n%s", got, want)
	}
	var s *guest.ScheduleInfo
	if a.MustCall(&s, "get", id); s != nil {
		t.Errorf("a schedule that ran is still there: %+v", s)
	}
	if a.MustCall(&s, "get", "tick"); s == nil || s.Runs != 2 || s.Action != "ring" {
		t.Errorf("tick is %+v", s)
	}
	var runs []guest.Run
	if a.MustCall(&runs, "runs", "tick"); len(runs) != 2 || runs[0].Due <= runs[1].Due || runs[0].Result != "ok" {
		t.Errorf("runs %+v", runs)
	}
	var ok bool
	if a.MustCall(&ok, "cancel", "tick"); !ok {
		t.Error("tick was not there")
	}
	if a.MustCall(&ok, "cancel", "tick"); ok {
		t.Error("tick was there twice")
	}
	before := rings(a)
	if a.Advance(time.Hour); rings(a) != before {
		t.Errorf("a cancelled schedule ran: %s", rings(a))
	}
}

func TestScheduleThatFails(t *testing.T) {
	a := newClock(t)
	var id string
	a.MustCall(&id, "after", 1, "fail")
	a.MustCall(nil, "every", "again", 5, "fail")
	a.Advance(12 * time.Second)
	if rings(a) != "" {
		t.Errorf("runs that failed left %q", rings(a))
	}
	if runs := a.Runs(id); len(runs) != 1 || runs[0].Result != "error" || !strings.Contains(runs[0].Error, "broken bell") {
		t.Errorf("runs %+v", runs)
	}
	if s := a.Schedules(); len(s) != 1 || s[0].Name != "again" || s[0].Runs != 2 || s[0].Error == "" {
		t.Errorf("schedules %+v", s)
	}
}

func TestCron(t *testing.T) {
	tests := []struct {
		name, expr string
		d          time.Duration
		want       string
	}{
		{name: "each half hour", expr: "*/30 * * * *", d: time.Hour, want: "00:00:00 00:30:00"},
		{name: "list and range", expr: "5,10 1-2 * * *", d: 3 * time.Hour, want: "01:05:00 01:10:00 02:05:00 02:10:00"},
		{name: "sunday", expr: "0 9 * * 7", d: 48 * time.Hour, want: "09:00:00"},
		{name: "zone, over the change to summer time", expr: "TZ=Europe/Berlin 0 9 * * *", d: 8 * time.Hour, want: "07:00:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newClock(t)
			a.MustCall(nil, "cron", "c", tt.expr, "x")
			a.Advance(tt.d)
			var got []string
			for r := range strings.SplitSeq(rings(a), ", ") {
				got = append(got, strings.Fields(r)[0])
			}
			if !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("rings %v, want %s", got, tt.want)
			}
		})
	}
	a := newClock(t)
	for _, expr := range []string{"", "* * * *", "60 * * * *", "x * * * *", "*/0 * * * *", "5-1 * * * *", "0 0 30 2 *", "TZ=Nowhere/Land 0 0 * * *"} {
		if err := a.Call(nil, "cron", "c", expr, "x"); abi.CodeOf(err) != abi.CodeInvalidSchedule {
			t.Errorf("%q: %v", expr, err)
		}
	}
}

// agent asks a model, and answers when it did.
type agent struct {
	Heard []string
}

type agentCtx = guest.Ctx[agent]

// asking is what a task of an agent knows.
type asking struct {
	Req  guest.OpenRequest `json:"req"`
	Text string            `json:"text"`
}

var _ = guest.Actor("agent", guest.Def[agent]{
	Egress:  []string{"model.example.com", "api.example.com"},
	Uploads: true,
	Tasks: guest.Tasks{
		"model": guest.Task(func(c *agentCtx, v asking, r *guest.Result) error {
			answer, err := r.Response()
			if err != nil {
				return c.ReplyError(v.Req, guest.UserError("no_model", err.Error()))
			}
			c.State.Heard = append(c.State.Heard, string(answer.Body))
			if r.More() {
				return nil
			}
			return c.Reply(v.Req, fmt.Sprintf("%s %d %s", v.Text, answer.Status, c.State.Heard))
		}),
		"sum": guest.Task(func(c *agentCtx, req guest.OpenRequest, r *guest.Result) error {
			var n int
			if err := r.Decode(&n); err != nil {
				return c.ReplyError(req, err)
			}
			return c.Reply(req, n)
		}),
		"wait": guest.Task(func(c *agentCtx, v string, r *guest.Result) error {
			c.State.Heard = append(c.State.Heard, fmt.Sprint(v, " ", c.Now().Unix()))
			if v == "fail" {
				return errors.New("no more")
			}
			return nil
		}),
	},
	Actions: guest.Actions{
		"ask": guest.Do2(func(c *agentCtx, text string, stream bool) error {
			f := guest.Fetch{
				URL: "https://model.example.com/v1", Secrets: map[string]string{"authorization": "Bearer {secret:MODEL}"},
				Timeout: 90 * time.Second, Stream: stream,
			}
			_, err := c.Start("model", f.WithJSON(map[string]string{"prompt": text}), asking{c.KeepOpen(), text})
			return err
		}),
		"sum": guest.Do2(func(c *agentCtx, a, b int) error {
			_, err := c.Start("sum", guest.CallTask(guest.To("adder"), "add", a, b), c.KeepOpen())
			return err
		}),
		"wait": guest.Action2(func(c *agentCtx, s int, what string) (string, error) {
			return c.Start("wait", guest.TimerTask(time.Duration(s)*time.Second), what)
		}),
		"cancel":  guest.Action(func(c *agentCtx, id string) (bool, error) { return c.CancelTask(id) }),
		"unknown": guest.Do0(func(c *agentCtx) error { _, err := c.Start("none", guest.TimerTask(0), nil); return err }),
		"large": guest.Do0(func(c *agentCtx) error {
			_, err := c.Start("wait", guest.TimerTask(0), strings.Repeat("x", abi.MaxTaskContext))
			return err
		}),
		"page": guest.Action(func(c *agentCtx, url string) (string, error) {
			r, err := c.Fetch(guest.Fetch{URL: url})
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d %s", r.Status, r.Body), nil
		}),
	},
})

func TestTaskFetch(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	p := a.Begin("ask", "why", false)
	tasks := a.Tasks()
	if len(tasks) != 1 {
		t.Fatalf("tasks %+v", tasks)
	}
	f := tasks[0].Fetch
	if f.Method != "POST" || f.Header.Get("content-type") != "application/json" || string(f.Body) != `{"prompt":"why"}` ||
		f.Secrets["authorization"] != "Bearer {secret:MODEL}" || f.Timeout != 90*time.Second {
		t.Errorf("fetch %+v", f)
	}
	a.Forget()
	if err := a.Complete(tasks[0].ID, &guest.Response{Status: 200, Body: []byte("because")}); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := p.Result(&got); err != nil || got != "why 200 [because]" {
		t.Errorf("answer %q, %v", got, err)
	}
	if err := a.Complete(tasks[0].ID, nil); err == nil {
		t.Error("a task ended twice")
	}

	p = a.Begin("ask", "how", false)
	if err := a.Complete(a.Tasks()[0].ID, &abi.Error{Code: abi.CodeFetchFailed}); err != nil {
		t.Error(err)
	}
	if err := p.Result(nil); !errors.Is(err, guest.UserError("no_model", "")) {
		t.Errorf("a fetch that failed: %v", err)
	}
}

func TestTaskStream(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	p := a.Begin("ask", "tell", true)
	id := a.Tasks()[0].ID
	for _, part := range []string{"once", "upon"} {
		if err := a.Part(id, &guest.Response{Body: []byte(part)}); err != nil || p.Done() {
			t.Fatalf("part %s: done %v, %v", part, p.Done(), err)
		}
	}
	if err := a.Complete(id, &guest.Response{Status: 200, Body: []byte("a time")}); err != nil {
		t.Error(err)
	}
	var got string
	if err := p.Result(&got); err != nil || got != "tell 200 [once upon a time]" {
		t.Errorf("answer %q, %v", got, err)
	}
}

func TestTaskCall(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	p, q := a.Begin("sum", 1, 2), a.Begin("sum", 3, 4)
	tasks := a.Tasks()
	if len(tasks) != 2 || tasks[0].To.Name != "adder" || tasks[0].Action != "add" || string(tasks[1].Args) != "[3,4]" {
		t.Fatalf("tasks %+v", tasks)
	}
	if err := errors.Join(a.Complete(tasks[1].ID, 7), a.Complete(tasks[0].ID, guest.UserError("tired", "no"))); err != nil {
		t.Error(err)
	}
	var n int
	if err := q.Result(&n); err != nil || n != 7 {
		t.Errorf("second: %d, %v", n, err)
	}
	if err := p.Result(nil); !errors.Is(err, guest.UserError("tired", "")) {
		t.Errorf("first: %v", err)
	}
}

func TestTaskTimer(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{Now: time.Unix(1000, 0)})
	var id string
	a.MustCall(nil, "wait", 20, "second")
	a.MustCall(nil, "wait", 10, "first")
	a.MustCall(&id, "wait", 15, "never")
	a.MustCall(nil, "wait", 12, "fail")
	var ok bool
	if a.MustCall(&ok, "cancel", id); !ok {
		t.Error("the task was not there")
	}
	if err := a.Sleep(); err != nil {
		t.Error(err)
	}
	a.Advance(time.Minute)
	var s agent
	if a.State(&s); fmt.Sprint(s.Heard) != "[first 1010 second 1020]" {
		t.Errorf("heard %q", s.Heard)
	}
	if d := a.DeadLetters(); len(d) != 1 || d[0].Kind != "task" || !strings.Contains(d[0].Error, "no more") {
		t.Errorf("dead letters %+v", d)
	}
	if err := a.Call(nil, "unknown"); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("a task without a handler: %v", err)
	}
	if err := a.Call(nil, "large"); abi.CodeOf(err) != abi.CodeInvalidArgument {
		t.Errorf("a context that is too large: %v", err)
	}
}

func TestFetch(t *testing.T) {
	a := guesttest.New(t, "agent", guesttest.Options{})
	if err := a.Call(nil, "page", "https://api.example.com/"); abi.CodeOf(err) != abi.CodeFetchFailed {
		t.Errorf("nobody is there: %v", err)
	}
	a.OnFetch = func(f guest.Fetch) (*guest.Response, error) {
		return &guest.Response{Status: 503, Body: []byte("of " + f.URL)}, nil
	}
	var got string
	if a.MustCall(&got, "page", "https://api.example.com/"); got != "503 of https://api.example.com/" {
		t.Errorf("page %q", got)
	}
}
