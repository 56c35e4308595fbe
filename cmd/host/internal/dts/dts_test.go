package dts

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

var update = flag.Bool("update", false, "write the golden files again")

// The declarations of a decent and of a hostile module. `make types` gives these very files to the
// TypeScript compiler, so what this test compares is known to compile.
func TestGolden(t *testing.T) {
	for _, name := range []string{"shop", "hostile"} {
		t.Run(name, func(t *testing.T) {
			manifest, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			m := Module{Name: name, Version: 3}
			if err := json.Unmarshal(manifest, &m.Actors); err != nil {
				t.Fatal(err)
			}
			got := Write(m)
			golden := filepath.Join("testdata", name+".d.ts")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is out of date: run go test -update, then make types. Got:\n%s", golden, got)
			}
			if again := Write(m); again != got {
				t.Error("the same module gives another file")
			}
		})
	}
}

// outside matches what may stand in a file beside strings and comments.
var outside = regexp.MustCompile(`^[A-Za-z0-9_ \n:;,.(){}\[\]<>=|&?-]*$`)

// quoted matches strings and comments, whichever begins first.
var quoted = regexp.MustCompile(`(?s)"(?:[^"\\\x00-\x1f]|\\["\\u])*"|//[^\n]*|/\*.*?\*/`)

// FuzzWrite looks for a text that gets out of its quotes or its comment, whatever part of a manifest it is.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"a", `"`, `\`, "*/", "//", "\n", "\u2028", "'", "`", "\x00", "\xff", "😀", "</script>", "__proto__", "evil = 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		schema, err := json.Marshal(map[string]any{
			"description": s, "$ref": "#/$defs/" + s, "$defs": map[string]any{s: map[string]any{"type": s, "description": s}},
			"properties": map[string]any{s: map[string]any{"description": s, "const": s}}, "required": []string{s, s + "x"},
			"anyOf": []any{map[string]any{"enum": []any{s, json.Number("1")}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		out := Write(Module{Name: s, Actors: map[string]abi.ActorManifest{s: {
			Actions: map[string]abi.ActionManifest{s: {Args: schema, Result: schema}}, Events: []string{s},
			EventSchema: map[string]json.RawMessage{s: schema}, Queues: map[string]abi.QueueManifest{s: {Body: schema}}, Input: schema,
		}}})
		rest := quoted.ReplaceAllString(out, "")
		if !outside.MatchString(rest) {
			t.Errorf("text got out: %q", rest)
		}
	})
}
