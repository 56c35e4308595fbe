package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// cborForm checks the form of a document before transcoder walks it: nesting, counts against the
// bytes that are there, no indefinite lengths, nothing after the document.
var cborForm = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		MaxNestedLevels:  MaxDepth,
		MaxArrayElements: 131_072,
		MaxMapPairs:      131_072,
		IndefLength:      cbor.IndefLengthForbidden,
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return m
}()

// FromCBOR converts a CBOR document to at most limit bytes of JSON, as guests read it; more are ErrTooLong. Rivet's clients tag what JSON
// lacks before they encode, so lists that look like tags are passed on as they are; values that
// other clients leave native get the same tags here:
//
//	byte string, typed array      ["$Uint8Array", base64]
//	integer beyond 2^53, bignum   ["$BigInt", decimal]
//	undefined                     ["$Undefined", 0]
//	set (tag 258)                 ["$Set", [...]]
//	date (tag 1)                  ISO 8601 text, as JavaScript's toISOString writes it
//	map (tag 259 or none)         object; names must be text and differ
//	NaN and infinities            null, as in JavaScript
//	any other tag                 its content
//
// The order of names is kept. Errors are for the client.
func FromCBOR(b []byte, limit int) ([]byte, error) {
	return transcode(b, limit, false)
}

// transcode is FromCBOR. If native is set, the client has tagged nothing: a list that looks like a tag is one of the
// user's and is escaped, and an integer in the form of 8 bytes is a BigInt, since cbor-x writes those so, and a number
// beyond 32 bits as a float.
func transcode(b []byte, limit int, native bool) ([]byte, error) {
	if err := cborForm.Wellformed(b); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errors.New("it ends too early")
		}
		return nil, fmt.Errorf("not a CBOR document: %w", err)
	}
	t := transcoder{in: b, out: make([]byte, 0, min(limit, len(b)+len(b)/2+16)), limit: limit, native: native}
	if err := t.item(); err != nil {
		return nil, err
	}
	if len(t.out) > limit {
		return nil, ErrTooLong
	}
	return t.out, nil
}

// ErrTooLong reports a document that is too long as JSON.
var ErrTooLong = errors.New("it is too long as JSON")

// Major types.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// Tags that mean something here.
const (
	tagEpoch       = 1
	tagBigPositive = 2
	tagBigNegative = 3
	tagOfSet       = 258
)

// maxSafeInteger is the largest integer that a JavaScript number holds exactly, with all below it.
const maxSafeInteger = 1<<53 - 1

// maxBignum bounds a bignum, in bytes: writing it in decimal takes quadratic time.
const maxBignum = 1 << 10

// transcoder writes the well-formed document in as JSON. Being well formed, it cannot be overrun.
type transcoder struct {
	in     []byte
	out    []byte
	limit  int
	native bool
	depth  int // of objects around the next item
}

// head reads an item's head: its major type, additional information and argument.
func (t *transcoder) head() (major, info byte, arg uint64) {
	b := t.in[0]
	t.in = t.in[1:]
	major, info = b>>5, b&31
	switch info {
	case 24:
		arg, t.in = uint64(t.in[0]), t.in[1:]
	case 25:
		arg, t.in = uint64(binary.BigEndian.Uint16(t.in)), t.in[2:]
	case 26:
		arg, t.in = uint64(binary.BigEndian.Uint32(t.in)), t.in[4:]
	case 27:
		arg, t.in = binary.BigEndian.Uint64(t.in), t.in[8:]
	default:
		arg = uint64(info)
	}
	return major, info, arg
}

// take reads n bytes of a string.
func (t *transcoder) take(n uint64) []byte {
	b := t.in[:n]
	t.in = t.in[n:]
	return b
}

func (t *transcoder) add(s string) { t.out = append(t.out, s...) }

// item writes the next item.
func (t *transcoder) item() error {
	// A byte of CBOR can become 16 of JSON, so the result is bounded as it grows.
	if len(t.out) > t.limit {
		return ErrTooLong
	}
	major, info, arg := t.head()
	switch major {
	case majorUint, majorNegative:
		t.integer(arg, major == majorNegative, info)
	case majorBytes:
		t.out = AppendBytes(t.out, t.take(arg))
	case majorText:
		return t.text(t.take(arg))
	case majorArray:
		return t.array(arg)
	case majorMap:
		return t.object(arg)
	case majorTag:
		return t.tagged(arg)
	case majorSimple:
		return t.simple(info, arg)
	}
	return nil
}

// integer writes n, or -1-n if negative.
func (t *transcoder) integer(n uint64, negative bool, info byte) {
	switch {
	case t.native && info == 27:
		t.bigInt(new(big.Int).SetUint64(n), negative)
	case !negative && n <= maxSafeInteger:
		t.out = strconv.AppendUint(t.out, n, 10)
	case negative && n < maxSafeInteger:
		t.out = strconv.AppendInt(t.out, -1-int64(n), 10)
	default:
		t.bigInt(new(big.Int).SetUint64(n), negative)
	}
}

// bigInt writes n, or -1-n if negative.
func (t *transcoder) bigInt(n *big.Int, negative bool) {
	if negative {
		n.Not(n)
	}
	t.add(`["$BigInt","`)
	t.out = n.Append(t.out, 10)
	t.add(`"]`)
}

func (t *transcoder) text(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("a text is not valid UTF-8")
	}
	if isPlain(b) {
		t.out = append(append(append(t.out, '"'), b...), '"')
		return nil
	}
	quoted, err := json.Marshal(string(b))
	t.out = append(t.out, quoted...)
	return err
}

// isPlain reports whether a text is in JSON what it is, but for its quotes, as nearly all names are.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func (t *transcoder) array(n uint64) error {
	t.add("[")
	for i := range n {
		if i > 0 {
			t.add(",")
		}
		if i == 0 && n == 2 && t.native && t.beginsTag() {
			_, _, length := t.head()
			if err := t.text(append([]byte("$"), t.take(length)...)); err != nil {
				return err
			}
			continue
		}
		if err := t.item(); err != nil {
			return err
		}
	}
	t.add("]")
	return nil
}

// beginsTag reports whether the next item is a text that a tag could begin with.
func (t *transcoder) beginsTag() bool {
	next := *t
	major, _, n := next.head()
	return major == majorText && n > 0 && next.in[0] == '$'
}

func (t *transcoder) object(n uint64) error {
	t.add("{")
	t.depth++
	defer func() { t.depth-- }()
	var seen nameSet
	begin := len(t.out)
	for range n {
		major, _, length := t.head()
		if major != majorText {
			return errors.New("a map has a name that is no text")
		}
		name := t.take(length)
		if !seen.add(name) {
			return errors.New("a map has a name twice")
		}
		if t.native && t.depth == 1 && t.in[0] == cborUndefined && string(name) != "body" {
			t.in = t.in[1:] // an option of a message's that the client has not set
			continue
		}
		if len(t.out) > begin {
			t.add(",")
		}
		if err := t.text(name); err != nil {
			return err
		}
		t.add(":")
		if err := t.item(); err != nil {
			return err
		}
	}
	t.add("}")
	return nil
}

// nameSet is the names of one map. Few are looked through; more are hashed, or a client could make that slow.
type nameSet struct {
	few  [8][]byte
	n    int
	many map[string]struct{}
}

// add reports whether the name is new.
func (s *nameSet) add(name []byte) bool {
	if s.n < len(s.few) {
		for _, have := range s.few[:s.n] {
			if bytes.Equal(have, name) {
				return false
			}
		}
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, have := range s.few {
			s.many[string(have)] = struct{}{}
		}
	}
	before := len(s.many)
	s.many[string(name)] = struct{}{}
	return len(s.many) > before
}

func (t *transcoder) tagged(tag uint64) error {
	switch tag {
	case tagEpoch:
		return t.epoch()
	case tagBigPositive, tagBigNegative:
		major, _, n := t.head()
		if major != majorBytes || n > maxBignum {
			return fmt.Errorf("a bignum is not a byte string of at most %d bytes", maxBignum)
		}
		t.bigInt(new(big.Int).SetBytes(t.take(n)), tag == tagBigNegative)
		return nil
	case tagOfSet:
		if t.in[0]>>5 != majorArray {
			return errors.New("a set is not a list")
		}
		t.add(`["$Set",`)
		err := t.item()
		t.add("]")
		return err
	}
	return t.item()
}

// epoch writes a time, given in seconds.
func (t *transcoder) epoch() error {
	const maxMillis = 8.64e15 // the end of JavaScript's time
	major, info, arg := t.head()
	var ms float64
	switch {
	case major == majorUint:
		ms = float64(arg) * 1e3
	case major == majorNegative:
		ms = (-1 - float64(arg)) * 1e3
	case major == majorSimple && 25 <= info && info <= 27:
		ms = math.Round(float(info, arg) * 1e3)
	default:
		return errors.New("a date is not a number")
	}
	if math.IsNaN(ms) {
		t.add("null") // what an invalid Date is in JSON
		return nil
	}
	if math.Abs(ms) > maxMillis {
		return errors.New("a date is out of range")
	}
	at := time.UnixMilli(int64(ms)).UTC()
	switch y := at.Year(); {
	case y < 0:
		t.out = fmt.Appendf(t.out, `"-%06d%s"`, -y, at.Format("-01-02T15:04:05.000Z"))
	case y > 9999:
		t.out = fmt.Appendf(t.out, `"+%06d%s"`, y, at.Format("-01-02T15:04:05.000Z"))
	default:
		t.out = at.AppendFormat(t.out, `"2006-01-02T15:04:05.000Z"`)
	}
	return nil
}

func (t *transcoder) simple(info byte, arg uint64) error {
	switch {
	case info == 20:
		t.add("false")
	case info == 21:
		t.add("true")
	case info == 22:
		t.add("null")
	case info == 23:
		t.add(`["$Undefined",0]`)
	case 25 <= info && info <= 27:
		f := float(info, arg)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			t.add("null")
			return nil
		}
		b, err := json.Marshal(f + 0) // writes numbers as JavaScript does
		t.out = append(t.out, b...)
		return err
	default:
		return fmt.Errorf("the simple value %d has no meaning", arg)
	}
	return nil
}

// float returns the number of a head with additional information 25, 26 or 27.
func float(info byte, bits uint64) float64 {
	switch info {
	case 25:
		return half(uint16(bits))
	case 26:
		return float64(math.Float32frombits(uint32(bits)))
	}
	return math.Float64frombits(bits)
}

// half returns the value of an IEEE 754 binary16 (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exp, mant := int(bits>>10&0x1f), float64(bits&0x3ff)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(mant, -24)
	case 31:
		if f = math.Inf(1); mant != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mant+1024, exp-25)
	}
	if bits&0x8000 != 0 {
		f = -f
	}
	return f
}
