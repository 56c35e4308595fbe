package wire

import (
	"encoding/json"
	"testing"
)

func TestEscapeTags(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1}`:                          `{"a":1}`,
		`["$x",1]`:                         `["$$x",1]`,
		`["$$x",1]`:                        `["$$x",1]`,
		`["$BigInt","5"]`:                  `["$BigInt","5"]`,
		`["$Uint8Array","AA=="]`:           `["$Uint8Array","AA=="]`,
		`["$Undefined",0]`:                 `["$Undefined",0]`,
		`["$x"]`:                           `["$x"]`,
		`["$x",1,2]`:                       `["$x",1,2]`,
		`["x","$y"]`:                       `["x","$y"]`,
		`"$x"`:                             `"$x"`,
		`{"$x":["$x", ["$y" ,null]] }`:     `{"$x":["$$x", ["$$y" ,null]] }`,
		`[["$a",1],["$b",{"c":["$d",0]}]]`: `[["$$a",1],["$$b",{"c":["$$d",0]}]]`,
		`["\u0024x",1]`:                    `["$\u0024x",1]`,
		`["$",1]`:                          `["$$",1]`,
		`[ "$x" , "\"]" ]`:                 `[ "$$x" , "\"]" ]`,
		`[]`:                               `[]`,
	} {
		got := string(EscapeTags([]byte(in)))
		if got != want || !json.Valid([]byte(got)) {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func FuzzEscapeTags(f *testing.F) {
	f.Add([]byte(`[["$a",1],{"b":["$BigInt","1"]}]`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			return
		}
		once := EscapeTags(doc)
		if !json.Valid(once) {
			t.Fatalf("%q became %q", doc, once)
		}
		if twice := EscapeTags(once); string(twice) != string(once) {
			t.Errorf("%q became %q and then %q", doc, once, twice)
		}
	})
}
