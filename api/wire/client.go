package wire

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// ClientEncoding is the half of an encoding that clients need. What it writes are values that CheckSent takes; a list
// that is one of Rivet's tags stands for what it says, and any other that only looks like one arrives as it is. What
// it reads was sent by a host that may be anybody's: no value is longer than limit bytes of JSON, and each still has
// its tags, see Untag.
type ClientEncoding interface {
	Name() string
	Binary() bool // the kind of WebSocket message that carries it
	ContentType() string

	// Messages of a connection, to the host.
	Action(id uint64, name string, args []byte) []byte // args is a list
	Subscription(event string, on bool) []byte
	// ParseHost reads a message of a host's.
	ParseHost(data []byte, limit int) (HostMessage, error)

	// Bodies of HTTP.
	ActionRequest(args []byte) []byte
	QueueRequest(m QueueMessage) []byte
	ParseOutput(body []byte, limit int) (json.RawMessage, error) // nil is undefined
	ParseCompletion(body []byte, limit int) (Completion, error)
	ParseFailure(body []byte, limit int) (Failure, error) // of an answer that is not JSON in another encoding's place
}

// ClientOf returns the client's half of the encoding of that name, nil if there is none.
func ClientOf(name string) ClientEncoding {
	e, _ := encodings[name].(ClientEncoding)
	return e
}

// HostKind tells the messages of a host apart.
type HostKind byte

// The kinds of a HostMessage.
const (
	KindInit HostKind = iota
	KindFailure
	KindResponse
	KindEvent
)

// HostMessage is what a host sends on a connection.
type HostMessage struct {
	Kind            HostKind
	ActorID, ConnID string          // of an init
	Failure         Failure         // of an action, or of the connection
	ID              uint64          // of a response
	Output          json.RawMessage // of a response; nil is undefined
	Event           string          // its name
	Args            json.RawMessage // of an event: a list
}

// QueueMessage is a message for a queue. Timeout is in milliseconds, and counts if Wait is set; zero means none.
type QueueMessage struct {
	Queue   string
	Body    json.RawMessage
	Wait    bool
	Timeout uint64
}

// Completion is the answer to a queue message. Response is nil if there is none.
type Completion struct {
	Status   string
	Response json.RawMessage
}

// CheckSent returns an error unless a client may send doc: one JSON value in UTF-8, nested no deeper than MaxDepth,
// and in a binary encoding without integers beyond 2^53, which would arrive as others there, as in JavaScript.
func CheckSent(e ClientEncoding, doc []byte) error {
	if err := CheckJSON(doc, MaxDepth); err != nil || !e.Binary() {
		return err
	}
	c := numbers{checker{b: doc}}
	return c.value()
}

// numbers looks at the numbers of a document that has been checked.
type numbers struct{ checker }

func (n *numbers) value() error {
	n.space()
	start := n.i
	switch b := n.peek(); {
	case b == '[':
		return n.elements(n.value)
	case b == '{':
		return n.object(tagDepth, func([]byte) error { return n.value() })
	case b == '-' || '0' <= b && b <= '9':
		if err := n.number(); err != nil {
			return err
		}
		return checkInteger(string(n.b[start:n.i]))
	}
	return n.checker.value(1)
}

func checkInteger(text string) error {
	if len(text) < 16 || strings.ContainsAny(text, ".eE") {
		return nil
	}
	if v, err := strconv.ParseInt(text, 10, 64); err != nil || v > maxSafeInteger || v < -maxSafeInteger {
		return errors.New("the integer " + clip(text) + " is beyond 2^53 and would arrive as another: send it as text, or use the encoding json")
	}
	return nil
}

// wide is an integer that JavaScript has as a bigint: in JSON a tag, or a number.
type wide uint64

// UnmarshalJSON implements json.Unmarshaler.
func (w *wide) UnmarshalJSON(b []byte) error {
	var tag []string
	if json.Unmarshal(b, &tag) == nil && len(tag) == 2 && tag[0] == "$BigInt" {
		b = []byte(tag[1])
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	*w = wide(n)
	return err
}

// orNil returns nil for a value that is undefined or not there.
func orNil(doc json.RawMessage) json.RawMessage {
	if len(doc) == 0 {
		return nil
	}
	c := checker{b: doc}
	if first, second, ok := c.pair(); ok && tagOf(first, second) == tagUndefined {
		return nil
	}
	return doc
}
