package guest

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

type purchase struct {
	Item string `json:"item"`
	Note *string
}

var _ = Actor("shop", Def[int]{
	Create: Create(func(c *Ctx[int], in purchase) (int, error) { return 0, nil }),
	Actions: Actions{
		"buy":   Action2(func(c *Ctx[int], p purchase, express *bool) (purchase, error) { return p, nil }),
		"close": Do0(func(c *Ctx[int]) error { return nil }),
		"any":   Action(func(c *Ctx[int], v any) (any, error) { return v, nil }),
	},
	CheckArgs: true,
})

func TestManifestHasSchemas(t *testing.T) {
	const in = `{"$defs":{"purchase":{"properties":{"Note":{"type":["string","null"]},"item":{"type":"string"}},"required":["item"],"type":"object"}}`
	const out = `{"$defs":{"purchase":{"properties":{"Note":{"type":["string","null"]},"item":{"type":"string"}},"required":["Note","item"],"type":"object"}}`
	got := registry["shop"].manifest(&abi.Manifest{})
	want := abi.ActorManifest{
		CheckArgs: true,
		Input:     json.RawMessage(in + `,"$ref":"#/$defs/purchase"}`),
		Actions: map[string]abi.ActionManifest{
			"buy": {
				Args:   json.RawMessage(in + `,"items":false,"minItems":1,"prefixItems":[{"$ref":"#/$defs/purchase"},{"type":["boolean","null"]}],"type":"array"}`),
				Result: json.RawMessage(out + `,"$ref":"#/$defs/purchase"}`),
			},
			"close": {Args: json.RawMessage(`{"items":false,"type":"array"}`), Result: json.RawMessage(`{"type":"null"}`)},
			"any":   {Args: json.RawMessage(`{"items":false,"minItems":1,"prefixItems":[true],"type":"array"}`)},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", encode(t, got), encode(t, want))
	}
}

func TestSchemaOfEvent(t *testing.T) {
	got := string(schemaOfEvent(reflect.TypeFor[string](), reflect.TypeFor[float64]()))
	if want := `{"items":false,"minItems":2,"prefixItems":[{"type":"string"},{"type":"number"}],"type":"array"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An actor without a Create, or with one that takes nothing, has no input to describe.
func TestSchemaOfInput(t *testing.T) {
	for _, create := range []any{nil, func(*Ctx[int]) (int, error) { return 0, nil }, 5} {
		if got := schemaOfInput(create); got != nil {
			t.Errorf("%T: %s", create, got)
		}
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
