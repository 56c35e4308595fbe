package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestParseArgs(t *testing.T) {
	tests := []struct {
		name, in string
		want     string
		wantErr  string // substring; empty means success
	}{
		{name: "plain", in: `{"args":[1,"a",{"b":[null,true,false]}]}`, want: `[1,"a",{"b":[null,true,false]}]`},
		{name: "untouched", in: " {\n\"args\" :\t[ 1 , 1.50E+2 ] } \r\n", want: `[ 1 , 1.50E+2 ]`},
		{name: "none", in: `{"args":[]}`, want: `[]`},
		{name: "escaped name", in: `{"\u0061rgs":[1]}`, want: `[1]`},
		{name: "tags", in: `{"args":[["$BigInt","5"],["$$x",1]]}`, want: `[["$BigInt","5"],["$$x",1]]`},
		{name: "as deep as may be", in: `{"args":` + nested(MaxDepth-1) + `}`, want: nested(MaxDepth - 1)},
		{name: "one deeper", in: `{"args":` + nested(MaxDepth) + `}`, wantErr: "too deeply"},
		{name: "far deeper", in: `{"args":` + nested(300_000) + `}`, wantErr: "too deeply"},
		{name: "far deeper, in objects", in: `{"args":[` + strings.Repeat(`{"a":`, 100_000), wantErr: "too deeply"},
		{name: "deep and unclosed", in: `{"args":` + strings.Repeat("[", 100_000), wantErr: "too deeply"},
		{name: "empty", in: ``, wantErr: "an object is expected"},
		{name: "only the list", in: `[1]`, wantErr: "an object is expected"},
		{name: "null", in: `null`, wantErr: "an object is expected"},
		{name: "no args", in: `{}`, wantErr: "no member"},
		{name: "args is an object", in: `{"args":{}}`, wantErr: "not a list"},
		{name: "args is null", in: `{"args":null}`, wantErr: "not a list"},
		{name: "twice", in: `{"args":[],"args":[]}`, wantErr: "twice"},
		{name: "another member", in: `{"args":[],"x":1}`, wantErr: `unknown member "x"`},
		{name: "another case", in: `{"Args":[]}`, wantErr: "unknown member"},
		{name: "trailing bytes", in: `{"args":[]} x`, wantErr: "follows"},
		{name: "second document", in: `{"args":[]}{}`, wantErr: "follows"},
		{name: "cut", in: `{"args":[1`, wantErr: "ends"},
		{name: "trailing comma", in: `{"args":[1,]}`, wantErr: "a value is expected"},
		{name: "comment", in: `{"args":[/**/]}`, wantErr: "a value is expected"},
		{name: "NaN", in: `{"args":[NaN]}`, wantErr: "a value is expected"},
		{name: "leading zero", in: `{"args":[01]}`, wantErr: "a comma or an end"},
		{name: "single quotes", in: `{'args':[]}`, wantErr: "a member name"},
		{name: "not UTF-8", in: "{\"args\":[\"\xff\"]}", wantErr: "UTF-8"},
		{name: "NUL", in: "{\"args\":[\"\x00\"]}", wantErr: "control character"},
		{name: "byte order mark", in: "\ufeff{\"args\":[]}", wantErr: "an object is expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseArgs([]byte(tt.in))
			checkErr(t, err, tt.wantErr)
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// FuzzParseArgs holds the checker to encoding/json: they agree on what is JSON, but for text that
// is not UTF-8 and for depth.
func FuzzParseArgs(f *testing.F) {
	for _, s := range []string{`{"args":[1,"a\u00e9\n",{"b":[null,true,false,-0.5e-7]}]}`, `{"args":[]} x`, `[1e5]`, `"\ud800"`, nested(600)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := CheckJSON(b, 100_000) == nil, json.Valid(b) && utf8.Valid(b); got != want && len(b) < 10_000 {
			t.Errorf("CheckJSON(%q) = %v, want %v", b, got, want)
		}
		args, err := ParseArgs(b)
		if err != nil {
			return
		}
		var body struct{ Args []json.RawMessage }
		if err := json.Unmarshal(b, &body); err != nil || body.Args == nil {
			t.Errorf("ParseArgs takes %q, encoding/json does not: %v", b, err)
		}
		if !json.Valid(args) || args[0] != '[' || !strings.Contains(string(b), string(args)) {
			t.Errorf("args %q of %q", args, b)
		}
	})
}

func BenchmarkParseArgs(b *testing.B) {
	body := []byte(`{"args":[` + strings.Repeat(`{"name":"wörld","n":[1,2.5,null]},`, 300) + `1]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseArgs(body); err != nil {
			b.Fatal(err)
		}
	}
}
