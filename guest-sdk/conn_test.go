package guest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/guest-sdk/guesttest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// club is a room with a guard.
type club struct {
	Diary []string
}

type clubCtx = guest.Ctx[club]

type clubParams struct {
	Password string `json:"password"`
	Nick     string `json:"nick"`
}

// seat is the state of a connection.
type seat struct {
	Nick  string `json:"nick"`
	Drank int    `json:"drank"`
}

func write(c *clubCtx, format string, args ...any) error {
	c.State.Diary = append(c.State.Diary, fmt.Sprintf(format, args...))
	return nil
}

func nick(conn *guest.Conn) string {
	s, err := guest.ConnStateOf[seat](conn)
	if err != nil {
		return err.Error()
	}
	return s.Nick
}

var _ = guest.Actor("club", guest.Def[club]{
	BeforeConnect: func(c *clubCtx, p clubParams) error {
		if p.Password != "sesame" {
			return guest.UserError("wrong_password", "go away").With(c.HTTP().Path())
		}
		return write(c, "before %s", p.Nick)
	},
	ConnState: func(c *clubCtx, p clubParams) (seat, error) { return seat{Nick: p.Nick}, nil },
	Connect: func(c *clubCtx, conn *guest.Conn) error {
		if nick(conn) == "nobody" {
			return errors.New("nobody is not let in")
		}
		return write(c, "connect %s %s", nick(conn), conn.Subject())
	},
	Disconnect: func(c *clubCtx, conn *guest.Conn, g guest.Gone) error {
		return write(c, "disconnect %s %d %s", nick(conn), g.Code, g.Reason)
	},
	CanSubscribe: map[string]func(c *clubCtx) (bool, error){
		"gossip": func(c *clubCtx) (bool, error) { return nick(c.Conn()) == "ann", nil },
	},
	Socket: guest.Socket[club]{
		Open: func(c *clubCtx, conn *guest.Conn) error {
			room, _ := c.HTTP().Query("room")
			if room == "" {
				return guest.UserError("no_room", "which room?")
			}
			return conn.SendText("welcome to " + room)
		},
		Message: func(c *clubCtx, conn *guest.Conn, f guest.Frame) error {
			switch string(f.Data) {
			case "bye":
				return conn.Close(3001, "as you wish")
			case "fail":
				return errors.Join(conn.SendText("never sent"), errors.New("on purpose"))
			}
			if f.Text {
				return conn.SendText(strings.ToUpper(string(f.Data)))
			}
			return conn.SendBytes(append(f.Data, 0xff))
		},
		Close: func(c *clubCtx, conn *guest.Conn, g guest.Gone) error { return write(c, "close %d", g.Code) },
	},
	Origins: []string{"https://club.example"},
	Actions: guest.Actions{
		"diary": guest.Action0(func(c *clubCtx) ([]string, error) { return c.State.Diary, nil }),
		"drink": guest.Action0(func(c *clubCtx) (seat, error) {
			s, err := guest.ConnStateOf[seat](c.Conn())
			if err != nil {
				return seat{}, err
			}
			s.Drank++
			return s, c.Conn().SetState(s)
		}),
		"whisper": guest.Do2(func(c *clubCtx, to, text string) error {
			conns, err := c.Conns()
			if err != nil {
				return err
			}
			for _, conn := range conns {
				if nick(conn) == to {
					return conn.Send("whisper", nick(c.Conn()), text)
				}
			}
			return guest.UserError("nobody", to+" is not here")
		}),
		"shout": guest.Do(func(c *clubCtx, text string) error { return c.Broadcast("gossip", text) }),
		"throwOut": guest.Do(func(c *clubCtx, id string) error {
			conn, err := c.ConnByID(id)
			if err != nil || conn == nil {
				return fmt.Errorf("%s is not here: %w", id, err)
			}
			return conn.Disconnect("drunk")
		}),
		"me": guest.Action0(func(c *clubCtx) (string, error) {
			if c.Conn() == nil {
				return "", nil
			}
			return c.Conn().Kind() + " " + nick(c.Conn()), nil
		}),
	},
})

func join(t *testing.T, a *guesttest.Actor, name string) *guesttest.Client {
	t.Helper()
	a.Caller = name + "@example"
	c, err := a.Connect(clubParams{"sesame", name})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConnections(t *testing.T) {
	a := guesttest.New(t, "club", guesttest.Options{})
	var refused *guest.Error
	if _, err := a.Connect(clubParams{Password: "guess"}); !errors.As(err, &refused) || refused.Code != "wrong_password" || refused.Metadata != "/connect" {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := a.Connect("no object"); !errors.Is(err, guest.UserError("invalid_params", "")) {
		t.Errorf("with wrong params: %v", err)
	}
	if _, err := a.Connect(clubParams{"sesame", "nobody"}); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("refused by Connect: %v", err)
	}
	ann, bob := join(t, a, "ann"), join(t, a, "bob")

	var s seat
	for want := 1; want <= 2; want++ {
		if err := bob.Call(&s, "drink"); err != nil || s != (seat{"bob", want}) {
			t.Errorf("drink %d: %+v, %v", want, s, err)
		}
	}
	if err := bob.State(&s); err != nil || s.Drank != 2 {
		t.Errorf("the connection's state is %+v, %v", s, err)
	}
	if err := ann.Call(nil, "whisper", "bob", "psst"); err != nil {
		t.Error(err)
	}
	if e := bob.Events(); len(e) != 1 || fmt.Sprint(e[0]) != "{whisper [ann psst]}" {
		t.Errorf("bob heard %v", e)
	}
	if err := ann.Call(nil, "whisper", "eve", "psst"); !errors.Is(err, guest.UserError("nobody", "")) {
		t.Errorf("a whisper to nobody: %v", err)
	}

	if err := bob.Subscribe("gossip"); abi.CodeOf(err) != abi.CodeForbidden {
		t.Errorf("bob subscribes: %v", err)
	}
	if err := errors.Join(ann.Subscribe("gossip"), bob.Subscribe("weather")); err != nil {
		t.Error(err)
	}
	if err := bob.Call(nil, "shout", "oi"); err != nil {
		t.Error(err)
	}
	if e := ann.Events(); len(e) != 1 || e[0].Name != "gossip" || len(bob.Events()) != 0 {
		t.Errorf("ann heard %v", e)
	}
}

func TestDisconnect(t *testing.T) {
	a := guesttest.New(t, "club", guesttest.Options{})
	ann, bob := join(t, a, "ann"), join(t, a, "bob")
	if err := ann.Call(nil, "throwOut", bob.ID()); err != nil || bob.Open() {
		t.Errorf("bob is still there, %v", err)
	}
	if err := bob.Call(nil, "shout", "but"); err == nil {
		t.Error("a connection that is closed calls")
	}
	if err := ann.Call(nil, "throwOut", bob.ID()); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("thrown out twice: %v", err)
	}
	var diary []string
	if err := ann.Call(&diary, "diary"); err != nil {
		t.Fatal(err)
	}
	if err := ann.Close(1001, "home"); err != nil {
		t.Error(err)
	}
	var s club
	a.State(&s)
	want := []string{"before ann", "connect ann ann@example", "before bob", "connect bob bob@example", "disconnect bob 1000 drunk"}
	if !slices.Equal(diary, want) || !slices.Equal(s.Diary, append(want, "disconnect ann 1001 home")) {
		t.Errorf("diary %q\nthen %q", diary, s.Diary)
	}
}

// TestActionWithoutConnection holds that the hooks run around it, in its turn.
func TestActionWithoutConnection(t *testing.T) {
	a := guesttest.New(t, "club", guesttest.Options{})
	if err := a.Call(nil, "me"); !errors.Is(err, guest.UserError("wrong_password", "")) {
		t.Errorf("without params: %v", err)
	}
	a.Params = clubParams{"sesame", "cat"}
	var me string
	a.MustCall(&me, "me")
	if me != "request cat" {
		t.Errorf("me = %q", me)
	}
	if err := a.Call(nil, "whisper", "dog", "psst"); err == nil {
		t.Error("a whisper to nobody succeeds")
	}
	var s club
	a.State(&s)
	if want := []string{"before cat", "connect cat ", "disconnect cat 0 "}; !slices.Equal(s.Diary, want) {
		t.Errorf("diary %q, want %q: one turn, and nothing of the failed one", s.Diary, want)
	}
	a.Sender = "another actor"
	if a.MustCall(&me, "me"); me != "" {
		t.Errorf("an actor calls on connection %q", me)
	}
}

func TestSocket(t *testing.T) {
	a := guesttest.New(t, "club", guesttest.Options{})
	if _, err := a.Socket("/bar"); !errors.Is(err, guest.UserError("wrong_password", "")) {
		t.Errorf("without params: %v", err)
	}
	a.Params = clubParams{"sesame", "raw"}
	if _, err := a.Socket("/bar"); !errors.Is(err, guest.UserError("no_room", "")) {
		t.Errorf("without a room: %v", err)
	}
	s, err := a.Socket("/bar?x=1&room=the+b%61r")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.SendText("hey"), s.SendBytes([]byte{1})); err != nil {
		t.Error(err)
	}
	if err := s.SendText("fail"); !errors.Is(err, guesttest.ErrHidden) {
		t.Errorf("a failed message: %v", err)
	}
	if err := s.SendText("bye"); err != nil || s.Open() {
		t.Errorf("bye: %v, open %v", err, s.Open())
	}
	var got []string
	for _, f := range s.Frames() {
		got = append(got, fmt.Sprintf("%v %q", f.Text, f.Data))
	}
	if want := []string{`true "welcome to the bar"`, `true "HEY"`, `false "\x01\xff"`}; !slices.Equal(got, want) {
		t.Errorf("frames %q, want %q", got, want)
	}
	var c club
	a.State(&c)
	if want := []string{"before raw", "connect raw ", "close 3001", "disconnect raw 3001 as you wish"}; !slices.Equal(c.Diary, want) {
		t.Errorf("diary %q, want %q", c.Diary, want)
	}
}
