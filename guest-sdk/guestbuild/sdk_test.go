package guestbuild

import (
	"os"
	"strings"
	"testing"
)

// TestVersionsAgree holds the constants of the supplied SDK to this repository's own module.
func TestVersionsAgree(t *testing.T) {
	for file, lines := range map[string]string{
		"../../go.mod": "go " + goVersion + ".0\n\t" + pdkModule + " " + pdkVersion + "\n",
		"../../go.sum": pdkSums,
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(lines) {
			if !strings.Contains("\n"+string(b), "\n"+line) {
				t.Errorf("%s lacks %q", file, line)
			}
		}
	}
}
