package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// bareEncoding is Rivet's BARE: two bytes of version, a struct, and CBOR in the fields for values. It is the default
// of its clients. What they send is the same in all versions that they know, so one decoder reads them.
type bareEncoding struct{}

// Versions of the protocol.
const (
	bareOldest  = 1
	bareVersion = 4
)

// Tags of the messages.
const (
	bareInit     = 0
	bareError    = 1
	bareResponse = 2
	bareEvent    = 3

	bareAction       = 0
	bareSubscription = 1
)

func (bareEncoding) Name() string { return "bare" }

func (bareEncoding) Binary() bool { return true }

func (bareEncoding) ContentType() string { return "application/octet-stream" }

func (bareEncoding) Init(actorID, connID string) []byte {
	return bareText(bareText(bareMessage(bareInit), actorID), connID)
}

func (bareEncoding) Event(name string, args []byte) []byte {
	return bareValue(bareText(bareMessage(bareEvent), name), EscapeTags(args))
}

func (bareEncoding) Response(id uint64, output []byte) []byte {
	return bareValue(binary.AppendUvarint(bareMessage(bareResponse), id), orUndefined(output))
}

func (bareEncoding) Failure(f Failure) []byte {
	b := bareText(bareText(bareText(bareMessage(bareError), f.Group), f.Code), f.Message)
	if f.Metadata == nil {
		b = append(b, 0)
	} else {
		b = bareData(append(b, 1), appendMetadata(nil, EscapeTags(f.Metadata)))
	}
	if f.Action == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(append(b, 1), *f.Action)
	}
	return append(b, 0) // no actor
}

func (bareEncoding) ActionReply(output []byte) []byte {
	return bareValue(bareBody(), orUndefined(output))
}

func (bareEncoding) QueueReply(status string, response []byte) []byte {
	b := bareText(bareBody(), status)
	if len(response) == 0 {
		return append(b, 0)
	}
	return bareValue(append(b, 1), EscapeTags(response))
}

func bareBody() []byte { return []byte{bareVersion, 0} }

func bareMessage(tag byte) []byte { return []byte{bareVersion, 0, tag} }

func bareText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func bareValue(b, value []byte) []byte { return bareData(b, appendValue(nil, value)) }

func bareData(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func (bareEncoding) Parse(data []byte) (m ClientMessage, err error) {
	r := newBareReader(data)
	switch r.byte() {
	case bareAction:
		m.ID, m.Name, m.Args = r.uint(), r.text(), UnescapeArgs(r.value())
		if r.err == nil && (m.Name == "" || m.Args[0] != '[') {
			r.err = errMessage
		}
	case bareSubscription:
		m.Event, m.Subscribe = r.text(), r.bool()
		if r.err == nil && m.Event == "" {
			r.err = errMessage
		}
	default:
		r.fail(errMessage)
	}
	if err := r.end(); err != nil {
		return ClientMessage{}, err
	}
	return m, nil
}

func (bareEncoding) ActionBody(body []byte) ([]byte, error) {
	r := newBareReader(body)
	args := r.value()
	if err := r.end(); err != nil {
		return nil, err
	}
	return jsonMember(`{"args":`, args), nil
}

func (bareEncoding) QueueBody(body []byte) ([]byte, error) {
	r := newBareReader(body)
	out := append([]byte(`{"body":`), r.value()...)
	if r.optional() {
		out = append(append(out, `,"name":`...), quote(r.text())...)
	}
	if r.optional() {
		out = strconv.AppendBool(append(out, `,"wait":`...), r.bool())
	}
	if r.optional() {
		out = strconv.AppendUint(append(out, `,"timeout":`...), r.u64(), 10)
	}
	return append(out, '}'), r.end()
}

// bareReader reads the fields of a struct. After an error it gives zero values.
type bareReader struct {
	b       []byte
	limit   int // of a value, in bytes of JSON
	version uint16
	err     error
}

// newBareReader reads the version.
func newBareReader(b []byte) *bareReader {
	r := &bareReader{b: b, limit: maxValue}
	if v := r.take(2); v != nil {
		if r.version = binary.LittleEndian.Uint16(v); r.version < bareOldest || r.version > bareVersion {
			r.fail(fmt.Errorf("it has the version %d, and %d to %d are known", r.version, bareOldest, bareVersion))
		}
	}
	return r
}

var errShort = errors.New("it ends too early")

func (r *bareReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// take returns the next n bytes, nil after an error.
func (r *bareReader) take(n uint64) []byte {
	if r.err == nil && n > uint64(len(r.b)) {
		r.err = errShort
	}
	if r.err != nil {
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *bareReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *bareReader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail(errors.New("a truth value is neither 0 nor 1"))
	}
	return b == 1
}

func (r *bareReader) optional() bool { return r.bool() && r.err == nil }

func (r *bareReader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size == 0 && r.err == nil {
		r.err = errShort
	}
	if size < 0 || size > 1 && r.b[size-1] == 0 {
		r.fail(errors.New("a number is longer than it need be"))
	}
	if r.take(uint64(max(size, 0))) == nil {
		return 0
	}
	return n
}

func (r *bareReader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *bareReader) text() string {
	b := r.take(r.uint())
	if !utf8.Valid(b) {
		r.fail(errors.New("a text is not UTF-8"))
		return ""
	}
	return string(b)
}

// value returns a CBOR document as JSON.
func (r *bareReader) value() json.RawMessage {
	b := r.take(r.uint())
	if r.err != nil {
		return nil
	}
	doc, err := FromCBOR(b, r.limit)
	r.fail(err)
	return doc
}

// end wants nothing to follow.
func (r *bareReader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errors.New("something follows it")
	}
	return r.err
}
