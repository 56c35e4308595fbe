package wire

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// example is one of docs/protocol.md: the same in each encoding.
type example struct {
	line int
	kind string
	in   map[string]string // by encoding
}

// examples reads the blocks that begin with "wire" and a kind.
func examples(t *testing.T) []example {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	var list []example
	lines := strings.Split(string(page), "\n")
	for i := 0; i < len(lines); i++ {
		kind, ok := strings.CutPrefix(lines[i], "```wire ")
		if !ok {
			continue
		}
		e := example{i + 1, kind, map[string]string{}}
		for i++; lines[i] != "```"; i++ {
			encoding, text, _ := strings.Cut(lines[i], " ")
			e.in[encoding] = strings.TrimSpace(text)
		}
		list = append(list, e)
	}
	return list
}

// bytes returns the example in an encoding.
func (e example) bytes(t *testing.T, encoding string) []byte {
	t.Helper()
	if encoding == "json" {
		return []byte(e.in[encoding])
	}
	return unhex(t, e.in[encoding])
}

// spoken is a message in JSON, of either side.
type spoken struct {
	Body struct {
		Tag string
		Val struct {
			ActorID, ConnectionID, Group, Code, Message, Name string
			Args, Output, Metadata                            json.RawMessage
			ID, ActionID                                      []string
		}
	}
}

func bigIntOf(t *testing.T, tag []string) uint64 {
	t.Helper()
	if len(tag) != 2 || tag[0] != "$BigInt" {
		t.Fatalf("%q is no BigInt", tag)
	}
	n, err := strconv.ParseUint(tag[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// say returns what the codec writes for a message of the host's.
func (m *spoken) say(t *testing.T, e Encoding) []byte {
	t.Helper()
	v := &m.Body.Val
	switch m.Body.Tag {
	case "Init":
		return e.Init(v.ActorID, v.ConnectionID)
	case "Event":
		return e.Event(v.Name, v.Args)
	case "ActionResponse":
		return e.Response(bigIntOf(t, v.ID), v.Output)
	}
	f := Failure{Group: v.Group, Code: v.Code, Message: v.Message, Metadata: v.Metadata}
	if v.ActionID != nil {
		n := bigIntOf(t, v.ActionID)
		f.Action = &n
	}
	return e.Failure(f)
}

// replied returns what the codec writes for an answer in JSON.
func replied(t *testing.T, e Encoding, doc string) []byte {
	t.Helper()
	var r struct {
		Output, Response json.RawMessage
		Status           string
	}
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		t.Fatal(err)
	}
	switch {
	case r.Status != "":
		return e.QueueReply(r.Status, r.Response)
	case string(r.Output) == `["$Undefined",0]`:
		return e.ActionReply(nil)
	}
	return e.ActionReply(r.Output)
}

// TestDocsProtocol holds the examples of docs/protocol.md to the codec: it writes those of the host's, and reads
// those of a client's, as the page has them.
func TestDocsProtocol(t *testing.T) {
	seen := map[string]int{}
	for _, x := range examples(t) {
		seen[x.kind]++
		for _, name := range []string{"json", "cbor", "bare"} {
			e, b := Of(name), x.bytes(t, name)
			var got, want any = string(b), x.in["json"]
			var err error
			switch x.kind {
			case "Init", "Event", "ActionResponse", "Error":
				var m spoken
				if err = json.Unmarshal([]byte(x.in["json"]), &m); m.Body.Tag != x.kind {
					t.Errorf("line %d: it is a %s, %v", x.line, m.Body.Tag, err)
				}
				want = string(m.say(t, e))
			case "ActionRequest", "SubscriptionRequest":
				got, err = e.Parse(b)
				want, _ = JSON.Parse([]byte(x.in["json"]))
			case "output", "completion":
				want = string(replied(t, e, x.in["json"]))
			case "action":
				got, err = text(e.ActionBody(b))
			case "queue":
				got, err = text(e.QueueBody(b))
			case "value":
				got, err = valueOf(name, b)
			default:
				t.Errorf("line %d: no kind of example: %s", x.line, x.kind)
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("line %d, %s of %s:\n got %q, %v\nwant %q", x.line, name, x.kind, got, err, want)
			}
		}
	}
	for _, kind := range []string{"Init", "Event", "ActionResponse", "Error", "ActionRequest", "SubscriptionRequest", "output", "completion", "action", "queue", "value"} {
		if seen[kind] == 0 {
			t.Errorf("no example of %s", kind)
		}
	}
}

func text(b []byte, err error) (any, error) { return string(b), err }

// valueOf reads a value of a client's.
func valueOf(encoding string, b []byte) (any, error) {
	switch encoding {
	case "cbor":
		return text(transcode(b, maxValue, true))
	case "bare":
		return text(FromCBOR(b, maxValue))
	}
	return string(b), nil
}
