package egress

import (
	"net/http"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// hostsOwn are request headers that frame the message, choose its receiver or speak to proxies. Set
// by a guest, they could make a server see two requests where we see one. Those that begin with
// "proxy-" are refused, too.
var hostsOwn = map[string]bool{
	"connection": true, "content-length": true, "expect": true, "host": true, "http2-settings": true,
	"keep-alive": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// hopByHop are answer headers about the connection, which is ours.
var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-authenticate": true, "proxy-authentication-info": true,
	"proxy-connection": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// acrossOrigins are the request headers that follow a redirect to another server. Any other one may
// be a credential, whatever its name.
var acrossOrigins = map[string]bool{
	"accept": true, "accept-language": true, "content-language": true, "content-type": true,
	"if-modified-since": true, "if-none-match": true, "range": true, "user-agent": true,
}

// userAgent is sent unless the guest has its own.
const userAgent = "vivarium"

// requestHeader checks a guest's headers and adds those of the host. The secrets are already in.
func requestHeader(in map[string][]string, max int) (http.Header, error) {
	out := http.Header{}
	size := 0
	for name, values := range in {
		if err := checkName(name); err != nil {
			return nil, err
		}
		for _, v := range values {
			if !validValue(v) {
				return nil, abi.Errorf(abi.CodeInvalidArgument, "header %s: the value has a control character", name)
			}
			size += len(name) + len(v) + 4
			out.Add(name, v)
		}
	}
	if size > max {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "the headers take more than %d bytes", max)
	}
	if len(out["User-Agent"]) == 0 {
		out.Set("User-Agent", userAgent)
	}
	out.Set("Accept-Encoding", "gzip") // what this host decodes within bounds, whatever the guest would take
	return out, nil
}

func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case !validToken(name):
		return abi.Errorf(abi.CodeInvalidArgument, "the header name %.64q is not valid", name)
	case hostsOwn[lower] || strings.HasPrefix(lower, "proxy-"):
		return abi.Errorf(abi.CodeInvalidArgument, "the header %s is set by the host", lower)
	}
	return nil
}

// validToken reports whether s is a token of HTTP: a method or the name of a header.
func validToken(s string) bool {
	return s != "" && len(s) <= 256 && strings.IndexFunc(s, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		return !letter && !('0' <= r && r <= '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	}) < 0
}

// validValue reports whether a header's value has no control character: one that ends the line lets
// what follows be a header, or a request, of its own.
func validValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// responseHeader returns what a guest sees of an answer's header: lower-case names, without what
// concerns the connection. Cookies are passed on, since the host keeps none.
func responseHeader(in http.Header, decoded bool, m *mask) map[string][]string {
	drop := map[string]bool{"content-encoding": decoded, "content-length": decoded || m != nil}
	for _, v := range in.Values("Connection") {
		for name := range strings.SplitSeq(v, ",") {
			drop[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	out := make(map[string][]string, len(in))
	for name, values := range in {
		lower := strings.ToLower(name)
		if hopByHop[lower] || drop[lower] || m.names(lower) {
			continue
		}
		for _, v := range values {
			out[lower] = append(out[lower], strings.ToValidUTF8(m.text(v), "\uFFFD"))
		}
	}
	return out
}
