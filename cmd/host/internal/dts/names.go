package dts

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// namer gives definitions names that are no others', and the same name to definitions that are the same.
type namer struct {
	names map[string]string // by what a definition says, with all that it refers to
	taken map[string]bool
	decls map[string]string // by name
}

func newNamer() *namer {
	return &namer{names: map[string]string{}, taken: map[string]bool{"Registry": true, "RivetRegistry": true, "Actors": true, "Inputs": true, "Params": true, "Array": true}, decls: map[string]string{}}
}

// declared returns the declarations, by their names.
func (g *namer) declared() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(g.decls)) {
		list = append(list, g.decls[name])
	}
	return list
}

// name returns a name made of a text, which nobody else has.
func (g *namer) name(text string) string {
	base := pascal(text)
	name := base
	for n := 2; g.taken[name]; n++ {
		name = base + strconv.Itoa(n)
	}
	g.taken[name] = true
	return name
}

// pascal makes a name of the letters and digits of a text: chat-room is ChatRoom. It begins with a capital,
// and so is no word of the language.
func pascal(text string) string {
	var b strings.Builder
	begin := true
	for _, r := range text {
		small := 'a' <= r && r <= 'z'
		if !small && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			begin = true
			continue
		}
		if begin && small {
			r -= 'a' - 'A'
		}
		b.WriteRune(r)
		begin = false
	}
	if s := b.String(); s != "" && s[0] > '9' {
		return s
	}
	return "T" + b.String()
}

// ref returns the name of a definition, which is declared at its first use.
func (d *document) ref(ref string) string {
	var schema any
	text := d.place
	switch name, ok := strings.CutPrefix(ref, "#/$defs/"); {
	case ref == "#":
		schema = d.root
	case ok && d.defs[name] != nil:
		schema, text = d.defs[name], name
	default:
		return "unknown"
	}
	if slices.Contains(d.within, ref) {
		return "unknown" // it is itself, by way of others: that describes nothing
	}
	id := text + d.closure(ref)
	if name, ok := d.g.names[id]; ok {
		if d.wouldLoop(ref) {
			return "unknown"
		}
		return name
	}
	name := d.g.name(text)
	d.g.names[id] = name
	outer := d.within
	d.within = append(slices.Clone(outer), ref)
	d.g.decls[name] = fmt.Sprintf("%sexport type %s = %s;\n", strings.Replace(comment(schema), "*/ ", "*/\n", 1), name, d.typ(schema))
	d.within = outer
	return name
}

// wouldLoop reports whether a definition is, and does not only have as a part, one that is being written.
func (d *document) wouldLoop(ref string) bool {
	if len(d.within) == 0 {
		return false
	}
	seen := map[string]bool{}
	var reaches func(ref string) bool
	reaches = func(ref string) bool {
		if slices.Contains(d.within, ref) {
			return true
		}
		if seen[ref] {
			return false
		}
		seen[ref] = true
		return slices.ContainsFunc(inPlace(d.lookup(ref)), reaches)
	}
	return reaches(ref)
}

func (d *document) lookup(ref string) any {
	if ref == "#" {
		return d.root
	}
	return d.defs[strings.TrimPrefix(ref, "#/$defs/")]
}

// inPlace returns the references of a schema that describe the same value as it does.
func inPlace(schema any) (refs []string) {
	m, _ := schema.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		refs = append(refs, ref)
	}
	for _, k := range []string{"anyOf", "oneOf", "allOf"} {
		list, _ := m[k].([]any)
		for _, s := range list {
			refs = append(refs, inPlace(s)...)
		}
	}
	return refs
}

// closure returns what a definition says, with all that it refers to.
func (d *document) closure(ref string) string {
	said := map[string]string{}
	var collect func(ref string)
	collect = func(ref string) {
		if _, ok := said[ref]; ok {
			return
		}
		b, err := json.Marshal(d.lookup(ref))
		if err != nil {
			b = nil
		}
		said[ref] = string(b)
		for _, r := range references(d.lookup(ref)) {
			collect(r)
		}
	}
	collect(ref)
	b, _ := json.Marshal(said) // strings always encode; keys come sorted
	return string(b)
}

// references returns all references below a value.
func references(v any) (refs []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			refs = append(refs, references(e)...)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			refs = append(refs, ref)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			refs = append(refs, references(v[k])...)
		}
	}
	return refs
}
