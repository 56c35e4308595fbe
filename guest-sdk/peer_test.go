package guest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

type bossCtx = guest.Ctx[struct{}]

var _ = guest.Actor("boss", guest.Def[struct{}]{
	Actions: guest.Actions{
		"ask": guest.Action(func(c *bossCtx, n int) (int, error) {
			return guest.Call[int](c, guest.To("worker", "a", "b"), "double", n)
		}),
		"tell": guest.Do(func(c *bossCtx, text string) error { return c.Call(guest.ToID("id-1"), "hear", text) }),
		"send": guest.Do(func(c *bossCtx, text string) error {
			return c.Send(guest.To("worker").OrCreate(map[string]int{"n": 1}), "hear", text, 2)
		}),
		"sendNo": guest.Do0(func(c *bossCtx) error { return errors.Join(c.Send(guest.To("worker"), "hear"), errors.New("no")) }),
		"nobody": guest.Do0(func(c *bossCtx) error { return c.Call(guest.Ref{}, "hear") }),
		"hire": guest.Action(func(c *bossCtx, name string) (*guest.ActorInfo, error) {
			return c.CreateChild(guest.To("worker", name), map[string]string{"name": name}, guest.Limits{Gas: 5, Lifetime: time.Minute, Egress: []string{"x.example"}})
		}),
		"make": guest.Action(func(c *bossCtx, name string) (*guest.ActorInfo, error) {
			return c.Create(guest.To("worker", name), nil)
		}),
		"ensure": guest.Action(func(c *bossCtx, name string) (*guest.ActorInfo, error) {
			return c.GetOrCreate(guest.To("worker", name), nil)
		}),
		"find":  guest.Action(func(c *bossCtx, name string) (*guest.ActorInfo, error) { return c.Find(guest.To("worker", name)) }),
		"fire":  guest.Action(func(c *bossCtx, id string) (bool, error) { return c.DestroyActor(guest.ToID(id)) }),
		"usage": guest.Action(func(c *bossCtx, id string) (*guest.ChildUsage, error) { return c.ChildUsage(id) }),
		"upload": guest.Action(func(c *bossCtx, b []byte) (*guest.ModuleInfo, error) {
			return c.UploadModule("plugin", b, guest.UploadOptions{Note: "hi"})
		}),
		"makeNil": guest.Action0(func(c *bossCtx) (*guest.ActorInfo, error) { return c.Create(guest.To("worker"), func() {}) }),
	},
})

func TestCalls(t *testing.T) {
	a := guesttest.New(t, "boss", guesttest.Options{})
	if err := a.Call(nil, "ask", 1); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("nobody is there: %v", err)
	}
	var heard string
	a.OnCall = func(to guest.Ref, action string, args []json.RawMessage) (any, error) {
		heard = fmt.Sprintf("%s%s%s %s%s", to.Name, to.Key, to.ID, action, args)
		switch action {
		case "double":
			var n int
			if err := json.Unmarshal(args[0], &n); err != nil || n == 0 {
				return nil, guest.UserError("zero", "not that").With(map[string]int{"least": 1})
			}
			if n < 0 {
				return nil, errors.New("a secret")
			}
			return 2 * n, nil
		}
		return nil, nil
	}
	var n int
	if a.MustCall(&n, "ask", 4); n != 8 || heard != "worker[a b] double[4]" {
		t.Errorf("ask = %d, heard %s", n, heard)
	}
	if a.MustCall(nil, "tell", "psst"); heard != `[]id-1 hear["psst"]` {
		t.Errorf("heard %s", heard)
	}
	var e *guest.Error
	if err := a.Call(nil, "ask", 0); !errors.As(err, &e) || e.Code != "zero" || fmt.Sprint(e.Metadata) != "map[least:1]" {
		t.Errorf("a refusal passed on: %#v", err)
	}
	if err := a.Call(nil, "ask", -1); abi.CodeOf(err) != abi.CodeGuestInternal {
		t.Errorf("a failure of the other side: %v", err)
	}
	if err := a.Call(nil, "nobody"); abi.CodeOf(err) != abi.CodeInvalidArgument {
		t.Errorf("a target without a name: %v", err)
	}
}

func TestSends(t *testing.T) {
	a := guesttest.New(t, "boss", guesttest.Options{})
	a.MustCall(nil, "send", "hey")
	if err := a.Call(nil, "sendNo"); err == nil {
		t.Error("sendNo succeeded")
	}
	sends := a.Sends()
	if len(sends) != 1 {
		t.Fatalf("sends %+v", sends)
	}
	s := sends[0]
	if s.To.Name != "worker" || !s.To.Create || string(s.To.Input) != `{"n":1}` || s.Action != "hear" || string(s.Body) != `["hey",2]` {
		t.Errorf("sent %+v", s)
	}
}

func TestOthers(t *testing.T) {
	a := guesttest.New(t, "boss", guesttest.Options{})
	var ann, same, none *guest.ActorInfo
	a.MustCall(&ann, "hire", "ann")
	if !ann.Created || ann.Name != "worker" || fmt.Sprint(ann.Key) != "[ann]" {
		t.Errorf("hired %+v", ann)
	}
	o := a.Others()[0]
	if !o.Child || o.Limits.Gas != 5 || o.Limits.Lifetime != 60_000 || fmt.Sprint(o.Limits.Egress) != "[x.example]" || string(o.Input) != `{"name":"ann"}` {
		t.Errorf("child %+v", o)
	}
	if err := a.Call(nil, "make", "ann"); abi.CodeOf(err) != abi.CodeActorExists {
		t.Errorf("made twice: %v", err)
	}
	if err := a.Call(nil, "makeNil"); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("input that is no JSON: %v", err)
	}
	a.MustCall(&same, "ensure", "ann")
	if same.ID != ann.ID || same.Created {
		t.Errorf("ensured %+v", same)
	}
	if a.MustCall(&none, "find", "bob"); none != nil {
		t.Errorf("found %+v", none)
	}
	if a.MustCall(&same, "find", "ann"); same.ID != ann.ID {
		t.Errorf("found %+v", same)
	}
	a.SetUsage(ann.ID, guest.ChildUsage{Gas: 3, Turns: 2})
	var ok bool
	if a.MustCall(&ok, "fire", ann.ID); !ok {
		t.Error("ann was not there")
	}
	var u *guest.ChildUsage
	if a.MustCall(&u, "usage", ann.ID); u == nil || *u != (guest.ChildUsage{Gas: 3, Turns: 2, Ended: "killed"}) {
		t.Errorf("usage %+v", u)
	}
	if a.MustCall(&ok, "fire", ann.ID); ok {
		t.Error("ann was there twice")
	}
	if a.MustCall(&u, "usage", "nobody"); u != nil {
		t.Errorf("usage of nobody %+v", u)
	}
	var m guest.ModuleInfo
	a.MustCall(&m, "upload", []byte("\x00asm"))
	if up := a.Uploads(); m.Version != 1 || len(up) != 1 || string(up[0].Wasm) != "\x00asm" || string(up[0].Options) != `{"note":"hi"}` {
		t.Errorf("uploaded %+v, %+v", m, a.Uploads())
	}
}

// TestCallOfTheSameName holds that guesttest refuses what would mix up the states of two actors.
func TestCallOfTheSameName(t *testing.T) {
	a, b := guesttest.New(t, "boss", guesttest.Options{}), guesttest.New(new(testing.T), "boss", guesttest.Options{})
	a.OnCall = func(to guest.Ref, action string, args []json.RawMessage) (any, error) {
		done := make(chan any, 1)
		go func() {
			defer close(done)
			_, err := b.Answer(to, "find", []json.RawMessage{[]byte(`"x"`)})
			done <- err
		}()
		if v, ok := <-done; ok {
			t.Errorf("a turn inside a turn of the same name ended with %v", v)
		}
		return 1, nil
	}
	a.MustCall(nil, "ask", 1)
}
