package abi

import (
	"strings"
	"testing"
)

func TestOpenPaths(t *testing.T) {
	for s, want := range map[string]bool{
		"/hooks": true, "/hooks/stripe": true, "/hooks/*": true, "/a/b-c_d.e~f": true,
		"": false, "/": false, "*": false, "/*": false, "hooks": false, "/hooks/": false, "/hooks*": false, "/*/x": false, "/hooks//x": false, "//x": false,
		"/a/../b": false, "/./a": false, "/..": false, "/a%2fb": false, "/a b": false, "/a?b": false, "/a#b": false, `/a\b`: false, "/ü": false, "/a\n": false,
		"/" + strings.Repeat("a", MaxOpenPath): false,
	} {
		if got := ValidOpenPath(s); got != want {
			t.Errorf("ValidOpenPath(%q) = %v", s, got)
		}
	}
	list := []string{"/hooks/*", "/exact"}
	for path, want := range map[string]bool{
		"/hooks/stripe": true, "/hooks/a/b": true, "/exact": true,
		"/hooks": false, "/hooks/": false, "/hooksx": false, "/hooks/../admin": false, "/hooks/..": false, "/hooks/./x": false, "/hooks//x": false,
		"/hooks/%2e%2e/admin": false, "/hooks/..%2fadmin": false, `/hooks/..\admin`: false, "/hooks/x;y": false, "/Hooks/x": false,
		"/exact/": false, "/exact/x": false, "/exact?x": false, "/": false, "": false, "/hooks/*": false,
	} {
		if got := IsOpenPath(list, path); got != want {
			t.Errorf("IsOpenPath(%q) = %v", path, got)
		}
	}
	if IsOpenPath(nil, "/hooks/x") {
		t.Error("nothing listed is open")
	}
}
