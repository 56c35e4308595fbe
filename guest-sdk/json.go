package guest

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A number costs encoding/json some 7,000 instructions of Wasm, a list of one twice as many: more than all else that a small turn
// does. So plain values, of which most arguments, results and events are made, go past it. They are the
// same bytes, and what is not plain in any way is left to it, errors included.

// marshal is json.Marshal.
func marshal(v any) ([]byte, error) {
	if b, ok := appendPlain(nil, v); ok {
		return b, nil
	}
	return json.Marshal(v)
}

// list encodes arguments as a document.
func list(args []any) ([]byte, error) {
	b := append(make([]byte, 0, 64), '[')
	for i, v := range args {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = appendPlain(b, v); ok {
			continue
		}
		doc, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		b = append(b, doc...)
	}
	return append(b, ']'), nil
}

// appendPlain appends the JSON of a plain value, or nothing and false.
func appendPlain(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), true
	case bool:
		return strconv.AppendBool(b, v), true
	case int:
		return strconv.AppendInt(b, int64(v), 10), true
	case int64:
		return strconv.AppendInt(b, v, 10), true
	case string:
		if !isPlain(v) {
			return b, false
		}
		return append(append(append(b, '"'), v...), '"'), true
	}
	return b, false
}

// unmarshal is json.Unmarshal.
func unmarshal(doc []byte, v any) error {
	if !readPlain(doc, v) {
		return json.Unmarshal(doc, v)
	}
	return nil
}

// readPlain sets what v points to if that and the document are plain, or nothing and returns false.
func readPlain(doc []byte, v any) (ok bool) {
	switch v := v.(type) {
	case *int:
		var n int64
		if n, ok = plainInt(doc); ok && int64(int(n)) == n {
			*v = int(n)
			return true
		}
		return false
	case *int64:
		var n int64
		if n, ok = plainInt(doc); ok {
			*v = n
		}
	case *string:
		if ok = len(doc) >= 2 && doc[0] == '"' && doc[len(doc)-1] == '"' && isPlain(doc[1:len(doc)-1]); ok {
			*v = string(doc[1 : len(doc)-1])
		}
	}
	return ok
}

// plainDigits is how many digits fit into an int64 whatever they are.
const plainDigits = 18

// plainInt reads an integer as JSON has it.
func plainInt(doc []byte) (n int64, ok bool) {
	digits, minus := bytes.CutPrefix(doc, []byte("-"))
	if len(digits) == 0 || len(digits) > plainDigits || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if minus {
		n = -n
	}
	return n, true
}

// isPlain reports whether a text is the same in JSON: ASCII that encoding/json does not escape.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// encoder encodes one value again and again, into the same memory.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

// encode is json.Marshal. What it returns is good until the next call.
func (e *encoder) encode(v any) ([]byte, error) {
	if e.json == nil || e.buf.Cap() > keepBuffer {
		e.buf = bytes.Buffer{}
		e.json = json.NewEncoder(&e.buf)
	}
	e.buf.Reset()
	if err := e.json.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(e.buf.Bytes(), []byte("\n")), nil
}
