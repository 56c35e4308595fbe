package hosttest

import (
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	seen := ""
	o := Output{See: func(line []byte) bool {
		if strings.HasPrefix(string(line), "#") {
			seen += string(line)
			return true
		}
		return false
	}}
	for _, piece := range []string{"one\n#t", "wo\nthr", "ee\n\n#", "four\nfi", "ve"} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", piece, n, err)
		}
	}
	if got, want := o.String(), "one\nthree\n\nfive"; got != want {
		t.Errorf("kept %q, want %q", got, want)
	}
	if want := "#two\n#four\n"; seen != want {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

// A guest may have its host print without end, in lines or not.
func TestOutputIsBounded(t *testing.T) {
	for name, piece := range map[string]string{"lines": strings.Repeat("x", 999) + "\n", "no line": strings.Repeat("x", 1000)} {
		t.Run(name, func(t *testing.T) {
			var o Output
			for range 3 * maxOutput / len(piece) {
				o.Write([]byte(piece))
			}
			if n := len(o.String()); n > 2*maxOutput {
				t.Errorf("keeps %d bytes, want at most %d", n, 2*maxOutput)
			}
		})
	}
}
