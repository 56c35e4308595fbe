package guest_test

import (
	"errors"
	"fmt"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// web keeps requests open.
type web struct {
	Waiting []guest.OpenRequest
	Gone    int
}

type webCtx = guest.Ctx[web]

var _ = guest.Actor("web", guest.Def[web]{
	Request: func(c *webCtx, r *guest.Request) (*guest.Response, error) {
		switch r.Path() {
		case "/echo":
			var v map[string]int
			if err := r.JSON(&v); err != nil {
				return nil, err
			}
			v["status"] = 0
			return guest.JSON(201, v)
		case "/about":
			return guest.Text(200, fmt.Sprint(r.Method, " ", r.Header.Get("X-Name"), " ", r.Remote, " ", c.HTTP().URL))
		case "/nothing":
			return nil, nil
		case "/later", "/stream":
			c.State.Waiting = append(c.State.Waiting, c.KeepOpen())
			if r.Path() == "/later" {
				return nil, nil
			}
			return &guest.Response{Header: guest.Header{"content-type": {"text/event-stream"}}, Body: []byte("hello\n")}, nil
		}
		return guest.Text(404, "no such page")
	},
	Gone: func(c *webCtx, r guest.OpenRequest) error { c.State.Gone++; return nil },
	Actions: guest.Actions{
		"ask": guest.Action0(func(c *webCtx) (string, error) {
			c.State.Waiting = append(c.State.Waiting, c.KeepOpen())
			return "never seen", nil
		}),
		"askAndFail": guest.Do0(func(c *webCtx) error { c.KeepOpen(); return errors.New("no") }),
		"answer": guest.Do(func(c *webCtx, v any) error {
			return forEach(c, func(r guest.OpenRequest) error { return c.Reply(r, v) })
		}),
		"refuse": guest.Do0(func(c *webCtx) error {
			return forEach(c, func(r guest.OpenRequest) error { return c.ReplyError(r, guest.UserError("too_late", "sorry")) })
		}),
		"page": guest.Do0(func(c *webCtx) error {
			return forEach(c, func(r guest.OpenRequest) error { return c.Reply(r, &guest.Response{Status: 418, Body: []byte("tea")}) })
		}),
		"part": guest.Do(func(c *webCtx, s string) error { return c.ReplyPart(c.State.Waiting[0], []byte(s)) }),
		"end":  guest.Do0(func(c *webCtx) error { return c.ReplyEnd(c.State.Waiting[0]) }),
		"head": guest.Do0(func(c *webCtx) error { return c.ReplyHead(c.State.Waiting[0], 202, nil) }),
		"open": guest.Action0(func(c *webCtx) (bool, error) { return c.RequestOpen(c.State.Waiting[0]), nil }),
		"zero": guest.Do0(func(c *webCtx) error {
			return errors.Join(c.Reply(0, 1), c.ReplyEnd(0), c.ReplyPart(0, nil), c.ReplyHead(0, 200, nil))
		}),
	},
})

// forEach answers everybody who waits.
func forEach(c *webCtx, f func(r guest.OpenRequest) error) error {
	for _, r := range c.State.Waiting {
		if err := f(r); err != nil {
			return err
		}
	}
	c.State.Waiting = nil
	return nil
}

func TestRequest(t *testing.T) {
	a := guesttest.New(t, "web", guesttest.Options{})
	tests := []struct {
		name string
		r    guest.Request
		want string
		err  error
	}{
		{name: "json", r: guest.Request{URL: "/echo?x=1", Body: []byte(`{"a":1}`)}, want: `201 application/json {"a":1,"status":0}`},
		{name: "no json", r: guest.Request{URL: "/echo", Body: []byte(`{`)}, err: guest.UserError("invalid_body", "")},
		{name: "head", r: guest.Request{Method: "PUT", URL: "/about", Header: guest.Header{"x-name": {"ann"}}, Remote: "::1"}, want: "200 text/plain; charset=utf-8 PUT ann ::1 /about"},
		{name: "nothing", r: guest.Request{URL: "/nothing"}, want: "204  "},
		{name: "no page", r: guest.Request{URL: "/?"}, want: "404 text/plain; charset=utf-8 no such page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := a.Request(tt.r)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil {
				if got := fmt.Sprintf("%d %s %s", r.Status, r.Header.Get("Content-Type"), r.Body); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
			}
		})
	}
}

func TestQueryParameters(t *testing.T) {
	r := guest.Request{URL: "/p?a=1&a=2&empty=&%62=x%2by+z&half=%4&flag&=none"}
	for name, want := range map[string]string{"a": "1 true", "empty": " true", "b": "x+y z true", "half": "%4 true", "flag": " true", "": "none true", "none": " false", "c": " false"} {
		v, ok := r.Query(name)
		if got := fmt.Sprint(v, " ", ok); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestOpenRequests(t *testing.T) {
	a := guesttest.New(t, "web", guesttest.Options{})
	ask := a.Begin("ask")
	later := a.BeginRequest(guest.Request{URL: "/later"})
	if ask.Done() || !errors.Is(ask.Result(nil), guesttest.ErrOpen) || later.Done() {
		t.Fatal("the requests did not stay open")
	}
	a.Forget() // what waits is in the state
	a.MustCall(nil, "answer", map[string]int{"n": 7})
	var v map[string]int
	if err := ask.Result(&v); err != nil || v["n"] != 7 {
		t.Errorf("answer %v, %v", v, err)
	}

	late := a.Begin("ask")
	a.MustCall(nil, "refuse")
	if err := late.Result(nil); !errors.Is(err, guest.UserError("too_late", "")) {
		t.Errorf("refused late: %v", err)
	}
	page := a.BeginRequest(guest.Request{URL: "/later"})
	a.MustCall(nil, "page")
	if r, err := page.Response(); err != nil || r.Status != 418 || string(r.Body) != "tea" {
		t.Errorf("page %+v, %v", r, err)
	}
	if err := a.Call(nil, "askAndFail"); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("an action that fails after it kept its request open: %v", err)
	}
	a.MustCall(nil, "zero")
}

func TestAnswerInParts(t *testing.T) {
	a := guesttest.New(t, "web", guesttest.Options{})
	p := a.BeginRequest(guest.Request{URL: "/stream"})
	a.MustCall(nil, "part", "one\n")
	r, err := p.Response()
	if !errors.Is(err, guesttest.ErrOpen) || r.Header.Get("content-type") != "text/event-stream" || string(r.Body) != "hello\none\n" {
		t.Errorf("so far %+v, %v", r, err)
	}
	if err := a.Call(nil, "head"); abi.CodeOf(err) != abi.CodeInvalidArgument {
		t.Errorf("a second head: %v", err)
	}
	var open bool
	if a.MustCall(&open, "open"); !open {
		t.Error("the request is not open")
	}
	a.MustCall(nil, "end")
	if r, err := p.Response(); err != nil || string(r.Body) != "hello\none\n" {
		t.Errorf("in the end %+v, %v", r, err)
	}
	if err := a.Call(nil, "end"); abi.CodeOf(err) != abi.CodeRequestNotOpen {
		t.Errorf("a second end: %v", err)
	}
	if a.MustCall(&open, "open"); open {
		t.Error("the request is open after its end")
	}

	gone := a.BeginRequest(guest.Request{URL: "/later"})
	if err := gone.Gone(); err != nil {
		t.Error(err)
	}
	var s web
	if a.State(&s); s.Gone != 1 {
		t.Errorf("Gone ran %d times", s.Gone)
	}
}
