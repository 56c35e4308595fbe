package egress

import (
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Bounds on the secrets of a request. Each byte of an answer is compared with each secret. What is
// shorter than a mask cannot be hidden: masks all over the answer would tell what it is.
const (
	maxSecrets   = 8
	maxSecret    = 8 << 10
	minSecret    = 4
	secretPrefix = "{secret:"
)

// fillSecrets returns the headers of templates with the secrets in their places, and the secrets.
func fillSecrets(p Policy, t target, templates map[string]string, loopback bool) (map[string][]string, []string, error) {
	if len(templates) == 0 {
		return nil, nil, nil
	}
	if t.scheme != "https" && !loopback {
		return nil, nil, denied("secrets travel by https only")
	}
	headers := make(map[string][]string, len(templates))
	var values []string
	for name, template := range templates {
		filled, used, err := fill(p, t.host, template)
		if err != nil {
			return nil, nil, err
		}
		headers[name] = []string{filled}
		if values = append(values, used...); len(values) > maxSecrets {
			return nil, nil, abi.Errorf(abi.CodeInvalidArgument, "a request has at most %d secrets", maxSecrets)
		}
	}
	return headers, values, nil
}

// fill replaces each {secret:NAME} of a template.
func fill(p Policy, host, template string) (filled string, used []string, err error) {
	var b strings.Builder
	for rest := template; ; {
		before, after, ok := strings.Cut(rest, secretPrefix)
		b.WriteString(before)
		if !ok {
			break
		}
		name, next, ok := strings.Cut(after, "}")
		if !ok || !validSecretName(name) {
			return "", nil, abi.Errorf(abi.CodeInvalidArgument, "a place for a secret is {secret:NAME}")
		}
		value, err := p.secret(name, host)
		if err != nil {
			return "", nil, err
		}
		b.WriteString(value)
		used = append(used, value)
		rest = next
	}
	if len(used) == 0 {
		return "", nil, abi.Errorf(abi.CodeInvalidArgument, "a header of secrets names none; a place for one is {secret:NAME}")
	}
	return b.String(), used, nil
}

// secret returns a value that can be sent and hidden. A guest learns nothing of those it may not use.
func (p Policy) secret(name, host string) (string, error) {
	if p.Secrets == nil {
		return "", noSecret(name, nil)
	}
	value, err := p.Secrets(name, host)
	if err != nil {
		return "", noSecret(name, err)
	}
	if len(value) < minSecret || len(value) > maxSecret || !validValue(value) {
		return "", denied("the secret " + name + " is too short, too long or not fit for a header")
	}
	return value, nil
}

// noSecret is the same for a secret that is not there and for one that is for others. That the host cannot read
// what the guest may use is no secret, and nothing that a grant would change.
func noSecret(name string, cause error) error {
	switch abi.CodeOf(cause) {
	case abi.CodeNoSecretsKey, abi.CodeSecretUnreadable:
		return abi.AsError(cause)
	}
	return &abi.Error{Code: abi.CodeEgressDenied, Message: "there is no secret " + name + " for this host", Cause: cause}
}

func validSecretName(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '_' || r == '-')
	}) < 0
}
