package wire

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
)

// cborEncoding is Rivet's CBOR. The client's validator wants ids that its decoder makes bigints of, which are those
// in 8 bytes; in values it reads the same tags as in JSON.
type cborEncoding struct{}

func (cborEncoding) Name() string { return "cbor" }

func (cborEncoding) Binary() bool { return true }

func (cborEncoding) ContentType() string { return "application/octet-stream" }

// cborMessage returns the head of {body: {tag, val}}, val with so many members.
func cborMessage(tag string, members int) []byte {
	b := appendText(appendHead(nil, majorMap, 1), "body")
	b = appendText(appendHead(b, majorMap, 2), "tag")
	b = appendText(appendText(b, tag), "val")
	return appendHead(b, majorMap, uint64(members))
}

func (cborEncoding) Init(actorID, connID string) []byte {
	b := appendText(appendText(cborMessage("Init", 2), "actorId"), actorID)
	return appendText(appendText(b, "connectionId"), connID)
}

func (cborEncoding) Event(name string, args []byte) []byte {
	b := appendText(appendText(cborMessage("Event", 2), "name"), name)
	return appendValue(appendText(b, "args"), EscapeTags(args))
}

func (cborEncoding) Response(id uint64, output []byte) []byte {
	b := appendWide(appendText(cborMessage("ActionResponse", 2), "id"), id)
	return appendValue(appendText(b, "output"), orUndefined(output))
}

func (cborEncoding) Failure(f Failure) []byte {
	n := 4
	if f.Metadata != nil {
		n++
	}
	b := appendText(appendText(cborMessage("Error", n), "group"), f.Group)
	b = appendText(appendText(b, "code"), f.Code)
	b = appendText(appendText(b, "message"), f.Message)
	if f.Metadata != nil {
		b = appendMetadata(appendText(b, "metadata"), EscapeTags(f.Metadata))
	}
	b = appendText(b, "actionId")
	if f.Action == nil {
		return append(b, cborNull)
	}
	return appendWide(b, *f.Action)
}

func (cborEncoding) Parse(data []byte) (m ClientMessage, err error) {
	doc, err := transcode(data, maxValue, true)
	if err != nil {
		return m, err
	}
	return jsonEncoding{}.Parse(doc)
}

func (cborEncoding) ActionBody(body []byte) ([]byte, error) { return transcode(body, maxValue, true) }

func (cborEncoding) QueueBody(body []byte) ([]byte, error) { return transcode(body, maxValue, true) }

func (cborEncoding) ActionReply(output []byte) []byte {
	return appendValue(appendText(appendHead(nil, majorMap, 1), "output"), orUndefined(output))
}

func (cborEncoding) QueueReply(status string, response []byte) []byte {
	n := uint64(1)
	if len(response) > 0 {
		n++
	}
	b := appendText(appendText(appendHead(nil, majorMap, n), "status"), status)
	if len(response) == 0 {
		return b
	}
	return appendValue(appendText(b, "response"), EscapeTags(response))
}

const (
	cborFalse   = 0xf4
	cborTrue    = 0xf5
	cborNull    = 0xf6
	cborFloat64 = 0xfb

	cborUndefined = 0xf7
)

// appendHead appends the head of an item in its shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return appendWideHead(b, major>>5, n)
}

func appendWideHead(b []byte, major byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, major<<5|27), n)
}

// appendWide appends an integer that JavaScript reads as a bigint.
func appendWide(b []byte, n uint64) []byte { return appendWideHead(b, majorUint, n) }

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// appendValue appends a JSON value as CBOR. A number is an integer if it fits 32 bits, as cbor-x has it, since its
// decoder makes a bigint of what is longer; else a float. An object has the head of 16 bits that cbor-x writes.
func appendValue(b, value []byte) []byte { return appendForm(b, value, encoder{}) }

// appendMetadata is appendValue with heads as short as can be, as Rivet's server writes what is its own.
func appendMetadata(b, value []byte) []byte { return appendForm(b, value, encoder{short: true}) }

// appendForm appends a JSON value in the form that e is set to.
func appendForm(b, value []byte, e encoder) []byte {
	s := sizer{checker: checker{b: value}}
	if s.value(tagDepth) != nil {
		return append(b, cborNull) // cannot be: what guests give is checked when they give it
	}
	e.checker, e.out, e.sizes = checker{b: value}, b, s.sizes
	_ = e.value() // as s
	return e.out
}

// sizer counts the elements of each list and object, in the order of their beginnings.
type sizer struct {
	checker
	sizes []int
}

func (s *sizer) value(depth int) error {
	s.space()
	at := len(s.sizes)
	next := func() error { s.sizes[at]++; return s.value(depth - 1) }
	switch b := s.peek(); {
	case b != '[' && b != '{':
		return s.checker.value(1)
	case depth <= 0:
		return errTooDeep
	case b == '[':
		s.sizes = append(s.sizes, 0)
		return s.elements(next)
	}
	s.sizes = append(s.sizes, 0)
	return s.object(depth, func([]byte) error { return next() })
}

// encoder writes the value that a sizer has seen.
type encoder struct {
	checker
	out    []byte
	sizes  []int
	short  bool // heads of objects are as short as can be
	native bool // tags have CBOR's own forms
	args   bool // the list that comes next is one of arguments
}

func (e *encoder) size() uint64 {
	n := e.sizes[0]
	e.sizes = e.sizes[1:]
	return uint64(n)
}

func (e *encoder) value() error {
	e.space()
	start := e.i
	switch e.peek() {
	case '[':
		if e.native && !e.args && e.tagged() {
			return nil
		}
		e.args = false
		e.out = appendHead(e.out, majorArray, e.size())
		return e.elements(e.value)
	case '{':
		e.mapHead(e.size())
		return e.object(tagDepth, func(name []byte) error {
			e.text(name)
			return e.value()
		})
	case '"':
		err := e.str()
		e.text(e.b[start:e.i])
		return err
	case 't':
		e.out = append(e.out, cborTrue)
	case 'f':
		e.out = append(e.out, cborFalse)
	case 'n':
		e.out = append(e.out, cborNull)
	default:
		err := e.number()
		e.out = appendNumber(e.out, string(e.b[start:e.i]))
		return err
	}
	return e.checker.value(1)
}

func (e *encoder) mapHead(n uint64) {
	if n <= math.MaxUint16 && !e.short {
		e.out = binary.BigEndian.AppendUint16(append(e.out, majorMap<<5|25), uint16(n))
		return
	}
	e.out = appendHead(e.out, majorMap, n)
}

// text writes a quoted string.
func (e *encoder) text(quoted []byte) {
	inner := quoted[1 : len(quoted)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			_ = json.Unmarshal(quoted, &s) // the checker has read it
			e.out = appendText(e.out, s)
			return
		}
	}
	e.out = append(appendHead(e.out, majorText, uint64(len(inner))), inner...)
}

func appendNumber(b []byte, text string) []byte {
	f, _ := strconv.ParseFloat(text, 64) // what is too large is infinite, as in JavaScript
	switch {
	case f != math.Trunc(f) || math.Abs(f) > math.MaxUint32 || f == 0 && text[0] == '-':
		return binary.BigEndian.AppendUint64(append(b, cborFloat64), math.Float64bits(f))
	case f < 0:
		return appendHead(b, majorNegative, uint64(-1-int64(f)))
	}
	return appendHead(b, majorUint, uint64(f))
}
