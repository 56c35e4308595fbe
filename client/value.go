package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/api/wire"
)

// Values are what encoding/json makes of Go values. What comes back without a form of its own in JSON fits the Go type
// for it: bytes of another client's fit a []byte, its bigints an integer or big.Int, its undefined leaves a variable
// as it is. Integers beyond 2^53 are refused unless the encoding is json: see docs/clients.md.

// Raw is a value as it is on the wire, JSON with Rivet's tags: for arguments, and for a whole result. As a result it is
// empty if there is none.
type Raw []byte

// MarshalJSON implements json.Marshaler.
func (r Raw) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// Bytes are sent as bytes: a Uint8Array to Rivet's clients, the input to a plain module. A guest in Go wants a []byte
// instead, which is text in base64.
type Bytes []byte

// MarshalJSON implements json.Marshaler.
func (b Bytes) MarshalJSON() ([]byte, error) { return wire.AppendBytes(nil, b), nil }

// encode returns a value as JSON that may be sent in an encoding.
func encode(in wire.ClientEncoding, what string, v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("client: encode %s: %w", what, err)
	}
	doc := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if err := wire.CheckSent(in, doc); err != nil {
		return nil, fmt.Errorf("client: encode %s: %w", what, err)
	}
	return doc, nil
}

func (c *Client) encodeArgs(args []any) ([]byte, error) {
	if len(args) == 0 {
		return []byte("[]"), nil
	}
	return encode(c.encoding, "the arguments", args)
}

// decode stores a value in what into points to. One that is undefined leaves it as it is.
func decode(doc json.RawMessage, into any) error {
	if raw, ok := into.(*Raw); ok {
		*raw = Raw(doc)
		return nil
	}
	if doc == nil {
		return nil
	}
	return json.Unmarshal(wire.Untag(doc), into)
}

// asciiJSON returns a document without other characters than ASCII's, for a header.
func asciiJSON(doc []byte) string {
	var b strings.Builder
	for _, r := range string(doc) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
