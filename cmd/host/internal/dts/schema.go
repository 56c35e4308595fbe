package dts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// document is one schema, while it is written.
type document struct {
	g     *namer
	place string // names the root, if it refers to itself
	root  any
	defs  map[string]any
	// within are the definitions that the type which is being written is, rather than has as a part: an
	// alias that is itself is no type.
	within []string
}

// parse reads a schema; nil if there is none or it is no JSON.
func parse(g *namer, place string, schema json.RawMessage) *document {
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	d := &document{g: g, place: place}
	if len(schema) == 0 || dec.Decode(&d.root) != nil {
		return nil
	}
	if m, ok := d.root.(map[string]any); ok {
		d.defs, _ = m["$defs"].(map[string]any)
	}
	return d
}

// typ returns the type of a schema.
func (d *document) typ(schema any) string {
	m, ok := schema.(map[string]any)
	if !ok {
		if schema == false {
			return "never"
		}
		return "unknown"
	}
	var parts []string
	if ref, ok := m["$ref"].(string); ok {
		parts = append(parts, d.ref(ref))
	}
	if t := d.own(m); t != "" {
		parts = append(parts, t)
	}
	for _, k := range []string{"anyOf", "oneOf"} {
		if list, ok := m[k].([]any); ok {
			parts = append(parts, join(d.all(list), " | ", "never"))
		}
	}
	if list, ok := m["allOf"].([]any); ok {
		parts = append(parts, d.all(list)...)
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "unknown" })
	return join(parts, " & ", "unknown")
}

func (d *document) all(list []any) []string {
	var types []string
	for _, s := range list {
		types = append(types, d.typ(s))
	}
	return types
}

// own returns the type that a schema's own assertions describe, empty if they do not.
func (d *document) own(m map[string]any) string {
	if v, ok := m["const"]; ok {
		return literal(v)
	}
	if list, ok := m["enum"].([]any); ok {
		var types []string
		for _, v := range list {
			types = append(types, literal(v))
		}
		return join(types, " | ", "never")
	}
	var kinds []any
	switch t := m["type"].(type) {
	case string:
		kinds = []any{t}
	case []any:
		kinds = t
	default:
		if m["properties"] == nil {
			return ""
		}
		kinds = []any{"object"}
	}
	var types []string
	for _, k := range kinds {
		types = append(types, d.kind(k, m))
	}
	return join(types, " | ", "unknown")
}

func (d *document) kind(kind any, m map[string]any) string {
	switch kind {
	case "string", "boolean", "null":
		return kind.(string)
	case "number", "integer":
		return "number"
	case "array":
		return d.array(m)
	case "object":
		return d.object(m)
	}
	return "unknown"
}

// part returns the type of a schema that describes a part of a value.
func (d *document) part(schema any) string {
	outer := d.within
	d.within = nil
	defer func() { d.within = outer }()
	return d.typ(schema)
}

func (d *document) array(m map[string]any) string {
	prefix, _ := m["prefixItems"].([]any)
	items, ok := m["items"]
	if !ok {
		items = true
	}
	if len(prefix) == 0 && items != false {
		return "Array<" + d.part(items) + ">"
	}
	least := 0
	if n, ok := m["minItems"].(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			least = int(min(i, int64(len(prefix))))
		}
	}
	var types []string
	for i, s := range prefix {
		t := d.part(s)
		if i >= least {
			t = "(" + t + ")?"
		}
		types = append(types, t)
	}
	if items != false {
		types = append(types, "...Array<"+d.part(items)+">")
	}
	return "[" + strings.Join(types, ", ") + "]"
}

func (d *document) object(m map[string]any) string {
	properties, _ := m["properties"].(map[string]any)
	required := map[string]bool{}
	list, _ := m["required"].([]any)
	names := slices.Collect(maps.Keys(properties))
	for _, r := range list {
		if name, ok := r.(string); ok {
			required[name] = true
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		other := "unknown"
		if s, ok := m["additionalProperties"].(map[string]any); ok {
			other = d.part(s)
		}
		return "{ [key: string]: " + other + " }"
	}
	var b strings.Builder
	b.WriteString("{")
	for _, name := range names {
		s, ok := properties[name]
		if !ok {
			s = true
		}
		mark := "?"
		if required[name] {
			mark = ""
		}
		fmt.Fprintf(&b, " %s%s%s: %s;", comment(s), key(name), mark, d.part(s))
	}
	return b.String() + " }"
}

// join writes a union or an intersection; empty is its type without members.
func join(types []string, with, empty string) string {
	types = slices.Clone(types)
	seen := map[string]bool{}
	types = slices.DeleteFunc(types, func(t string) bool { again := seen[t]; seen[t] = true; return again })
	switch len(types) {
	case 0:
		return empty
	case 1:
		return types[0]
	}
	for i, t := range types {
		if strings.ContainsAny(t, "|&") {
			types[i] = "(" + t + ")"
		}
	}
	return strings.Join(types, with)
}
