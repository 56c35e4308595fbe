package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/bench/load"
)

// codec is the client's side of one of Rivet's encodings, as its published client writes it. What a server says is
// compared with what package wire says in its place.
type codec struct{ wire.Encoding }

func codecOf(encoding string) codec { return codec{wire.Of(encoding)} }

// call is a request for an action, but for its id.
type call struct {
	codec
	before, after []byte // the id
}

// call prepares an action with arguments in JSON, a list.
func (c codec) call(action, args string) call {
	switch c.Name() {
	case "bare":
		name := append(binary.AppendUvarint(nil, uint64(len(action))), action...)
		value := cborOf(args)
		return call{c, []byte{4, 0, 0}, append(binary.AppendUvarint(name, uint64(len(value))), value...)}
	case "cbor":
		head := cborHead("ActionRequest", 3)
		tail := append(cborText(cborText(nil, "name"), action), cborText(nil, "args")...)
		return call{c, cborText(head, "id"), append(tail, cborOf(args)...)}
	}
	return call{c, []byte(`{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","`),
		fmt.Appendf(nil, `"],"name":%q,"args":%s}}}`, action, args)}
}

// appendFrame appends the request as a frame.
func (c call) appendFrame(b []byte, id int) []byte {
	m := append(make([]byte, 0, 128), c.before...)
	switch c.Name() {
	case "bare":
		m = binary.AppendUvarint(m, uint64(id))
	case "cbor":
		m = binary.BigEndian.AppendUint64(append(m, 0x1b), uint64(id))
	default:
		m = strconv.AppendInt(m, int64(id), 10)
	}
	return c.frame(b, append(m, c.after...))
}

// frame appends a message as a client's frame.
func (c codec) frame(b, message []byte) []byte { return load.AppendFrame(b, message, !c.Binary()) }

// subscribe returns the message that subscribes to an event.
func (c codec) subscribe(event string) []byte {
	switch c.Name() {
	case "bare":
		return append(append(append([]byte{4, 0, 1}, byte(len(event))), event...), 1)
	case "cbor":
		b := cborText(cborText(cborHead("SubscriptionRequest", 2), "eventName"), event)
		return append(cborText(b, "subscribe"), 0xf5)
	}
	return fmt.Appendf(nil, `{"body":{"tag":"SubscriptionRequest","val":{"eventName":%q,"subscribe":true}}}`, event)
}

// isInit wants the message that begins a connection.
func (c codec) isInit(message []byte) error {
	head := c.Init("", "")
	ends := map[string]int{"bare": 2, "cbor": len("`lconnectionId`"), "json": len(`","connectionId":""}}}`)}
	if !bytes.HasPrefix(message, head[:len(head)-ends[c.Name()]]) {
		return fmt.Errorf("got %q and no Init", message)
	}
	return nil
}

// nothing wants the answer to an action without a value.
func (c codec) nothing(id int, message []byte) error {
	if !bytes.Equal(message, c.Response(uint64(id), nil)) {
		return fmt.Errorf("%q does not answer request %d", message, id)
	}
	return nil
}

// count reads the answer to an increment.
func (c codec) count(id int, message []byte) (int64, error) {
	tail := map[string]int{"bare": 2, "cbor": 1, "json": len("0}}}")}[c.Name()]
	zero := c.Response(uint64(id), []byte("0"))
	value, ok := bytes.CutPrefix(message, zero[:len(zero)-tail])
	if !ok || len(value) < tail {
		return 0, fmt.Errorf("%q does not answer request %d", message, id)
	}
	var err error
	switch c.Name() {
	case "bare":
		value, err = wire.FromCBOR(value[1:], len(message)) // after its length
	case "cbor":
		value, err = wire.FromCBOR(value, len(message))
	default:
		value = bytes.TrimSuffix(value, []byte("}}}"))
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a count: %w", message, err)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err == nil && n < 1 {
		err = errors.New("it has not grown")
	}
	return n, err
}

// cborOf returns a JSON value as clients write it in CBOR: it is what an answer in BARE carries.
func cborOf(value string) []byte {
	b := wire.Of("bare").ActionReply([]byte(value))[len("\x04\x00"):]
	_, n := binary.Uvarint(b)
	return b[n:]
}

// cborHead begins {body: {tag, val}}, val with so many members, with the long heads of objects that clients write.
func cborHead(tag string, members byte) []byte {
	b := cborText([]byte{0xb9, 0, 1}, "body")
	b = cborText(append(b, 0xb9, 0, 2), "tag")
	return append(cborText(cborText(b, tag), "val"), 0xb9, 0, members)
}

// cborText appends a text of less than 24 bytes.
func cborText(b []byte, s string) []byte { return append(append(b, 0x60|byte(len(s))), s...) }
