package abi

import "strings"

// Bounds of a manifest's open paths.
const (
	MaxOpenPaths = 16
	MaxOpenPath  = 128 // bytes
)

// ValidOpenPath reports whether s can stand in a manifest's list of open paths: "/hooks/stripe", or "/hooks/*" for all
// that is below.
func ValidOpenPath(s string) bool {
	return len(s) <= MaxOpenPath && plainPath(strings.TrimSuffix(s, "/*"))
}

// IsOpenPath reports whether a path, as it came, is one of a list of open paths. A path that different readers could
// take for different ones never is: none with an escape, a dot segment or an empty one.
func IsOpenPath(list []string, path string) bool {
	if !plainPath(path) {
		return false
	}
	for _, s := range list {
		root, below := strings.CutSuffix(s, "/*")
		if !below && s == path || below && strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

// plainPath reports whether s is a slash and a name, once or more, of letters, digits and "-_.~".
func plainPath(s string) bool {
	rest, ok := strings.CutPrefix(s, "/")
	if !ok {
		return false
	}
	for name := range strings.SplitSeq(rest, "/") {
		if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, notPlain) {
			return false
		}
	}
	return true
}

func notPlain(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.~", r))
}
