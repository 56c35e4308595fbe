package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// param is what an action expects of one argument.
type param struct {
	optional bool // may be left out at the end
	nullable bool // null is a value of it
	typ      reflect.Type
}

// paramOf looks at A once, when the action is made.
func paramOf[A any]() param {
	t := reflect.TypeFor[A]()
	p := param{optional: t.Kind() == reflect.Pointer, typ: t}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		p.nullable = true
	default:
		p.nullable = reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	}
	return p
}

// required returns how many arguments must be given: those at the end that are optional need not.
func required(params []param) int {
	n := len(params)
	for n > 0 && params[n-1].optional {
		n--
	}
	return n
}

// args are the arguments of one call, taken in order by next.
type args struct {
	action string
	params []param
	values [][]byte // each the JSON of one argument
	i      int      // the next argument
	err    error    // the first thing wrong
}

// split takes the list of arguments apart and checks their number. Values refer to doc.
func (d *args) split(doc []byte) error {
	values, ok := splitList(doc)
	if !ok {
		return UserError("invalid_arguments", "the arguments of "+d.action+" are not a JSON list")
	}
	least := required(d.params)
	if len(values) < least || len(values) > len(d.params) {
		want := fmt.Sprint(least)
		if least < len(d.params) {
			want = fmt.Sprintf("%d to %d", least, len(d.params))
		}
		return UserError("invalid_arguments", fmt.Sprintf("%s takes %s arguments, got %d", d.action, want, len(values)))
	}
	d.values = values
	return nil
}

// raw returns the arguments as they came.
func (d *args) raw() []json.RawMessage {
	raw := make([]json.RawMessage, len(d.values))
	for i, v := range d.values {
		raw[i] = v
	}
	return raw
}

// next decodes the next argument, or sets d.err.
func next[A any](d *args) (a A) {
	i := d.i
	d.i++
	if d.err != nil || i >= len(d.values) {
		return a
	}
	v := d.values[i]
	if string(v) == "null" && !d.params[i].nullable {
		d.fail(i, fmt.Sprintf("want %T, got null", a))
	} else if err := unmarshal(v, &a); err != nil {
		d.fail(i, explain(err))
	}
	return a
}

func (d *args) fail(i int, why string) {
	d.err = UserError("invalid_arguments", fmt.Sprintf("%s: argument %d: %s", d.action, i+1, why)).
		With(map[string]any{"action": d.action, "argument": i})
}

// explain says what is wrong with a document in words that do not need the guest's source.
func explain(err error) string {
	var e *json.UnmarshalTypeError
	if !errors.As(err, &e) {
		return err.Error()
	}
	s := fmt.Sprintf("want %v, got %s", e.Type, e.Value)
	if e.Field != "" {
		s = "field " + e.Field + ": " + s
	}
	return s
}

// splitList returns the elements of a JSON list without looking into them: what json.Unmarshal
// accepts or refuses later is each element. Nothing at all is an empty list. It exists because
// decoding into []json.RawMessage would scan large arguments twice more and copy them.
func splitList(b []byte) (values [][]byte, ok bool) {
	if b = trimSpace(b); len(b) == 0 {
		return nil, true
	}
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return nil, false
	}
	if b = trimSpace(b[1 : len(b)-1]); len(b) == 0 {
		return nil, true
	}
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			values = append(values, trimSpace(b[start:i]))
			start = i + 1
		}
	}
	return append(values, trimSpace(b[start:])), depth == 0 && !quoted
}

// trimSpace cuts what JSON calls white space.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
