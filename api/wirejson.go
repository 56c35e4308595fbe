package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/vivarium-run/vivarium/actors"
)

// encoding writes and reads the messages of a connection: the same ones, in different bytes.
type encoding interface {
	name() string
	binary() bool // the kind of WebSocket message that carries it
	init(actorID, connID string) []byte
	event(name string, args []byte) []byte
	response(id uint64, r actors.Reply) []byte
	failure(f failure) []byte
	parse(data []byte) (clientMessage, error)
}

// failure is an error as a connection's client gets it: of an action, or if that is nil of the connection.
type failure struct {
	group, code, message string
	metadata             json.RawMessage // nil means none
	action               *uint64
}

// clientMessage is what a client sends: an action if event is empty.
type clientMessage struct {
	id   uint64
	name string
	args json.RawMessage

	event     string
	subscribe bool
}

// encodings are those that a client may choose.
var encodings = map[string]encoding{"json": jsonWire{}}

var errMessage = errors.New("api: not a message of a connection")

// jsonWire is Rivet's JSON.
type jsonWire struct{}

func (jsonWire) name() string { return "json" }

func (jsonWire) binary() bool { return false }

// jsonMessage returns {"body":{"tag":tag,"val":{…}}} around members.
func jsonMessage(tag string, members ...[]byte) []byte {
	b := append([]byte(`{"body":{"tag":"`), tag...)
	b = append(b, `","val":{`...)
	for _, m := range members {
		b = append(b, m...)
	}
	return append(b, "}}}"...)
}

func (jsonWire) init(actorID, connID string) []byte {
	return jsonMessage("Init", []byte(`"actorId":`), quote(actorID), []byte(`,"connectionId":`), quote(connID))
}

func (jsonWire) event(name string, args []byte) []byte {
	return jsonMessage("Event", []byte(`"name":`), quote(name), []byte(`,"args":`), escapeTags(args))
}

func (jsonWire) response(id uint64, r actors.Reply) []byte {
	var out []byte
	switch {
	case r.Kind == actors.ReplyBytes:
		out = appendUint8Array(nil, r.Bytes)
	case len(r.Output) == 0:
		out = []byte(`["$Undefined",0]`)
	default:
		out = escapeTags(r.Output)
	}
	return jsonMessage("ActionResponse", []byte(`"id":`), bigInt(id), []byte(`,"output":`), out)
}

func (jsonWire) failure(f failure) []byte {
	members := [][]byte{[]byte(`"group":`), quote(f.group), []byte(`,"code":`), quote(f.code), []byte(`,"message":`), quote(f.message)}
	if f.metadata != nil {
		members = append(members, []byte(`,"metadata":`), escapeTags(f.metadata))
	}
	action := []byte("null")
	if f.action != nil {
		action = bigInt(*f.action)
	}
	return jsonMessage("Error", append(members, []byte(`,"actionId":`), action)...)
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // text always encodes
	return b
}

func bigInt(n uint64) []byte {
	return append(strconv.AppendUint([]byte(`["$BigInt","`), n, 10), `"]`...)
}

func (jsonWire) parse(data []byte) (m clientMessage, err error) {
	if err := checkJSON(data, maxArgsDepth); err != nil {
		return m, err
	}
	var f struct {
		Body struct {
			Tag string          `json:"tag"`
			Val json.RawMessage `json:"val"`
		} `json:"body"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return m, err
	}
	switch f.Body.Tag {
	case "ActionRequest":
		return parseActionRequest(f.Body.Val)
	case "SubscriptionRequest":
		return parseSubscription(f.Body.Val)
	}
	return m, errMessage
}

func parseActionRequest(val []byte) (m clientMessage, err error) {
	var v struct {
		ID   []string        `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	}
	if err := json.Unmarshal(val, &v); err != nil {
		return m, err
	}
	if len(v.ID) != 2 || v.ID[0] != "$BigInt" || v.Name == "" || !bytes.HasPrefix(v.Args, []byte("[")) {
		return m, errMessage
	}
	m.name, m.args = v.Name, v.Args
	m.id, err = strconv.ParseUint(v.ID[1], 10, 64)
	return m, err
}

func parseSubscription(val []byte) (m clientMessage, err error) {
	var v struct {
		Event     string `json:"eventName"`
		Subscribe *bool  `json:"subscribe"`
	}
	if err := json.Unmarshal(val, &v); err != nil {
		return m, err
	}
	if v.Event == "" || v.Subscribe == nil {
		return m, errMessage
	}
	m.event, m.subscribe = v.Event, *v.Subscribe
	return m, nil
}
