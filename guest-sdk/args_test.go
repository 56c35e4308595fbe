package guest

import (
	"encoding/json"
	"testing"
)

// FuzzSplitList compares with what encoding/json finds in a list.
func FuzzSplitList(f *testing.F) {
	for _, s := range []string{``, `[]`, ` [ ] `, `[1,"a,]\\\"",{"x":[1,2]},null]`, `[[],[[]]]`, `[1,]`, `["`, `]`, `[]]`, `[[]`, `["\"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := splitList([]byte(s))
		var want []json.RawMessage
		if json.Unmarshal([]byte(s), &want) != nil || want == nil {
			return // each element is checked when it is decoded
		}
		if !ok || len(got) != len(want) {
			t.Fatalf("splitList(%q) = %q, %v, want %q", s, got, ok, want)
		}
		for i := range got {
			if string(got[i]) != string(want[i]) {
				t.Errorf("splitList(%q)[%d] = %q, want %q", s, i, got[i], want[i])
			}
		}
	})
}

// FuzzPlain holds what goes past encoding/json to what that says.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{``, `0`, `-0`, `-`, `01`, `-12`, `+1`, `1e3`, `9223372036854775807`, `-9223372036854775808`, `99999999999999999999`, `"a"`, `"a`, `"\"`, `"é"`, `"<"`, `null`, `true`, ` 1`, "\"\x7f\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, v := range []any{s, len(s), int64(-len(s)), nil, s == "", []byte(s)} {
			want, err := json.Marshal(v)
			if got, e := marshal(v); string(got) != string(want) || (e == nil) != (err == nil) {
				t.Errorf("%q becomes %q, %v, want %q, %v", v, got, e, want, err)
			}
			if got, e := list([]any{v, v}); string(got) != "["+string(want)+","+string(want)+"]" || e != nil {
				t.Errorf("two %q become %q, %v", v, got, e)
			}
		}
		samePlain[int](t, s)
		samePlain[int64](t, s)
		samePlain[string](t, s)
		samePlain[bool](t, s)
	})
}

func samePlain[T comparable](t *testing.T, s string) {
	var got, want T
	err, wanted := unmarshal([]byte(s), &got), json.Unmarshal([]byte(s), &want)
	if got != want || (err == nil) != (wanted == nil) {
		t.Errorf("%q is the %T %v, %v, want %v, %v", s, got, got, err, want, wanted)
	}
}
