package schemas

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// shape says what stands behind a keyword.
type shape int

const (
	unknown  shape = iota // an annotation, which is left out
	value                 // an assertion without a schema
	one                   // a schema
	list                  // a list of schemas
	named                 // schemas by name
	perItem               // a schema, for each member or element
	perNamed              // schemas by pattern, for each member
	refused               // what could reach or cost more than we can tell
)

// keywords of JSON Schema 2020-12. Those of other drafts are unknown.
var keywords = map[string]shape{
	"type": value, "enum": value, "const": value, "multipleOf": value,
	"maximum": value, "exclusiveMaximum": value, "minimum": value, "exclusiveMinimum": value,
	"maxLength": value, "minLength": value, "pattern": value,
	"maxItems": value, "minItems": value, "uniqueItems": value, "minContains": value, "maxContains": value,
	"maxProperties": value, "minProperties": value, "required": value, "dependentRequired": value,
	"not": one, "if": one, "then": one, "else": one,
	"allOf": list, "anyOf": list, "oneOf": list, "prefixItems": list,
	"properties": named,
	"items":      perItem, "contains": perItem, "additionalProperties": perItem, "propertyNames": perItem,
	"patternProperties": perNamed,
	"$id":               refused, "$anchor": refused, "$dynamicRef": refused, "$dynamicAnchor": refused,
	"$recursiveRef": refused, "$recursiveAnchor": refused, "$vocabulary": refused, "dependentSchemas": refused,
	"unevaluatedItems": refused, "unevaluatedProperties": refused,
}

const dialect = "https://json-schema.org/draft/2020-12/schema"

// cleaner writes a schema again with nothing in it but keywords that are known to be harmless, and with
// the price of each part.
type cleaner struct {
	doc   any
	defs  map[string]any
	label func(price) (string, error) // the format that charges a price
}

func newCleaner(doc any, label func(price) (string, error)) *cleaner {
	c := &cleaner{doc: doc, label: label}
	if m, ok := doc.(map[string]any); ok {
		c.defs, _ = m["$defs"].(map[string]any)
	}
	return c
}

func (c *cleaner) root() (any, error) {
	if depth(c.doc) > maxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d", maxDepth)
	}
	clean, err := c.schema(c.doc)
	if err != nil {
		return nil, err
	}
	m, ok := clean.(map[string]any)
	if !ok {
		return clean, nil
	}
	defs := map[string]any{}
	for name, def := range c.defs {
		if defs[name], err = c.schema(def); err != nil {
			return nil, fmt.Errorf("$defs %q: %w", name, err)
		}
	}
	m["$defs"] = defs
	return m, nil
}

// schema cleans one schema.
func (c *cleaner) schema(v any) (any, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a schema is an object or a boolean")
	}
	out := map[string]any{}
	p := price{base: 1, each: 1}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if err := c.keyword(out, k, m[k], &p); err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
	}
	label, err := c.label(p)
	out["format"] = label
	return out, err
}

// keyword puts a clean keyword into out, and what it costs into p.
func (c *cleaner) keyword(out map[string]any, k string, v any, p *price) (err error) {
	switch keywords[k] {
	case refused:
		return fmt.Errorf("this keyword is not taken")
	case value:
		out[k] = v
		p.value(k, v)
	case one:
		p.base += priceOf(v)
		out[k], err = c.schema(v)
	case perItem:
		p.each += priceOf(v)
		out[k], err = c.schema(v)
	case list:
		out[k], err = c.list(v, &p.base)
	case named:
		out[k], err = c.named(v, &p.base)
	case perNamed:
		out[k], err = c.named(v, &p.each)
	default:
		return c.core(out, k, v, p)
	}
	return err
}

// core is for the keywords that are about the schema itself.
func (c *cleaner) core(out map[string]any, k string, v any, p *price) error {
	switch k {
	case "$schema":
		if s, _ := v.(string); strings.TrimSuffix(s, "#") != dialect {
			return fmt.Errorf("only %s is taken", dialect)
		}
	case "$ref":
		ref, _ := v.(string)
		target, err := c.target(ref)
		if err != nil {
			return err
		}
		p.base += priceOf(target)
		out[k] = ref
	}
	return nil
}

var refForm = regexp.MustCompile(`^#/\$defs/([A-Za-z0-9_.-]{1,256})$`)

// target returns what a reference names: the document, or a definition at its root.
func (c *cleaner) target(ref string) (any, error) {
	if ref == "#" {
		return c.doc, nil
	}
	m := refForm.FindStringSubmatch(ref)
	if m == nil {
		return nil, fmt.Errorf("a reference is # or #/$defs/NAME, with a name of A-Z, a-z, 0-9, _, . and -")
	}
	def, ok := c.defs[m[1]]
	if !ok {
		return nil, fmt.Errorf("there is no definition %s", m[1])
	}
	return def, nil
}

func (c *cleaner) list(v any, cost *int64) (any, error) {
	in, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("it is not a list")
	}
	out := make([]any, len(in))
	for i, s := range in {
		*cost += priceOf(s)
		var err error
		if out[i], err = c.schema(s); err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
	}
	return out, nil
}

func (c *cleaner) named(v any, cost *int64) (any, error) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it is not an object")
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		*cost += priceOf(in[name])
		var err error
		if out[name], err = c.schema(in[name]); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
	return out, nil
}

// depth returns how deep a JSON value is nested.
func depth(v any) int {
	d := 0
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			d = max(d, depth(e))
		}
	case map[string]any:
		for _, e := range v {
			d = max(d, depth(e))
		}
	}
	return d + 1
}

// encodedLen returns about how many bytes v has as JSON.
func encodedLen(v any) int64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return int64(len(b))
}
