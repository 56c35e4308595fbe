// Presence shows who is there. The host knows who is connected, so the actor stores nothing: the list of
// connections is the truth, and what cannot be stored cannot be stale. After a crash or a restart of
// the host nobody is there until clients come back, and then the list says so.
//
// Use it for who is online, who looks at a page, who is typing. A connect that writes nothing costs no sync of
// the disk. Newcomers get the whole list and the others only the change; so a join costs one small event
// for each who is there. Above some thousands of connections show a number instead of names.
package main

import (
	"slices"

	guest "github.com/vivarium-run/vivarium/guest-sdk"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Who is what a client says of itself, and the state of its connection.
type Who struct {
	Nick   string `json:"nick"`
	Typing bool   `json:"typing,omitempty"`
}

type ctx = *guest.Ctx[struct{}]

var _ = guest.Actor("presence", guest.Def[struct{}]{
	BeforeConnect: func(c ctx, w Who) error {
		if c.Conn().Kind() == abi.ConnEvents && (w.Nick == "" || len(w.Nick) > 50) {
			return guest.UserError("bad_nick", "a nick has between 1 and 50 bytes")
		}
		return nil
	},
	ConnState:  func(c ctx, w Who) (Who, error) { return Who{Nick: w.Nick}, nil },
	Connect:    connect,
	Disconnect: disconnect,
	Actions: guest.Actions{
		"here":   guest.Action0(func(c ctx) ([]string, error) { return here(c) }),
		"typing": guest.Do(typing),
	},
	Events: []string{"here", "joined", "left", "typing"},
})

// connect greets a client. An action over plain HTTP has a connection, too, for the time of its turn: that
// is nobody who is here.
func connect(c ctx, conn *guest.Conn) error {
	if conn.Kind() != abi.ConnEvents {
		return nil
	}
	nicks, err := here(c)
	if err != nil {
		return err
	}
	if err := conn.Send("here", nicks); err != nil {
		return err
	}
	return changed(c, conn, "joined", 1)
}

func disconnect(c ctx, conn *guest.Conn, _ guest.Gone) error {
	if conn.Kind() != abi.ConnEvents {
		return nil
	}
	return changed(c, conn, "left", 0)
}

// changed tells everybody, unless it was one more window of somebody, or one less: so many connections
// there are of who came first, or went last.
func changed(c ctx, conn *guest.Conn, event string, only int) error {
	who, err := guest.ConnStateOf[Who](conn)
	if err != nil {
		return err
	}
	windows := 0
	for w, err := range everybody(c) {
		if err != nil {
			return err
		}
		if w.Nick == who.Nick {
			windows++
		}
	}
	if windows != only {
		return nil
	}
	return c.Broadcast(event, who.Nick)
}

// here returns who is connected, each once, in order.
func here(c ctx) ([]string, error) {
	nicks := []string{}
	for w, err := range everybody(c) {
		if err != nil {
			return nil, err
		}
		nicks = append(nicks, w.Nick)
	}
	slices.Sort(nicks)
	return slices.Compact(nicks), nil
}

// everybody yields the states of the connections that stay.
func everybody(c ctx) func(yield func(Who, error) bool) {
	return func(yield func(Who, error) bool) {
		conns, err := c.Conns()
		if err != nil {
			yield(Who{}, err)
			return
		}
		for _, conn := range conns {
			if conn.Kind() == abi.ConnEvents && !yield(guest.ConnStateOf[Who](conn)) {
				return
			}
		}
	}
}

// typing is kept with the connection, and so ends with it.
func typing(c ctx, on bool) error {
	conn := c.Conn()
	if conn.Kind() != abi.ConnEvents {
		return guest.UserError("not_connected", "connect first")
	}
	who, err := guest.ConnStateOf[Who](conn)
	if err != nil || who.Typing == on {
		return err
	}
	who.Typing = on
	if err := conn.SetState(who); err != nil {
		return err
	}
	return c.Broadcast("typing", who.Nick, on)
}

func main() {}
