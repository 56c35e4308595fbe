package guest

import (
	"encoding/json"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// FuzzDocuments holds what is written by hand to what encoding/json writes.
func FuzzDocuments(f *testing.F) {
	f.Add("", "", int64(0), false, "")
	f.Add("room", "a/b", int64(-5), true, `{"a":[1, "<"]}`)
	f.Add("\"\\\x00<é", "\xff\xfe", int64(1)<<62, true, `null`)
	f.Fuzz(func(t *testing.T, a, b string, n int64, set bool, input string) {
		ref := Ref{ID: b, Name: a, Key: []string{a, "", b}[:n&3], Create: set}
		if json.Valid([]byte(input)) {
			ref.Input = json.RawMessage(input)
		}
		sameDocument(t, ref.document(), abi.Target(ref))
		s := abi.Schedule{Name: a, Action: b, After: n, At: -n, Every: n & 1, Cron: b, Timezone: a}
		sameDocument(t, scheduleDocument(&s), &s)
		spec := abi.ActorSpec{Name: a, Key: ref.Key, Get: set, Child: !set}
		sameDocument(t, specDocument(&spec), &spec)
		spec.Limits = &abi.ChildLimits{Gas: n, Egress: []string{a}}
		sameDocument(t, specDocument(&spec), &spec)
	})
}

func sameDocument(t *testing.T, got []byte, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s, want %s, %v", got, want, err)
	}
}
