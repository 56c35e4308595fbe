package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
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
	if err := CheckJSON(data, MaxDepth); err != nil {
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

func parseActionRequest(val []byte) (m ClientMessage, err error) {
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
	m.Name, m.Args = v.Name, UnescapeArgs(v.Args)
	m.ID, err = strconv.ParseUint(v.ID[1], 10, 64)
	return m, err
}

func parseSubscription(val []byte) (m ClientMessage, err error) {
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
	m.Event, m.Subscribe = v.Event, *v.Subscribe
	return m, nil
}
