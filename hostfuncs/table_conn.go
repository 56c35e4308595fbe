package hostfuncs

import (
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var connOperations = []Operation{
	{
		Name: "conn_list", Price: Price{5000, 1}, Result: BytesResult,
		Doc: "lists the actor's connections, as JSON; past 4 MiB without params, state and subscriptions",
		do:  func(c *Call, _ *args) (answer, error) { return required(c.actor.Connections()) },
	},
	{
		Name: "conn_get", Price: Price{2000, 1}, Params: []Param{bytesParam("conn")}, Result: BytesResult,
		Doc: "describes one connection, as JSON, or none",
		do:  func(c *Call, a *args) (answer, error) { return optional(c.actor.Connection(string(a.b[0]))) },
	},
	{
		Name: "conn_state_set", Price: Price{2000, 1}, Params: []Param{bytesParam("conn"), bytesParam("state")},
		Doc: "replaces a connection's state, a document",
		do:  func(c *Call, a *args) (answer, error) { return answer{}, c.actor.SetConnState(string(a.b[0]), a.b[1]) },
	},
	{
		Name: "conn_send", Price: Price{3000, 1}, Params: []Param{bytesParam("conn"), bytesParam("event"), bytesParam("payload")},
		Doc: "sends an event to one connection once the turn is durable; payload is a list",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkEventName(a.b[1]); err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.ConnSend(string(a.b[0]), string(a.b[1]), a.b[2])
		},
	},
	{
		Name: "conn_disconnect", Price: Price{2000, 1}, Params: []Param{bytesParam("conn"), bytesParam("reason")},
		Doc: "closes a connection once the turn is durable",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkReason(a.b[1]); err != nil {
				return answer{}, err
			}
			return answer{}, c.actor.Disconnect(string(a.b[0]), string(a.b[1]))
		},
	},
	{
		Name: "socket_send", Price: Price{3000, 1}, Params: []Param{bytesParam("conn"), bytesParam("data"), numberParam("text")},
		Doc: "sends a message on a raw socket once the turn is durable, as text if text is 1",
		do: func(c *Call, a *args) (answer, error) {
			if a.n[0] != 0 && a.n[0] != 1 || a.n[0] == 1 && !utf8.Valid(a.b[1]) {
				return answer{}, abi.Errorf(abi.CodeInvalidArgument, "text is 0 or 1, and a text message is UTF-8")
			}
			return answer{}, c.actor.SocketSend(string(a.b[0]), a.b[1], a.n[0] == 1)
		},
	},
	{
		Name: "socket_close", Price: Price{2000, 1}, Params: []Param{bytesParam("conn"), numberParam("code"), bytesParam("reason")},
		Doc: "closes a raw socket once the turn is durable; code is 1000 or 3000 to 4999",
		do: func(c *Call, a *args) (answer, error) {
			if err := checkReason(a.b[1]); err != nil {
				return answer{}, err
			}
			if a.n[0] != 1000 && (a.n[0] < 3000 || a.n[0] > 4999) {
				return answer{}, abi.Errorf(abi.CodeInvalidArgument, "a close code is 1000 or 3000 to 4999")
			}
			return answer{}, c.actor.SocketClose(string(a.b[0]), int(a.n[0]), string(a.b[1]))
		},
	},
}

func checkEventName(name []byte) error {
	if len(name) == 0 || len(name) > abi.MaxEventName || !utf8.Valid(name) {
		return abi.Errorf(abi.CodeInvalidArgument, "an event name is 1 to %d bytes of UTF-8", abi.MaxEventName)
	}
	return nil
}

func checkReason(reason []byte) error {
	if len(reason) > abi.MaxReason || !utf8.Valid(reason) {
		return abi.Errorf(abi.CodeInvalidArgument, "a reason is up to %d bytes of UTF-8", abi.MaxReason)
	}
	return nil
}

// checkName bounds the name of an action, a queue or a module. Whether there is one is found out later.
func checkName(what string, b []byte) error {
	if len(b) == 0 || len(b) > abi.MaxEventName || !utf8.Valid(b) {
		return abi.Errorf(abi.CodeInvalidArgument, "a name of %s is 1 to %d bytes of UTF-8", what, abi.MaxEventName)
	}
	return nil
}

// The forms in which methods of Actor answer.

func required(b []byte, err error) (answer, error) { return answer{bytes: b}, err }

func textual(s string, err error) (answer, error) { return answer{bytes: []byte(s)}, err }

func yesNo(ok bool, err error) (answer, error) {
	if ok {
		return answer{number: 1}, err
	}
	return answer{}, err
}
