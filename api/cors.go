package api

import (
	"net/http"
	"strings"
)

// corsPaths are the roots of what a page of any origin may call. Nothing here is authorized by a
// cookie, so to name the origin and allow credentials, which Rivet's client asks for, gives a page
// nothing that it has no token for. Requests without a token in dev are kept from foreign pages by
// authenticate, not by CORS.
var corsPaths = []string{"/gateway", "/actors", "/metadata"}

// setCORS writes the CORS headers and reports whether the path has any.
func setCORS(h http.Header, r *http.Request) bool {
	if !hasCORS(r.URL.RawPath) {
		return false
	}
	h["Vary"] = varyOrigin
	origin := r.Header.Get("Origin")
	if origin == "" {
		h["Access-Control-Allow-Origin"] = anyOrigin
		return true
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	// With credentials a browser takes "*" literally, so the names are listed as well.
	h.Set("Access-Control-Expose-Headers", "*, x-rivet-actor, x-rivet-error, x-rivet-ray-id, retry-after")
	return true
}

func hasCORS(path string) bool {
	for _, root := range corsPaths {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// preflight writes the headers of the answer to an OPTIONS request, which needs no token and wakes
// no actor.
func preflight(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS, PATCH")
	headers := "*"
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		headers = strings.Join(asked, ", ")
	}
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "86400")
	h.Add("Vary", "Access-Control-Request-Headers")
}
