package actors

import (
	"errors"
	"slices"
	"testing"

	"github.com/vivarium-run/vivarium/tenants"
)

// TestUploadedModulesAskTwice: what an actor uploads has a name of the uploader's choice, and sends a secret only if
// the uploader's own module may, too.
func TestUploadedModulesAskTwice(t *testing.T) {
	for _, tt := range []struct {
		name, module, granted string
		may                   []string
		want                  bool
	}{
		{"a module", "shop", "shop", []string{"shop"}, true},
		{"another module", "shop", "shop", []string{"billing"}, false},
		{"a child that took the name", "billing", "agent", []string{"billing"}, false},
		{"a child, of a module's secret", "child", "agent", []string{"agent"}, false},
		{"a child that is named", "child", "agent", []string{"agent", "child"}, true},
	} {
		h := &Host{cfg: Config{Secrets: func(_ tenants.ID, module, _, _ string) (string, error) {
			if !slices.Contains(tt.may, module) {
				return "", errors.New("no")
			}
			return "value", nil
		}}}
		got, err := h.secrets(tenants.Default, tt.module, tt.granted)("KEY", "a.example")
		if (err == nil) != tt.want || err != nil && got != "" {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}
