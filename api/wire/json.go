package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// jsonEncoding is Rivet's JSON.
type jsonEncoding struct{}

// plainEncoding is JSON without a tag for undefined: what is undefined is absent.
type plainEncoding struct{ jsonEncoding }

func (plainEncoding) ActionReply(output []byte) []byte {
	if len(output) == 0 {
		return []byte("{}")
	}
	return jsonEncoding{}.ActionReply(output)
}

func (jsonEncoding) Name() string { return "json" }

func (jsonEncoding) Binary() bool { return false }

func (jsonEncoding) ContentType() string { return "application/json" }

// jsonMessage returns {"body":{"tag":tag,"val":{…}}} around members.
func jsonMessage(tag string, members ...[]byte) []byte {
	b := append([]byte(`{"body":{"tag":"`), tag...)
	b = append(b, `","val":{`...)
	for _, m := range members {
		b = append(b, m...)
	}
	return append(b, "}}}"...)
}

func (jsonEncoding) Init(actorID, connID string) []byte {
	return jsonMessage("Init", []byte(`"actorId":`), quote(actorID), []byte(`,"connectionId":`), quote(connID))
}

func (jsonEncoding) Event(name string, args []byte) []byte {
	return jsonMessage("Event", []byte(`"name":`), quote(name), []byte(`,"args":`), EscapeTags(args))
}

func (jsonEncoding) Response(id uint64, output []byte) []byte {
	return jsonMessage("ActionResponse", []byte(`"id":`), bigInt(id), []byte(`,"output":`), orUndefined(output))
}

// orUndefined returns a value as clients read it.
func orUndefined(value []byte) []byte {
	if len(value) == 0 {
		return []byte(`["$Undefined",0]`)
	}
	return EscapeTags(value)
}

func (jsonEncoding) ActionBody(body []byte) ([]byte, error) { return body, nil }

func (jsonEncoding) QueueBody(body []byte) ([]byte, error) { return body, nil }

func (jsonEncoding) ActionReply(output []byte) []byte {
	return jsonMember(`{"output":`, orUndefined(output)) // Rivet's client fails on an answer without the member
}

func (jsonEncoding) QueueReply(status string, response []byte) []byte {
	head := `{"status":"` + status + `"`
	if len(response) == 0 {
		return []byte(head + "}")
	}
	return jsonMember(head+`,"response":`, EscapeTags(response))
}

func jsonMember(head string, value []byte) []byte {
	b := make([]byte, 0, len(head)+len(value)+1)
	return append(append(append(b, head...), value...), '}')
}

func (jsonEncoding) Failure(f Failure) []byte {
	members := [][]byte{[]byte(`"group":`), quote(f.Group), []byte(`,"code":`), quote(f.Code), []byte(`,"message":`), quote(f.Message)}
	if f.Metadata != nil {
		members = append(members, []byte(`,"metadata":`), EscapeTags(f.Metadata))
	}
	action := []byte("null")
	if f.Action != nil {
		action = bigInt(*f.Action)
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

func (jsonEncoding) Parse(data []byte) (m ClientMessage, err error) {
	if !utf8.Valid(data) {
		return m, errors.New("not UTF-8")
	}
	var body, tag, val []byte
	err = members(data, func(name string, value []byte) {
		if name == "body" {
			body = value
		}
	})
	if err != nil {
		return m, err
	}
	err = members(body, func(name string, value []byte) {
		switch name {
		case "tag":
			tag = value
		case "val":
			val = value
		}
	})
	if err != nil {
		return m, err
	}
	switch t, _ := textOf(tag); t {
	case "ActionRequest":
		return parseActionRequest(val)
	case "SubscriptionRequest":
		return parseSubscription(val)
	}
	return m, errMessage
}

func parseActionRequest(val []byte) (m ClientMessage, err error) {
	var id, action []byte
	err = members(val, func(name string, value []byte) {
		switch name {
		case "id":
			id = value
		case "name":
			action = value
		case "args":
			m.Args = value
		}
	})
	if err != nil {
		return ClientMessage{}, err
	}
	var ok1, ok2 bool
	m.Name, ok1 = textOf(action)
	m.ID, ok2 = idOf(id)
	if !ok1 || !ok2 || m.Name == "" || !bytes.HasPrefix(m.Args, []byte("[")) {
		return ClientMessage{}, errMessage
	}
	m.Args = UnescapeArgs(m.Args)
	return m, nil
}

func parseSubscription(val []byte) (m ClientMessage, err error) {
	var event, subscribe []byte
	err = members(val, func(name string, value []byte) {
		switch name {
		case "eventName":
			event = value
		case "subscribe":
			subscribe = value
		}
	})
	if err != nil {
		return ClientMessage{}, err
	}
	var ok bool
	if m.Event, ok = textOf(event); !ok || m.Event == "" {
		return ClientMessage{}, errMessage
	}
	m.Subscribe = string(subscribe) == "true"
	if !m.Subscribe && string(subscribe) != "false" {
		return ClientMessage{}, errMessage
	}
	return m, nil
}

// members calls f with each member of doc, which must be one object. Values are parts of doc; of two of one name the
// last counts, as in JavaScript. It is what encoding/json would do, without reading the arguments five times over.
func members(doc []byte, f func(name string, value []byte)) error {
	c := checker{b: doc}
	if c.space(); c.peek() != '{' {
		return errMessage
	}
	err := c.object(MaxDepth, func(quoted []byte) error {
		start := c.i
		if err := c.value(MaxDepth - 1); err != nil {
			return err
		}
		name, _ := textOf(quoted)
		f(name, doc[start:c.i:c.i])
		return nil
	})
	if err != nil {
		return err
	}
	return c.end()
}

// textOf returns what a JSON string says, and whether value is one.
func textOf(value []byte) (s string, ok bool) {
	switch {
	case len(value) < 2 || value[0] != '"':
		return "", false
	case bytes.IndexByte(value, '\\') < 0:
		return string(value[1 : len(value)-1]), true
	}
	return s, json.Unmarshal(value, &s) == nil
}

// idOf reads ["$BigInt","7"], with a number of 64 bits.
func idOf(value []byte) (id uint64, ok bool) {
	if len(value) == 0 || value[0] != '[' {
		return 0, false
	}
	var parts [2][]byte
	n := 0
	c := checker{b: value}
	err := c.elements(func() error {
		start := c.i
		err := c.value(1)
		if n < len(parts) {
			parts[n] = value[start:c.i]
		}
		n++
		return err
	})
	tag, ok1 := textOf(parts[0])
	digits, ok2 := textOf(parts[1])
	if err != nil || n != len(parts) || !ok1 || !ok2 || tag != "$BigInt" {
		return 0, false
	}
	id, err = strconv.ParseUint(digits, 10, 64)
	return id, err == nil
}
