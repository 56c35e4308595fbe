package schemas

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// checker makes the checker of an actor whose action "do" and whose input have this schema.
func checker(t *testing.T, schema string) *Checker {
	t.Helper()
	c, err := New(actor(schema))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func actor(schema string) *abi.ActorManifest {
	return &abi.ActorManifest{Actions: map[string]abi.ActionManifest{"do": {Args: json.RawMessage(schema)}}, Input: json.RawMessage(schema)}
}

func TestArgs(t *testing.T) {
	const list = `{"type":"array","prefixItems":[{"type":"integer","minimum":0,"maximum":18446744073709551615},` +
		`{"$ref":"#/$defs/person"}],"minItems":1,"items":false,` +
		`"$defs":{"person":{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z/]+$","format":"ignored"},` +
		`"friends":{"type":["array","null"],"items":{"anyOf":[{"$ref":"#/$defs/person"},{"type":"null"}]}}},"required":["name"]}}}`
	c := checker(t, list)
	tests := []struct {
		name, args string
		message    string // empty if it fits
		metadata   string
	}{
		{name: "one", args: `[1]`},
		{name: "the largest", args: `[18446744073709551615]`},
		{name: "a float that is whole", args: `[1.0]`},
		{name: "recursive", args: `[1,{"name":"a","friends":[null,{"name":"b","friends":[]}],"other":5}]`},
		{name: "type", args: `["x"]`, message: "do: argument 1: got string, want integer", metadata: `{"action":"do","argument":0,"path":"","reason":"got string, want integer"}`},
		{name: "deep", args: `[1,{"name":"a","friends":[{"name":5}]}]`, message: "do: argument 2: at /friends/0/name: got number, want string",
			metadata: `{"action":"do","argument":1,"path":"/friends/0/name","reason":"got number, want string"}`},
		{name: "missing", args: `[1,{}]`, message: "do: argument 2: missing property 'name'", metadata: `{"action":"do","argument":1,"path":"","reason":"missing property 'name'"}`},
		{name: "pattern", args: `[1,{"name":"A"}]`, message: "do: argument 2: at /name: 'A' does not match pattern '^[a-z/]+$'"},
		{name: "too few", args: `[]`, message: "do: want at least 1, got 0", metadata: `{"action":"do","path":"","reason":"want at least 1, got 0"}`},
		{name: "too many", args: `[1,{"name":"a"},3]`, message: "do: argument 3: nothing is expected here"},
		{name: "no list", args: `{}`, message: "do: got object, want array"},
		{name: "a text for a terminal", args: `[1,{"name":"\u001b[2J"}]`, message: "do: argument 2: at /name: '\\x1b[2J' does not match"},
		{name: "a member for a terminal", args: `[1,{"name":"a","friends":[{"\u001b":1}]}]`, message: "do: argument 2: at /friends/0: missing"},
		{name: "no JSON", args: `[1`, message: "do: it is not JSON"},
		{name: "two documents", args: `[1] [2]`, message: "do: it is not JSON"},
		{name: "too large", args: `[18446744073709551616]`, message: "do: argument 1: maximum"},
		{name: "a number that exact arithmetic would write out", args: `[1e999999999]`, message: "do: a number is out of range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := c.Args("do", []byte(tt.args))
			if tt.message == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			e := abi.AsError(err)
			if e == nil || e.Code != abi.CodeUser || e.PublicName() != "invalid_arguments" || !strings.HasPrefix(e.PublicMessage(), tt.message) {
				t.Fatalf("got %v, want %s", err, tt.message)
			}
			if m, _ := json.Marshal(e.Metadata); tt.metadata != "" && string(m) != tt.metadata {
				t.Errorf("metadata %s, want %s", m, tt.metadata)
			}
		})
	}
}

// Every place has a method; where there is no schema, anything goes.
func TestPlaces(t *testing.T) {
	c, err := New(&abi.ActorManifest{
		Input: json.RawMessage(`{"type":"string"}`), Params: json.RawMessage(`{"type":"object"}`),
		Queues: map[string]abi.QueueManifest{"jobs": {Body: json.RawMessage(`{"type":"number"}`)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var nothing *Checker
	tests := []struct {
		name string
		err  error
		want string // public code; empty if it fits
	}{
		{"input", c.Input([]byte(`"a"`)), ""},
		{"no input", c.Input(nil), ""},
		{"wrong input", c.Input([]byte(`1`)), "invalid_input"},
		{"params", c.Params([]byte(`{}`)), ""},
		{"no params", c.Params(nil), "invalid_params"},
		{"body", c.Body("jobs", []byte(`1`)), ""},
		{"wrong body", c.Body("jobs", []byte(`[]`)), "invalid_body"},
		{"unknown queue", c.Body("others", []byte(`[]`)), ""},
		{"unknown action", c.Args("do", []byte(`x`)), ""},
		{"no checker", nothing.Args("do", []byte(`x`)), ""},
	}
	for _, tt := range tests {
		if e := abi.AsError(tt.err); (tt.err == nil) != (tt.want == "") || e != nil && e.PublicName() != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, tt.err, tt.want)
		}
	}
}

// A schema may refer to nothing but its own parts, and may not be more than the host can afford.
func TestRefusedSchemas(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`{"type":"string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat(`{"not":`, maxDepth) + `true` + strings.Repeat(`}`, maxDepth)
	var patterns []string
	for i := range 40 {
		patterns = append(patterns, fmt.Sprintf(`"%da{400}":true`, i))
	}
	tests := []struct{ name, schema, want string }{
		{"file", `{"$ref":"file://` + filepath.ToSlash(secret) + `"}`, "reference"},
		{"relative", `{"$ref":"secret.json"}`, "reference"},
		{"network", `{"$ref":"http://127.0.0.1/x"}`, "reference"},
		{"remote definition", `{"$ref":"http://127.0.0.1/x#/$defs/a","$defs":{"a":true}}`, "reference"},
		{"no definition", `{"$ref":"#/$defs/a"}`, "definition"},
		{"pointer into anything", `{"$ref":"#/properties/a","properties":{"a":true}}`, "reference"},
		{"another base", `{"$id":"file:///etc/","type":"string"}`, "not taken"},
		{"another dialect", `{"$schema":"http://json-schema.org/draft-04/schema#"}`, "only"},
		{"a dialect of its own", `{"$schema":"file://` + filepath.ToSlash(secret) + `"}`, "only"},
		{"inside", `{"properties":{"a":{"items":{"$dynamicRef":"#a"}}}}`, "not taken"},
		{"in a definition", `{"$defs":{"a":{"$ref":"file:///etc/passwd"}}}`, "reference"},
		{"look-ahead", `{"pattern":"(?=a)"}`, "at /pattern"},
		{"many states", `{"pattern":"([a-z]{30}){30}x{200}"}`, "at /pattern"},
		{"many patterns", `{"patternProperties":{` + strings.Join(patterns, ",") + `}}`, "the patterns have more"},
		{"wrong keyword", `{"type":"strange"}`, "at /type"},
		{"wrong form", `{"properties":[]}`, "properties"},
		{"no schema", `5`, "object or a boolean"},
		{"no JSON", `{`, "JSON"},
		{"deep", deep, "deeper"},
		{"many parts", `{"allOf":[` + strings.Repeat(`{},`, MaxParts) + `{}]}`, "parts"},
		{"a number that is written out", `{"minimum":1e999999999}`, "range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &abi.Manifest{Actors: map[string]abi.ActorManifest{"a": *actor(tt.schema)}}
			if err := Verify(m); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), location) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	fits := `{"const":"` + strings.Repeat("x", MaxSchema-12) + `"}`
	manifest := func(schema string, actors int) *abi.Manifest {
		m := &abi.Manifest{Actors: map[string]abi.ActorManifest{}}
		for i := range actors {
			m.Actors[fmt.Sprint(i)] = abi.ActorManifest{Input: json.RawMessage(schema)}
		}
		return m
	}
	if err := Verify(manifest(fits, MaxSchemas/MaxSchema)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if err := Verify(manifest(fits, MaxSchemas/MaxSchema+1)); err == nil || !strings.Contains(err.Error(), "its schemas are longer") {
		t.Errorf("one too many: %v", err)
	}
	if err := Verify(manifest(fits+" ", 1)); err == nil || !strings.Contains(err.Error(), "is longer") {
		t.Errorf("one byte more: %v", err)
	}
}

// Schemas that look at one value in many ways end when the budget does, whatever the shape of the search.
func TestBombs(t *testing.T) {
	chain := func(start, keyword, end string) string {
		var defs []string
		for i := range 40 {
			next := fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1)
			defs = append(defs, fmt.Sprintf(`"d%d":{%q:[%s,%s]}`, i, keyword, next, next))
		}
		return `{` + start + `,"$defs":{` + strings.Join(defs, ",") + `,"d40":` + end + `}}`
	}
	const d0 = `"$ref":"#/$defs/d0"`
	const twice = `{"anyOf":[{"items":{"$ref":"#"},"type":"array"},{"items":{"$ref":"#"},"type":"array","minItems":9}]}`
	tests := []struct{ name, schema, value string }{
		{"allOf", chain(d0, "allOf", `true`), `[1]`},
		{"anyOf that fails by type", chain(d0, "anyOf", `{"type":"string"}`), `[1]`},
		{"oneOf that fails by enum", chain(d0, "oneOf", `{"enum":[1,2,3]}`), `[1]`},
		{"not, which wants no reasons", chain(`"not":{`+d0+`}`, "anyOf", `{"type":"string"}`), `[1]`},
		{"two ways at each level", twice, strings.Repeat("[", 40) + `1` + strings.Repeat("]", 40)},
		{"compared with each other", `{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"uniqueItems":true,"minItems":99999},`, 200), ",") + `]}`, `["` + strings.Repeat("x", 1<<20) + `",2]`},
		{"a long enum for each element", `{"items":{"enum":["` + strings.Repeat(`","x`, 8000) + `"]}}`, `[` + strings.TrimSuffix(strings.Repeat(`1,`, 50_000), ",") + `]`},
		{"patterns on a long text", `{"items":{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{"pattern":"(a|b){300}c"},`, 100), ",") + `]}}`, `["` + strings.Repeat("ab", 1<<18) + `"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checker(t, tt.schema).Args("do", []byte(tt.value))
			if err == nil || !strings.Contains(err.Error(), "takes too long") {
				t.Errorf("got %.200v", err)
			}
		})
	}
}

// What a client may send in earnest is checked within the budget, be it as long as it may.
func TestLongValuesAreChecked(t *testing.T) {
	const person = `{"type":"array","items":{"anyOf":[{"$ref":"#/$defs/p"},{"type":"null"}]},"$defs":{"p":{"type":"object","properties":{` +
		`"name":{"type":"string","maxLength":50},"age":{"type":"integer","minimum":0},"tags":{"type":["array","null"],"items":{"type":"string"}}},"required":["name"]}}}`
	tests := []struct{ name, schema, element string }{
		{"numbers", `{"type":"array","items":{"type":"integer"}}`, `1`},
		{"lists", `{"type":"array","items":{"type":"array","items":{"type":"integer"}}}`, `[]`},
		{"people", person, `{"name":"a","age":5,"tags":["x","y"]}`},
		{"a long text", `{"type":"array","items":{"type":"string","pattern":"^[a-z]+$"}}`, `"` + strings.Repeat("a", 1<<19) + `"`},
	}
	for _, tt := range tests {
		doc := "[" + strings.TrimSuffix(strings.Repeat(tt.element+",", (1<<20)/(len(tt.element)+1)), ",") + "]"
		if err := checker(t, tt.schema).Args("do", []byte(doc)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestHammerOneChecker(t *testing.T) {
	c := checker(t, `{"type":"array","items":{"type":"string","pattern":"^a+$"}}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := c.Args("do", []byte(`["aaa"]`)); err != nil {
					t.Error(err)
				}
				if err := c.Args("do", []byte(`["b"]`)); err == nil {
					t.Error("b passes for a")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkArgs(b *testing.B) {
	c, err := New(actor(`{"type":"array","prefixItems":[{"type":"integer"},{"type":"object","properties":{"a":{"type":"string"}}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Args("do", []byte(`[1,{"a":"b"}]`)); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzSchema looks for schemas that are taken and then fail in another way than by an error.
func FuzzSchema(f *testing.F) {
	f.Add(`{"type":"array","items":{"$ref":"#"}}`, `[[[]]]`)
	f.Add(`{"patternProperties":{"^a":false},"if":{"minimum":1.5},"then":{"multipleOf":0.1}}`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, schema, value string) {
		m := &abi.Manifest{Actors: map[string]abi.ActorManifest{"a": {Input: json.RawMessage(schema)}}}
		if Verify(m) != nil {
			return
		}
		a := m.Actors["a"]
		c, err := New(&a)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Input([]byte(value))
	})
}
