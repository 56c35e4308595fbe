package actors

import (
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// An actor that lists origins is not reached by pages of others; what is no page has no origin.
func TestAllowOrigin(t *testing.T) {
	check := func(allowed []string, origin string) abi.Code {
		return abi.CodeOf(allowOrigin(allowed, origin))
	}
	one := []string{"https://a.example"}
	for _, tt := range []struct {
		allowed []string
		origin  string
		want    abi.Code
	}{
		{nil, "https://b.example", 0}, {one, "", 0}, {one, "https://a.example", 0}, {one, "https://A.example", 0},
		{one, "https://b.example", abi.CodeOriginDenied}, {one, "http://a.example", abi.CodeOriginDenied}, {one, "null", abi.CodeOriginDenied},
		{[]string{}, "https://a.example", abi.CodeOriginDenied},
	} {
		if got := check(tt.allowed, tt.origin); got != tt.want {
			t.Errorf("%v, page of %q: %v", tt.allowed, tt.origin, got)
		}
	}
}
