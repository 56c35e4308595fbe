package wire

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// What a client writes in this encoding has no tags but what CBOR has of its own.

func (cborEncoding) Action(id uint64, name string, args []byte) []byte {
	b := appendWide(appendText(cborMessage("ActionRequest", 3), "id"), id)
	b = appendText(appendText(b, "name"), name)
	return appendArgs(appendText(b, "args"), args)
}

func (cborEncoding) Subscription(event string, on bool) []byte {
	b := appendText(appendText(cborMessage("SubscriptionRequest", 2), "eventName"), event)
	return appendBool(appendText(b, "subscribe"), on)
}

func (cborEncoding) ActionRequest(args []byte) []byte {
	return appendArgs(appendText(appendHead(nil, majorMap, 1), "args"), args)
}

func (cborEncoding) QueueRequest(m QueueMessage) []byte {
	timed := m.Wait && m.Timeout > 0
	n := uint64(3)
	if timed {
		n++
	}
	b := appendNative(appendText(appendHead(nil, majorMap, n), "body"), m.Body)
	b = appendText(appendText(b, "name"), m.Queue)
	b = appendBool(appendText(b, "wait"), m.Wait)
	if timed {
		b = appendHead(appendText(b, "timeout"), majorUint, m.Timeout)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, cborTrue)
	}
	return append(b, cborFalse)
}

func (cborEncoding) ParseHost(data []byte, limit int) (HostMessage, error) {
	doc, err := FromCBOR(data, limit)
	if err != nil {
		return HostMessage{}, err
	}
	return jsonEncoding{}.ParseHost(doc, limit)
}

func (cborEncoding) ParseOutput(body []byte, limit int) (json.RawMessage, error) {
	doc, err := FromCBOR(body, limit)
	if err != nil {
		return nil, err
	}
	return jsonEncoding{}.ParseOutput(doc, limit)
}

func (cborEncoding) ParseCompletion(body []byte, limit int) (Completion, error) {
	doc, err := FromCBOR(body, limit)
	if err != nil {
		return Completion{}, err
	}
	return jsonEncoding{}.ParseCompletion(doc, limit)
}

func (cborEncoding) ParseFailure(body []byte, limit int) (Failure, error) {
	doc, err := FromCBOR(body, limit)
	if err != nil {
		return Failure{}, err
	}
	return jsonEncoding{}.ParseFailure(doc, limit)
}

// appendNative is appendValue for a client that tags nothing.
func appendNative(b, value []byte) []byte { return appendForm(b, value, encoder{native: true}) }

// appendArgs is appendNative for a list of arguments, which is no tag.
func appendArgs(b, args []byte) []byte { return appendForm(b, args, encoder{native: true, args: true}) }

// ToCBOR returns a value as a client sends it in places that are CBOR whatever the encoding: a creation's input.
func ToCBOR(value []byte) []byte { return appendValue(nil, escapeSent(value)) }

// CBOR's own forms, as cbor-x writes them.
const tagBytesOfJS = 64

// tagged writes the list that comes next in CBOR's own form, if it is a tag.
func (e *encoder) tagged() (done bool) {
	c := checker{b: e.b, i: e.i}
	first, second, ok := c.pair()
	if !ok {
		return false
	}
	var text string
	switch tagOf(first, second) {
	case tagNone:
		return false
	case tagUndefined:
		e.out = append(e.out, cborUndefined)
	case tagBytes:
		_ = json.Unmarshal(second, &text) // tagOf has read it
		b, _ := base64.StdEncoding.DecodeString(text)
		e.out = append(appendHead(appendHead(e.out, majorTag, tagBytesOfJS), majorBytes, uint64(len(b))), b...)
	case tagBigInt:
		_ = json.Unmarshal(second, &text)
		n, _ := new(big.Int).SetString(text, 10)
		e.out = appendBig(e.out, n)
	case tagSet:
		e.size()
		e.out = appendHead(e.out, majorTag, tagOfSet)
		inner := encoder{checker: checker{b: second}, out: e.out, sizes: e.sizes, native: true}
		_ = inner.value()
		e.out, e.sizes, e.i = inner.out, inner.sizes, c.i
		return true
	}
	e.size()
	e.i = c.i
	return true
}

// appendBig appends an integer that JavaScript reads as a bigint: in 8 bytes, or as a bignum.
func appendBig(b []byte, n *big.Int) []byte {
	major, tag := byte(majorUint), uint64(tagBigPositive)
	if n.Sign() < 0 {
		n = new(big.Int).Not(n)
		major, tag = majorNegative, tagBigNegative
	}
	if n.IsUint64() {
		return appendWideHead(b, major, n.Uint64())
	}
	raw := n.Bytes()
	return append(appendHead(appendHead(b, majorTag, tag), majorBytes, uint64(len(raw))), raw...)
}
