package api

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// headerNamespace names a namespace where a URL has no place for it, as in the direct form of the
// gateway; an operator needs it there.
const headerNamespace = "X-Rivet-Namespace"

// authenticate finds out who asks, for which namespace, and whether the route is theirs. It sets
// who and ns. The order matters: who has no valid token learns nothing else, and who lacks the
// right does not learn which namespaces exist. What the token is limited to comes last.
func (s *Server) authenticate(q *request) error {
	err := s.identify(q)
	if c := abi.CodeOf(err); c == abi.CodeUnauthenticated || c == abi.CodeForbidden || c == abi.CodeOriginDenied {
		s.stats.auth.Add(int(c))
	}
	return err
}

func (s *Server) identify(q *request) error {
	if len(q.route.rights) == 0 {
		return nil
	}
	who, err := s.principal(q)
	if abi.CodeOf(err) == abi.CodeUnauthenticated {
		if ok, e := s.open(q); e != nil {
			return e
		} else if ok {
			return s.spend(q)
		}
	}
	if err != nil {
		return err
	}
	q.asker = who
	if !slices.ContainsFunc(q.route.rights, who.May) {
		return abi.Errorf(abi.CodeForbidden, "")
	}
	asked, err := q.namespace()
	if err != nil {
		return err
	}
	ns, err := who.In(asked)
	if err != nil {
		return err
	}
	if _, err := s.cfg.Registry.Namespace(ns); err != nil && !(q.route.ofLeaving() && who.May(tenants.RightOperate) && s.leaves(ns)) {
		return err
	}
	q.who, q.ns = who, ns
	if err := s.admit(q); err != nil {
		return err
	}
	return s.spend(q)
}

// leaves reports whether a namespace is being removed.
func (s *Server) leaves(ns tenants.ID) bool {
	_, ok := s.cfg.Registry.Leaves(ns)
	return ok
}

// namespace returns the namespace that the request names, empty if it names none.
func (q *request) namespace() (asked string, err error) {
	if named, ok := q.params["namespace"]; ok {
		return named, nil
	}
	if asked = q.target.namespace; !q.route.gateway() {
		if asked, err = q.one("namespace"); err != nil {
			return "", err
		}
	}
	if asked == "" {
		asked = q.Header.Get(headerNamespace)
	}
	return asked, nil
}

// principal returns whom the request's token speaks for, or dev's admin for a request without one.
func (s *Server) principal(q *request) (tenants.Principal, error) {
	token, found, err := credentials(q)
	switch {
	case err != nil:
		return tenants.Principal{}, err
	case found:
		who, err := s.tokens.Verify(q.Context(), token, s.now())
		if abi.CodeOf(err) == abi.CodeUnauthenticated {
			s.clientRates.failed(holdAddr(s.client(q.Request)), s.now())
		}
		return who, err
	case !s.cfg.Dev || !isLocal(q.Request):
		return tenants.Principal{}, abi.Errorf(abi.CodeUnauthenticated, "")
	case isForeign(q.Request):
		return tenants.Principal{}, abi.Errorf(abi.CodeForbidden, "a page of another site may not use this host without a token")
	}
	return tenants.Principal{Namespace: tenants.Default, Role: tenants.RoleAdmin}, nil
}

// credentials returns the token that counts: the one in the URL, which was meant for us, before
// the header of Rivet's, before Authorization, which on the gateway may have been meant for the
// actor. found is true for any attempt, so a malformed one is not taken for none.
func credentials(q *request) (token string, found bool, err error) {
	if q.target.hasToken {
		return q.target.token, true, nil
	}
	for _, header := range []string{"X-Rivet-Token", "Authorization"} {
		vs := q.Header.Values(header)
		switch {
		case len(vs) == 0:
			continue
		case len(vs) > 1:
			return "", true, abi.Wrap(abi.CodeUnauthenticated, errors.New("several "+header+" headers"))
		case header == "X-Rivet-Token":
			return vs[0], true, nil
		}
		scheme, token, _ := strings.Cut(vs[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", true, abi.Wrap(abi.CodeUnauthenticated, errors.New("the scheme is not Bearer"))
		}
		return strings.TrimSpace(token), true, nil
	}
	return "", false, nil
}

// listenerKey is the context key of a bool: whether the connection's listener is on loopback.
type listenerKey struct{}

// isLocal reports whether the request came to a loopback listener under a loopback name. The name
// counts because a page of any site can have its own name resolve to this machine. What a tunnel or
// another proxy on this machine passes on for others is theirs.
func isLocal(r *http.Request) bool {
	if loopback, ok := r.Context().Value(listenerKey{}).(bool); ok && !loopback {
		return false
	}
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return loopbackAddr(addr) && loopbackName(hostname(r.Host)) && !fromAfar(r)
}

// isForeign reports whether a page of another site sent the request. Browsers send Origin with
// everything that could change something, and Sec-Fetch-Site with the rest.
func isForeign(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return slices.Contains(r.Header.Values("Sec-Fetch-Site"), "cross-site")
	}
	u, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || u.Scheme != "http" && u.Scheme != "https" || !loopbackName(u.Hostname())
}

func loopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// hostname returns a Host header without its port and brackets.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// loopbackName reports whether browsers resolve name to loopback, whatever a name server says.
func loopbackName(name string) bool {
	name = strings.ToLower(name)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}
