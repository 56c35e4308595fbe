package api

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
		got := string(escapeTags([]byte(in)))
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
		once := escapeTags(doc)
		if !json.Valid(once) {
			t.Fatalf("%q became %q", doc, once)
		}
		if twice := escapeTags(once); string(twice) != string(once) {
			t.Errorf("%q became %q and then %q", doc, once, twice)
		}
	})
}

func FuzzParseJSONMessage(f *testing.F) {
	f.Add([]byte(msgAction(0, "nop", "[1]")))
	f.Add([]byte(msgSubscribe("e", true)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := jsonWire{}.parse(data)
		if err == nil && (m.event == "") == (m.name == "") {
			t.Errorf("%q is %+v", data, m)
		}
		if err == nil && m.name != "" && (!json.Valid(m.args) || m.args[0] != '[') {
			t.Errorf("%q has the arguments %q", data, m.args)
		}
	})
}
