package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

var (
	timeType        = reflect.TypeFor[time.Time]()
	rawType         = reflect.TypeFor[json.RawMessage]()
	numberType      = reflect.TypeFor[json.Number]()
	marshaler       = reflect.TypeFor[json.Marshaler]()
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// special is for types that have a JSON form of their own.
func (b *builder) special(t reflect.Type) (Schema, bool) {
	switch t {
	case timeType:
		return Schema{"type": "string", "format": "date-time"}, true
	case rawType:
		return nil, true
	case numberType:
		return Schema{"type": "number"}, true
	}
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return nil, false // null, or what it points to
	}
	own, text := marshaler, textMarshaler
	if b.dir == In {
		own, text = unmarshaler, textUnmarshaler
	}
	switch {
	case implements(t, own):
		return nil, true // only its methods know
	case implements(t, text):
		return Schema{"type": "string"}, true
	}
	return nil, false
}

// implements reports whether t or *t does. encoding/json uses the methods of *t where it has an address,
// which is everywhere when it reads, and nearly everywhere when it writes.
func implements(t, iface reflect.Type) bool {
	return t.Implements(iface) || reflect.PointerTo(t).Implements(iface)
}

// isBytes reports whether JSON writes the slice as base64.
func isBytes(t reflect.Type) bool {
	e := t.Elem()
	return e.Kind() == reflect.Uint8 && !implements(e, marshaler) && !implements(e, textMarshaler)
}
