package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

func (jsonEncoding) Action(id uint64, name string, args []byte) []byte {
	return jsonMessage("ActionRequest", []byte(`"id":`), bigInt(id), []byte(`,"name":`), quote(name), []byte(`,"args":`), escapeArgs(args))
}

func (jsonEncoding) Subscription(event string, on bool) []byte {
	return jsonMessage("SubscriptionRequest", []byte(`"eventName":`), quote(event), strconv.AppendBool([]byte(`,"subscribe":`), on))
}

func (jsonEncoding) ActionRequest(args []byte) []byte {
	return jsonMember(`{"args":`, escapeArgs(args))
}

func (jsonEncoding) QueueRequest(m QueueMessage) []byte {
	b := append([]byte(`{"body":`), escapeSent(m.Body)...)
	b = append(append(b, `,"name":`...), quote(m.Queue)...)
	b = strconv.AppendBool(append(b, `,"wait":`...), m.Wait)
	if m.Wait && m.Timeout > 0 {
		b = strconv.AppendUint(append(b, `,"timeout":`...), m.Timeout, 10)
	}
	return append(b, '}')
}

// hostFrame has the members of each message of a host's.
type hostFrame struct {
	Body struct {
		Tag string `json:"tag"`
		Val struct {
			ActorID string `json:"actorId"`
			ConnID  string `json:"connectionId"`

			ID     *wide           `json:"id"`
			Output json.RawMessage `json:"output"`

			Event string          `json:"name"`
			Args  json.RawMessage `json:"args"`

			failureBody
			Action *wide `json:"actionId"`
		} `json:"val"`
	} `json:"body"`
}

// failureBody is an error, on a connection or as a body.
type failureBody struct {
	Group    string          `json:"group"`
	Code     string          `json:"code"`
	Message  string          `json:"message"`
	Metadata json.RawMessage `json:"metadata"`
}

func (f failureBody) failure() (Failure, error) {
	if f.Group == "" || f.Code == "" {
		return Failure{}, errMessage
	}
	if string(f.Metadata) == "null" {
		f.Metadata = nil
	}
	return Failure{Group: f.Group, Code: f.Code, Message: f.Message, Metadata: orNil(f.Metadata)}, nil
}

func (jsonEncoding) ParseHost(data []byte, limit int) (m HostMessage, err error) {
	var f hostFrame
	if err := decodeHost(data, limit, &f); err != nil {
		return m, err
	}
	v := &f.Body.Val
	switch f.Body.Tag {
	case "Init":
		m = HostMessage{Kind: KindInit, ActorID: v.ActorID, ConnID: v.ConnID}
	case "Error":
		m.Kind = KindFailure
		m.Failure, err = v.failure()
		m.Failure.Action = (*uint64)(v.Action)
	case "ActionResponse":
		if v.ID == nil {
			return m, errMessage
		}
		m = HostMessage{Kind: KindResponse, ID: uint64(*v.ID), Output: orNil(v.Output)}
	case "Event":
		m = HostMessage{Kind: KindEvent, Event: v.Event, Args: v.Args}
	default:
		err = errMessage
	}
	return checkHost(m, err)
}

// checkHost returns a message that has what its kind needs.
func checkHost(m HostMessage, err error) (HostMessage, error) {
	switch {
	case err != nil:
	case m.Kind == KindInit && m.ActorID == "", m.Kind == KindEvent && (m.Event == "" || !bytes.HasPrefix(m.Args, []byte("["))):
		err = errMessage
	}
	if err != nil {
		return HostMessage{}, err
	}
	return m, nil
}

// decodeHost decodes what a host sent, after a check: encoding/json has bounds of its own for nesting only.
func decodeHost(data []byte, limit int, v any) error {
	if len(data) > limit {
		return ErrTooLong
	}
	if err := CheckJSON(data, MaxDepth+envelopeDepth); err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}

// envelopeDepth is how deep in a message a value lies.
const envelopeDepth = 3

func (jsonEncoding) ParseOutput(body []byte, limit int) (json.RawMessage, error) {
	var r struct {
		Output json.RawMessage `json:"output"`
	}
	err := decodeHost(body, limit, &r)
	return orNil(r.Output), err
}

func (jsonEncoding) ParseCompletion(body []byte, limit int) (Completion, error) {
	var r struct {
		Status   string          `json:"status"`
		Response json.RawMessage `json:"response"`
	}
	err := decodeHost(body, limit, &r)
	if err == nil && r.Status == "" {
		err = errors.New("it has no status")
	}
	return Completion{r.Status, orNil(r.Response)}, err
}

func (jsonEncoding) ParseFailure(body []byte, limit int) (Failure, error) {
	var f failureBody
	if err := decodeHost(body, limit, &f); err != nil {
		return Failure{}, err
	}
	return f.failure()
}
