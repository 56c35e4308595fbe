package wire

import (
	"encoding/hex"
	"strings"
	"testing"
)

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatalf("error %v, want none", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("error %v, want one with %q", err, want)
	}
}

// unhex reads bytes as rivet-wire writes them: hex with text between quotes.
func unhex(tb testing.TB, s string) (b []byte) {
	tb.Helper()
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		p, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(part))
		if err != nil {
			tb.Fatal(err)
		}
		b = append(b, p...)
	}
	return b
}
