// Package schema derives JSON Schema 2020-12 from Go types, as encoding/json writes and reads them.
//
// It owns the rules of that translation and nothing else; which types an actor has is package guest's to
// know. It imports only the standard library, because a guest's build downloads no more than the PDK.
//
// One invariant: what a schema for [Out] describes is what encoding/json can write for the type. A schema
// for [In] refuses nothing that encoding/json writes for it; it is stricter than encoding/json's reading
// only where that takes null or nothing for a value that must be there.
package schema

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Direction says which way a value goes.
type Direction bool

// The directions: into the guest, by json.Unmarshal, or out of it, by json.Marshal.
const (
	In  Direction = false
	Out Direction = true
)

// Schema is a schema document. Nil allows anything.
type Schema map[string]any

// Of returns the schema of a type, with the named structs that it uses under $defs, or nil if it says
// nothing: any value will do.
func Of(t reflect.Type, d Direction) json.RawMessage {
	b := newBuilder(d)
	return b.document(b.of(t))
}

// List returns the schema of a list of arguments, one for each type. Those behind the first least of them
// may be left out.
func List(types []reflect.Type, least int, d Direction) json.RawMessage {
	b := newBuilder(d)
	s := Schema{"type": "array", "items": false}
	if least > 0 {
		s["minItems"] = least
	}
	var items []any
	for _, t := range types {
		items = append(items, anyOr(b.of(t)))
	}
	if items != nil {
		s["prefixItems"] = items
	}
	return b.document(s)
}

// Null returns the schema of what has no value.
func Null() json.RawMessage { return json.RawMessage(`{"type":"null"}`) }

// builder gathers the definitions of one document.
type builder struct {
	dir   Direction
	names map[reflect.Type]string // of structs in defs
	defs  map[string]any
}

func newBuilder(d Direction) *builder {
	return &builder{dir: d, names: map[reflect.Type]string{}, defs: map[string]any{}}
}

func (b *builder) document(s Schema) json.RawMessage {
	if s == nil {
		return nil
	}
	if len(b.defs) > 0 {
		s["$defs"] = b.defs
	}
	doc, err := json.Marshal(s)
	if err != nil {
		return nil // it holds nothing but strings, numbers and maps of them
	}
	return doc
}

// of returns the schema of a value of type t.
func (b *builder) of(t reflect.Type) Schema {
	if s, ok := b.special(t); ok {
		return s
	}
	switch t.Kind() {
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := t.Bits()
		if t.Kind() == reflect.Int {
			bits = 64 // a guest's, whatever this program runs on
		}
		return Schema{"type": "integer", "minimum": int64(-1) << (bits - 1), "maximum": int64(1)<<(bits-1) - 1}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return Schema{"type": "integer", "minimum": 0, "maximum": ^uint64(0) >> (64 - bitsOf(t))}
	case reflect.Float32, reflect.Float64:
		return Schema{"type": "number"}
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Pointer:
		return nullable(b.of(t.Elem()))
	case reflect.Slice:
		if isBytes(t) {
			return Schema{"type": []string{"string", "null"}, "contentEncoding": "base64"}
		}
		return Schema{"type": []string{"array", "null"}, "items": anyOr(b.of(t.Elem()))}
	case reflect.Array:
		return Schema{"type": "array", "items": anyOr(b.of(t.Elem())), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return b.ofMap(t)
	case reflect.Struct:
		return b.ofStruct(t)
	}
	return nil // interfaces, and what JSON cannot encode, which the guest finds out when it tries
}

func bitsOf(t reflect.Type) int {
	if t.Kind() == reflect.Uint || t.Kind() == reflect.Uintptr {
		return 64
	}
	return t.Bits()
}

// ofMap is for maps, whose keys JSON writes as strings.
func (b *builder) ofMap(t reflect.Type) Schema {
	s := Schema{"type": []string{"object", "null"}, "additionalProperties": anyOr(b.of(t.Elem()))}
	switch k := t.Key().Kind(); {
	case implements(t.Key(), textMarshaler), implements(t.Key(), textUnmarshaler):
	case reflect.Int <= k && k <= reflect.Int64:
		s["propertyNames"] = Schema{"pattern": "^-?[0-9]+$"}
	case reflect.Uint <= k && k <= reflect.Uintptr:
		s["propertyNames"] = Schema{"pattern": "^[0-9]+$"}
	}
	return s
}

// ofStruct is for structs. A named one is a definition, so that it may contain itself and has its name
// in other languages too.
func (b *builder) ofStruct(t reflect.Type) Schema {
	if t.Name() == "" {
		return b.object(t)
	}
	name, ok := b.names[t]
	if !ok {
		name = b.nameFor(t)
		b.names[t] = name
		b.defs[name] = nil // taken, before the fields are looked at
		b.defs[name] = b.object(t)
	}
	return Schema{"$ref": "#/$defs/" + name}
}

// nameFor returns a name of letters, digits and _ that no other definition has.
func (b *builder) nameFor(t reflect.Type) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
			return r
		case r == '[', r == ',':
			return '_'
		}
		return -1
	}, withoutPaths(t.Name()))
	if base == "" {
		base = "Type"
	}
	name := base
	for n := 2; ; n++ {
		if _, taken := b.defs[name]; !taken {
			return name
		}
		name = base + strconv.Itoa(n)
	}
}

// withoutPaths shortens the type arguments of a generic type's name: Page[example.com/a.Item] is
// Page[Item].
func withoutPaths(name string) string {
	head, args, generic := strings.Cut(name, "[")
	if !generic {
		return name
	}
	parts := strings.Split(strings.TrimSuffix(args, "]"), ",")
	for i, p := range parts {
		parts[i] = p[strings.LastIndexAny(p, "./*")+1:]
	}
	return head + "[" + strings.Join(parts, ",") + "]"
}

// anyOr is s as a subschema.
func anyOr(s Schema) any {
	if s == nil {
		return true
	}
	return s
}

// nullable also allows null.
func nullable(s Schema) Schema {
	switch kind := s["type"].(type) {
	case string:
		s["type"] = []string{kind, "null"}
		return s
	case []string:
		return s // lists and maps allow it already
	}
	if s == nil || s["anyOf"] != nil {
		return s
	}
	return Schema{"anyOf": []any{s, Schema{"type": "null"}}}
}
