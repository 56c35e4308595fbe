package guest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// TestABIDocListsCodes holds ABI.md to package abi.
func TestABIDocListsCodes(t *testing.T) {
	doc, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range abi.Codes() {
		if row := fmt.Sprintf("| %d | `%s` | %s |\n", c, c, c.Message()); !strings.Contains(string(doc), row) {
			t.Errorf("ABI.md lacks %s", row)
		}
	}
}
