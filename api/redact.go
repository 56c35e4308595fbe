package api

import (
	"net/url"
	"regexp"
	"strings"
)

// cut stands where a token was.
const cut = "[cut]"

// tokenShape finds what looks like a JWT wherever somebody may have put it. Dots may be encoded.
var tokenShape = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*(?:(?:\.|%2[eE])[A-Za-z0-9_-]*)*`)

// redactURL returns path and query of u for a log, without tokens. It works on the encoded path,
// as it came, and cuts rather too much than too little.
func redactURL(u *url.URL) string {
	path := u.EscapedPath()
	if strings.HasPrefix(path, "/gateway/") {
		path = redactTarget(path)
	}
	if u.RawQuery != "" {
		path += "?" + redactQuery(u.RawQuery)
	}
	return clip(redactText(path), 1<<10)
}

// redactTarget cuts what follows an "@", encoded or not, up to the next slash.
func redactTarget(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		at := strings.IndexByte(s, '@')
		if e := strings.Index(s, "%40"); e >= 0 && (at < 0 || e < at) {
			at = e
		}
		if at >= 0 {
			segments[i] = s[:at] + "@" + cut
		}
	}
	return strings.Join(segments, "/")
}

// redactQuery keeps the names of parameters, and the values of those that are known to be no
// secret. Other values are the business of clients and actors.
func redactQuery(raw string) string {
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		name, _, hasValue := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err != nil || !loggedParams[decoded] {
			if pairs[i] = name; hasValue {
				pairs[i] += "=" + cut
			}
		}
	}
	return strings.Join(pairs, "&")
}

// loggedParams are the query parameters whose values are logged.
var loggedParams = map[string]bool{
	"namespace": true, "name": true, "limit": true, "live": true, "follow": true, "after": true,
	pNamespace: true, pMethod: true, pRunner: true, pPool: true,
}

// redactText cuts what looks like a token out of any text.
func redactText(s string) string { return tokenShape.ReplaceAllString(s, cut) }

// clip bounds a text for a log, in bytes.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
