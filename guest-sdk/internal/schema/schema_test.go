package schema

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type node struct {
	Name string  `json:"name"`
	Next *node   `json:"next"`
	Kids []*node `json:"kids,omitempty"`
}

type base struct {
	ID   int    `json:"id"`
	Kind string `json:"kind"`
}

type extra struct {
	Kind  string `json:"kind"`
	Extra bool
}

type page[T any] struct {
	Items []T
	More  bool `json:",omitempty"`
}

type custom struct{ n int }

func (c *custom) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &c.n) }

type color int

func (c color) MarshalText() ([]byte, error) { return []byte("red"), nil }
func (c *color) UnmarshalText([]byte) error  { return nil }

type wide struct {
	base
	*extra
	Note     string `json:"note,omitempty" doc:"what for"`
	Skip     string `json:"-"`
	hidden   int
	Odd      int               `json:"b@d näme"`
	Quoted   int64             `json:"quoted,string"`
	When     time.Time         `json:"when"`
	Zero     time.Time         `json:"zero,omitzero"`
	Raw      json.RawMessage   `json:"raw"`
	Any      any               `json:"any"`
	Bytes    []byte            `json:"bytes"`
	Pair     [2]float32        `json:"pair"`
	ByNumber map[int]string    `json:"by_number"`
	ByColor  map[color]float64 `json:"by_color,omitempty"`
	Opt      *int              `json:"opt,omitempty"`
	Color    color             `json:"color"`
}

func TestOf(t *testing.T) {
	tests := []struct {
		name string
		typ  reflect.Type
		dir  Direction
		want string
	}{
		{"bool", reflect.TypeFor[bool](), In, `{"type":"boolean"}`},
		{"int8", reflect.TypeFor[int8](), In, `{"maximum":127,"minimum":-128,"type":"integer"}`},
		{"int", reflect.TypeFor[int](), In, `{"maximum":9223372036854775807,"minimum":-9223372036854775808,"type":"integer"}`},
		{"uint64", reflect.TypeFor[uint64](), Out, `{"maximum":18446744073709551615,"minimum":0,"type":"integer"}`},
		{"pointer", reflect.TypeFor[*string](), In, `{"type":["string","null"]}`},
		{"slice", reflect.TypeFor[[]string](), Out, `{"items":{"type":"string"},"type":["array","null"]}`},
		{"bytes", reflect.TypeFor[[]byte](), In, `{"contentEncoding":"base64","type":["string","null"]}`},
		{"any", reflect.TypeFor[any](), In, ``},
		{"raw", reflect.TypeFor[json.RawMessage](), In, ``},
		{"list of any", reflect.TypeFor[[]any](), In, `{"items":true,"type":["array","null"]}`},
		{"read by a method", reflect.TypeFor[custom](), In, ``},
		{"written without one", reflect.TypeFor[custom](), Out, `{"$defs":{"custom":{"type":"object"}},"$ref":"#/$defs/custom"}`},
		{"text", reflect.TypeFor[color](), In, `{"type":"string"}`},
		{"channel", reflect.TypeFor[chan int](), Out, ``},
		{"unnamed", reflect.TypeFor[struct{ A int8 }](), In, `{"properties":{"A":{"maximum":127,"minimum":-128,"type":"integer"}},"required":["A"],"type":"object"}`},
		{"recursive", reflect.TypeFor[node](), In, `{"$defs":{"node":{"properties":{` +
			`"kids":{"items":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]},"type":["array","null"]},` +
			`"name":{"type":"string"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},` +
			`"required":["name"],"type":"object"}},"$ref":"#/$defs/node"}`},
		{"generic", reflect.TypeFor[page[base]](), Out, `{"$defs":{"base":{"properties":{"id":{"maximum":9223372036854775807,"minimum":-9223372036854775808,"type":"integer"},"kind":{"type":"string"}},"required":["id","kind"],"type":"object"},` +
			`"page_base":{"properties":{"Items":{"items":{"$ref":"#/$defs/base"},"type":["array","null"]},"More":{"type":"boolean"}},"required":["Items"],"type":"object"}},"$ref":"#/$defs/page_base"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Of(tt.typ, tt.dir)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestList(t *testing.T) {
	got := string(List([]reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[any](), reflect.TypeFor[*bool]()}, 2, In))
	want := `{"items":false,"minItems":2,"prefixItems":[{"type":"string"},true,{"type":["boolean","null"]}],"type":"array"}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := string(List(nil, 0, In)), `{"items":false,"type":"array"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The members are those of encoding/json: of embedded structs, by their tags, and no others.
func TestFieldsAreThoseOfJSON(t *testing.T) {
	var members map[string]json.RawMessage
	written, err := json.Marshal(wide{extra: &extra{}, ByColor: map[color]float64{1: 2}, Note: "x", Opt: new(int), Zero: time.Now()})
	if err != nil || json.Unmarshal(written, &members) != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range fields(reflect.TypeFor[wide]()) {
		got[f.name] = true
		if members[f.name] == nil {
			t.Errorf("%q is no member", f.name)
		}
	}
	if len(got) != len(members) {
		t.Errorf("members are %v, want those of %s", got, written)
	}
}

// What encoding/json writes fits the schemas of both directions, from the zero value on.
func TestWhatIsWrittenFits(t *testing.T) {
	n := 3
	values := []any{
		wide{}, wide{hidden: 1, extra: &extra{}, Raw: json.RawMessage(`{"a":[1]}`), Bytes: []byte{0xff}, ByNumber: map[int]string{-4: ""}, ByColor: map[color]float64{1: 2}, Opt: &n, When: time.Now()},
		node{}, node{Next: &node{Kids: []*node{nil, {}}}},
		page[node]{Items: []node{{}}, More: true}, []any{nil, 1.5, "x"}, map[string][]byte{"a": nil},
	}
	for _, v := range values {
		for _, d := range []Direction{In, Out} {
			sch := compile(t, Of(reflect.TypeOf(v), d))
			doc, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			if err := sch.Validate(decode(t, doc)); err != nil {
				t.Errorf("direction %v: %s does not fit: %v", d, doc, err)
			}
		}
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	tests := []struct {
		typ reflect.Type
		doc string
		why string
	}{
		{reflect.TypeFor[int8](), `128`, "maximum"},
		{reflect.TypeFor[uint](), `-1`, "minimum"},
		{reflect.TypeFor[base](), `{"id":"1","kind":""}`, "/id"},
		{reflect.TypeFor[base](), `{"id":1}`, "kind"},
		{reflect.TypeFor[node](), `{"name":"a","next":{"name":5}}`, "/next/name"},
		{reflect.TypeFor[map[int]bool](), `{"x":true}`, "x"},
		{reflect.TypeFor[[2]int](), `[1]`, "minItems"},
	}
	for _, tt := range tests {
		err := compile(t, Of(tt.typ, In)).Validate(decode(t, []byte(tt.doc)))
		if err == nil || !strings.Contains(err.Error(), tt.why) {
			t.Errorf("%v takes %s, or says something else: %v", tt.typ, tt.doc, err)
		}
	}
}

func compile(t *testing.T, doc json.RawMessage) *jsonschema.Schema {
	t.Helper()
	if doc == nil {
		doc = json.RawMessage("true")
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s", decode(t, doc)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///s")
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return s
}

func decode(t *testing.T, doc []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
