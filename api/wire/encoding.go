package wire

import (
	"encoding/json"
	"errors"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Encoding writes and reads Rivet's messages: the same ones, in different bytes. Values are JSON with Rivet's tags
// whatever the encoding, since that is what guests read and write. What is written is escaped by EscapeTags; an
// empty value is undefined. What is read was sent by a stranger: errors are for it.
type Encoding interface {
	Name() string
	Binary() bool // the kind of WebSocket message that carries it
	ContentType() string

	// Messages of a connection, to the client.
	Init(actorID, connID string) []byte
	Event(name string, args []byte) []byte // args is a list
	Response(id uint64, output []byte) []byte
	Failure(f Failure) []byte
	// Parse reads a message of a client's.
	Parse(data []byte) (ClientMessage, error)

	// Bodies of HTTP. Those of requests become what the JSON encoding has, which is not checked yet.
	ActionBody(body []byte) ([]byte, error) // {"args":[…]}
	QueueBody(body []byte) ([]byte, error)  // {"body":…,"name":…,"wait":…,"timeout":…}; a time-out may be a BigInt
	ActionReply(output []byte) []byte
	QueueReply(status string, response []byte) []byte // an empty response is none
}

// Failure is an error as a connection's client gets it: of an action, or if that is nil of the connection.
type Failure struct {
	Group, Code, Message string
	Metadata             json.RawMessage // nil means none
	Action               *uint64
}

// ClientMessage is what a client sends: an action if Event is empty.
type ClientMessage struct {
	ID   uint64
	Name string
	Args json.RawMessage // a list

	Event     string
	Subscribe bool
}

// Of returns the encoding of that name, nil if there is none.
func Of(name string) Encoding { return encodings[name] }

var (
	// JSON is Rivet's JSON.
	JSON Encoding = jsonEncoding{}
	// Plain is JSON for clients that name no encoding: curl and people.
	Plain Encoding = plainEncoding{}
)

var encodings = map[string]Encoding{"json": JSON, "cbor": cborEncoding{}, "bare": bareEncoding{}}

var errMessage = errors.New("it is not a message of a connection")

// maxValue bounds a client's value as JSON. Whoever takes it has limits of its own, none of them higher.
const maxValue = abi.MaxArgs + 1<<10
