package schema

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// field is a member of a struct's JSON.
type field struct {
	name   string
	typ    reflect.Type
	doc    string
	tagged bool // the name is from the tag
	omits  bool // may be left out when written
	quoted bool // a number or bool, written as a string
}

// object returns the schema of a struct's members.
func (b *builder) object(t reflect.Type) Schema {
	properties := Schema{}
	var required []string
	for _, f := range fields(t) {
		s := b.of(f.typ)
		if f.quoted {
			s = Schema{"type": "string"}
		}
		if f.omits && b.dir == Out {
			s = b.withoutNull(f.typ, s)
		}
		if f.doc != "" {
			s = describe(s, f.doc)
		}
		properties[f.name] = anyOr(s)
		if !f.omits && (b.dir == Out || f.typ.Kind() != reflect.Pointer && f.typ.Kind() != reflect.Interface) {
			required = append(required, f.name)
		}
	}
	s := Schema{"type": "object"}
	if len(properties) > 0 {
		s["properties"] = properties
	}
	if required != nil {
		slices.Sort(required)
		s["required"] = required
	}
	return s
}

// withoutNull is the schema of a member that is left out instead of null.
func (b *builder) withoutNull(t reflect.Type, s Schema) Schema {
	if t.Kind() == reflect.Pointer {
		return b.of(t.Elem())
	}
	if kinds, ok := s["type"].([]string); ok && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		s["type"] = kinds[0]
	}
	return s
}

func describe(s Schema, doc string) Schema {
	if s == nil {
		s = Schema{}
	}
	s["description"] = doc
	return s
}

// fields returns the members that encoding/json gives a struct: those of embedded structs too, where the
// one nearest to the top has the name, then the one with a tag, and else nobody.
func fields(t reflect.Type) []field {
	var all []field
	taken := map[string]bool{}
	seen := map[reflect.Type]bool{}
	for level := []embedded{{typ: t}}; len(level) > 0; {
		var found []field
		var next []embedded
		for _, e := range level {
			own, inner := direct(e)
			found = append(found, own...)
			next = append(next, inner...)
			seen[e.typ] = true
		}
		for _, f := range found {
			if !taken[f.name] && dominant(found, f) {
				all = append(all, f)
			}
		}
		for _, f := range found {
			taken[f.name] = true
		}
		level = slices.DeleteFunc(next, func(e embedded) bool { return seen[e.typ] })
	}
	return all
}

// embedded is a struct whose members are those of another.
type embedded struct {
	typ      reflect.Type
	optional bool // it may be nil, and then has none
}

// dominant reports whether f wins among the members of its level.
func dominant(level []field, f field) bool {
	same, tagged := 0, 0
	for _, other := range level {
		if other.name == f.name {
			same++
			if other.tagged {
				tagged++
			}
		}
	}
	return same == 1 || f.tagged && tagged == 1
}

// direct returns the members that a struct itself declares, and the structs that it embeds.
func direct(e embedded) (own []field, inner []embedded) {
	for i := range e.typ.NumField() {
		sf := e.typ.Field(i)
		tag := sf.Tag.Get("json")
		typ, pointer := sf.Type, sf.Type.Kind() == reflect.Pointer && sf.Type.Name() == ""
		if pointer {
			typ = typ.Elem()
		}
		if tag == "-" || !sf.IsExported() && (!sf.Anonymous || typ.Kind() != reflect.Struct) {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if !validName(name) {
			name = ""
		}
		if sf.Anonymous && name == "" && typ.Kind() == reflect.Struct {
			inner = append(inner, embedded{typ, e.optional || pointer})
			continue
		}
		f := newField(sf, name, strings.Split(options, ","))
		f.omits = f.omits || e.optional
		own = append(own, f)
	}
	return own, inner
}

func newField(sf reflect.StructField, name string, options []string) field {
	f := field{name: name, typ: sf.Type, tagged: name != "", doc: sf.Tag.Get("doc")}
	if name == "" {
		f.name = sf.Name
	}
	k := sf.Type.Kind()
	canOmit := k != reflect.Struct && (k != reflect.Array || sf.Type.Len() == 0)
	f.omits = slices.Contains(options, "omitempty") && canOmit || slices.Contains(options, "omitzero")
	if k == reflect.Pointer {
		k = sf.Type.Elem().Kind()
	}
	f.quoted = slices.Contains(options, "string") && (reflect.Bool <= k && k <= reflect.Float64 || k == reflect.String)
	return f
}

// validName is encoding/json's rule for names in tags; another name is as none.
func validName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
