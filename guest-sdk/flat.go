package guest

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// A state of some numbers and texts is encoded at the end of nearly each turn that writes, which costs encoding/json some 8,000
// instructions of Wasm: a quarter of what such a turn takes. So how a flat type is encoded is laid out once, in the start-up. The bytes are
// the same, and what is not plain in any way is left to encoding/json.

// layout is how a flat struct is encoded: its members in turn, nil for a type that is left to encoding/json.
type layout []member

// member is a number, a text or a boolean of a struct, or of one within it.
type member struct {
	before string // what stands before it: braces, its name
	kind   reflect.Kind
	offset uintptr
}

// layoutOf returns the layout of t. The last member has no value but the end.
func layoutOf(t reflect.Type) layout {
	l, end, ok := appendLayout(nil, "", t, 0)
	if !ok || t.Kind() != reflect.Struct {
		return nil
	}
	return append(l, member{before: end})
}

// appendLayout appends what a value of t at an offset is made of. before is what stands before it, end what then stands before the next.
func appendLayout(l layout, before string, t reflect.Type, offset uintptr) (_ layout, end string, ok bool) {
	switch k := t.Kind(); {
	case t == reflect.TypeFor[json.Number]() || !isFlat(t):
		return nil, "", false
	case k == reflect.Struct:
		return appendStruct(l, before+"{", t, offset)
	case k == reflect.String || reflect.Bool <= k && k <= reflect.Uint64:
		return append(l, member{before, k, offset}), "", true
	}
	return nil, "", false
}

func appendStruct(l layout, before string, t reflect.Type, offset uintptr) (_ layout, end string, ok bool) {
	names := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, has := f.Tag.Lookup("json")
		switch {
		case f.Anonymous:
			return nil, "", false
		case name == "-" || !f.IsExported():
			continue
		case !has || name == "":
			name = f.Name
		}
		if names[name] || strings.ContainsFunc(name, notName) {
			return nil, "", false
		}
		names[name] = true
		if l, end, ok = appendLayout(l, before+`"`+name+`":`, f.Type, offset+f.Offset); !ok {
			return nil, "", false
		}
		before = end + ","
	}
	if len(names) == 0 {
		return l, before + "}", true
	}
	return l, strings.TrimSuffix(before, ",") + "}", true
}

// notName reports whether a rune makes a member's name more than a name: an option, or something to escape.
func notName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
}

// append appends the JSON of the struct at p, or nothing and false if it holds a text that encoding/json would escape.
func (l layout) append(b []byte, p unsafe.Pointer) ([]byte, bool) {
	whole := b
	for i := range l {
		m := &l[i]
		b = append(b, m.before...)
		at := unsafe.Add(p, m.offset)
		switch m.kind {
		case reflect.Bool:
			b = strconv.AppendBool(b, *(*bool)(at))
		case reflect.Int:
			b = strconv.AppendInt(b, int64(*(*int)(at)), 10)
		case reflect.Int8:
			b = strconv.AppendInt(b, int64(*(*int8)(at)), 10)
		case reflect.Int16:
			b = strconv.AppendInt(b, int64(*(*int16)(at)), 10)
		case reflect.Int32:
			b = strconv.AppendInt(b, int64(*(*int32)(at)), 10)
		case reflect.Int64:
			b = strconv.AppendInt(b, *(*int64)(at), 10)
		case reflect.Uint:
			b = strconv.AppendUint(b, uint64(*(*uint)(at)), 10)
		case reflect.Uint8:
			b = strconv.AppendUint(b, uint64(*(*uint8)(at)), 10)
		case reflect.Uint16:
			b = strconv.AppendUint(b, uint64(*(*uint16)(at)), 10)
		case reflect.Uint32:
			b = strconv.AppendUint(b, uint64(*(*uint32)(at)), 10)
		case reflect.Uint64:
			b = strconv.AppendUint(b, *(*uint64)(at), 10)
		case reflect.String:
			s := *(*string)(at)
			if !isPlain(s) {
				return whole, false
			}
			b = append(append(append(b, '"'), s...), '"')
		}
	}
	return b, true
}
