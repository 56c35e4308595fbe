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
