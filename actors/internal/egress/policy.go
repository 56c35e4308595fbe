package egress

import (
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Policy says where one module of one namespace may go, and which secrets it may name. Its zero
// value allows nothing. It is safe for concurrent use if Secrets is.
type Policy struct {
	lists [][]pattern

	// Secrets returns the value of a secret for requests to host, which is canonical and without a
	// port. It returns an error if there is none or it is bound to another host; the guest is told the
	// same in both cases. [abi.CodeNoSecretsKey] and [abi.CodeSecretUnreadable] the guest is told. Nil means
	// that there are no secrets.
	Secrets func(name, host string) (string, error)
}

// NewPolicy returns a policy that allows what each of the lists allows: a module's and its
// namespace's, and further ones for children. A pattern is a host or "*." and a host, with an optional
// port; it means https, port 443, unless "http://" or a port say otherwise. No list allows nothing.
func NewPolicy(lists ...[]string) (Policy, error) {
	var p Policy
	for _, list := range lists {
		patterns := make([]pattern, 0, len(list))
		for _, s := range list {
			q, err := parsePattern(s)
			if err != nil {
				return Policy{}, err
			}
			patterns = append(patterns, q)
		}
		p.lists = append(p.lists, patterns)
	}
	return p, nil
}

// Check returns an [abi.CodeEgressDenied] error if a request to url would be refused without a look at
// addresses.
func (p Policy) Check(url string) error {
	_, err := p.target(url)
	return err
}

// target reads a URL and applies the lists.
func (p Policy) target(url string) (target, error) {
	t, err := parseTarget(url)
	if err != nil {
		return t, denied(err.Error())
	}
	return t, p.allow(t)
}

// Rules that a request is refused by.
const (
	ruleNoEgress   = "the module may not reach the network"
	ruleNotAllowed = "the host is not allowed, or not with this scheme and port"
)

func (p Policy) allow(t target) error {
	if len(p.lists) == 0 {
		return denied(ruleNoEgress)
	}
	for _, list := range p.lists {
		if !slices.ContainsFunc(list, func(q pattern) bool { return q.matches(t) }) {
			return denied(ruleNotAllowed)
		}
	}
	return nil
}

func denied(rule string) *abi.Error { return abi.Errorf(abi.CodeEgressDenied, "%s", rule) }
