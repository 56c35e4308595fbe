package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Secret is a value that a namespace lets its guests send to one host without seeing it, in the form that is
// stored: sealed. It is opened when it is used, and for that moment.
type Secret struct {
	Name    string    `json:"name"`
	Host    string    `json:"host"`              // whom it is for: a name or an address, without a port
	Modules []string  `json:"modules,omitempty"` // which may name it, sorted; none means all
	Version int       `json:"version"`           // counts the values that the name has had
	Created time.Time `json:"created"`           // of this value
	Key     string    `json:"key"`               // id of the key that sealed it
	Sealed  []byte    `json:"sealed"`
}

// Bounds on secrets. Over them a change is CodeInvalidRequest.
const (
	maxSecrets       = 64 // of a namespace
	maxSecretName    = 64 // bytes
	maxSecretHost    = 253
	maxSecretModules = 16
	maxSecretVersion = 1 << 30

	// What is shorter could not be hidden in what comes back: masks all over an answer would tell what it is.
	minSecretValue = 4       // bytes
	maxSecretValue = 8 << 10 // bytes

	sealOverhead = 12 + 16 // nonce and tag
)

// NewSecret is what a namespace says of a secret that it sets.
type NewSecret struct {
	Name, Host string
	Modules    []string // none means all
	Value      []byte   // PutSecret wipes it
}

// secret checks n and returns what it is to become, not sealed.
func (n *NewSecret) secret() (*Secret, error) {
	s := &Secret{Name: n.Name, Host: n.Host, Version: 1, Created: now()}
	if n.Modules != nil {
		s.Modules = slices.Compact(slices.Sorted(slices.Values(n.Modules)))
		if len(s.Modules) == 0 {
			return nil, errors.New("a list of no modules would let nobody name the secret; without a list all modules may")
		}
	}
	if len(n.Value) < minSecretValue || len(n.Value) > maxSecretValue {
		return nil, fmt.Errorf("a secret's value has %d to %d bytes", minSecretValue, maxSecretValue)
	}
	if slices.ContainsFunc(n.Value, func(c byte) bool { return c < ' ' || c > '~' }) {
		return nil, errors.New("a secret's value is printable ASCII: it travels in a header")
	}
	return s, s.checkNames()
}

// checkNames returns what is wrong with what is not sealed.
func (s *Secret) checkNames() error {
	switch {
	case !ValidSecretName(s.Name):
		return fmt.Errorf("a secret's name is 1 to %d capital letters, digits and underscores", maxSecretName)
	case s.Host == "" || len(s.Host) > maxSecretHost || strings.ContainsFunc(s.Host, func(r rune) bool { return r <= ' ' || r > '~' || 'A' <= r && r <= 'Z' }):
		return errors.New("a secret is for one host: a name or an address, without a port")
	case len(s.Modules) > maxSecretModules:
		return fmt.Errorf("a secret is for at most %d modules by name", maxSecretModules)
	case slices.ContainsFunc(s.Modules, func(m string) bool { return !ValidName(m) }):
		return errors.New("a secret's list of modules has a name that no module can have")
	}
	return nil
}

// ValidSecretName reports whether a secret can have a name.
func ValidSecretName(s string) bool {
	return s != "" && len(s) <= maxSecretName && !strings.ContainsFunc(s, func(r rune) bool {
		return !('A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_')
	})
}

// place returns what the value is bound to.
func (s *Secret) place(ns ID) place { return place{ns, s.Name, s.Host, s.Modules, s.Version} }

func secretKey(name string) []byte { return []byte("s" + name) }

// addSecret takes a stored secret. Whether it opens is not asked here: the key may come with the next start.
func (g *gate) addSecret(item kv.Item) error {
	var s Secret
	if err := json.Unmarshal(item.Value, &s); err != nil {
		return err
	}
	if string(secretKey(s.Name)) != string(item.Key) {
		return errors.New("the record has another name than its key")
	}
	if n := len(s.Sealed) - sealOverhead; s.Version < 1 || s.Version > maxSecretVersion || n < minSecretValue || n > maxSecretValue {
		return errors.New("malformed secret")
	}
	g.secrets[s.Name] = &s
	return s.checkNames()
}

// SetVault tells the registry the keys of secrets. Without it no secret is taken or opened. It must be called
// before the registry is used by anybody else.
func (r *Registry) SetVault(v *Vault) { r.vault = v }

// errNoVault is what secrets end with on a host without a key for them.
var errNoVault = &abi.Error{Code: abi.CodeNoSecretsKey}

// PutSecret sets a secret in place of one of its name. It returns what is there then, durable, and whether the name
// is new. The caller has brought the host into the form in which it is compared. Without a key for secrets it is
// CodeNoSecretsKey. A secret that cannot be read is replaced too: that is how a namespace goes on after a key is lost.
func (r *Registry) PutSecret(ctx context.Context, ns ID, n NewSecret) (s Secret, created bool, err error) {
	defer clear(n.Value)
	next, err := n.secret()
	if err != nil {
		return s, false, abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	if r.vault.empty() {
		return s, false, errNoVault
	}
	t, err := r.tenant(ns)
	if err != nil {
		return s, false, err
	}
	err = t.change(ctx, func(g *gate) ([]kv.Op, error) {
		if old := g.secrets[next.Name]; old != nil {
			next.Version = old.Version%maxSecretVersion + 1
		}
		created = g.secrets[next.Name] == nil
		if created && len(g.secrets) >= maxSecrets {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a namespace has at most %d secrets", maxSecrets)
		}
		var err error
		if next.Key, next.Sealed, err = r.vault.seal(next.place(ns), n.Value); err != nil {
			return nil, err
		}
		g.secrets[next.Name] = next
		op, err := record(secretKey(next.Name), next)
		return []kv.Op{op}, err
	})
	return *next, created, err
}

// DeleteSecret forgets a secret, durably. An unknown one is CodeNotFound.
func (r *Registry) DeleteSecret(ctx context.Context, ns ID, name string) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	return t.change(ctx, func(g *gate) ([]kv.Op, error) {
		if g.secrets[name] == nil {
			return nil, abi.Errorf(abi.CodeNotFound, "the namespace has no such secret")
		}
		delete(g.secrets, name)
		return []kv.Op{{Key: secretKey(name)}}, nil
	})
}

// SecretState is whether a secret can be used.
type SecretState string

const (
	SecretReady      SecretState = "ready"
	SecretOldKey     SecretState = "old_key"    // it opens, but not with the key that seals
	SecretUnreadable SecretState = "unreadable" // it does not open
)

// ListedSecret is what a namespace may know of its secret.
type ListedSecret struct {
	Secret
	State SecretState
}

// Secrets returns a namespace's secrets in order of their names; none for an unknown namespace.
func (r *Registry) Secrets(ns ID) []ListedSecret {
	t, err := r.tenant(ns)
	if err != nil {
		return nil
	}
	var list []ListedSecret
	secrets := t.gate.Load().secrets
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		list = append(list, ListedSecret{*secrets[name], r.stateOf(ns, secrets[name])})
	}
	return list
}

func (r *Registry) stateOf(ns ID, s *Secret) SecretState {
	value, err := r.openSecret(ns, s)
	clear(value)
	switch {
	case err != nil:
		return SecretUnreadable
	case !r.vault.seals(s.Key):
		return SecretOldKey
	}
	return SecretReady
}

func (r *Registry) openSecret(ns ID, s *Secret) ([]byte, error) {
	if r.vault.empty() {
		return nil, errNoVault
	}
	value, err := r.vault.open(s.place(ns), s.Key, s.Sealed)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeSecretUnreadable, Message: "the secret " + s.Name + " cannot be read with the host's key for secrets", Cause: err}
	}
	return value, nil
}

// SecretValue opens a secret for a request of a module's guest to host. If there is none of this name, or it is for
// others, it is CodeNotFound; if it does not open, CodeSecretUnreadable or CodeNoSecretsKey.
func (r *Registry) SecretValue(ns ID, module, name, host string) (string, error) {
	t, err := r.tenant(ns)
	if err != nil {
		return "", err
	}
	s := t.gate.Load().secrets[name]
	if s == nil || s.Host != host || len(s.Modules) > 0 && !slices.Contains(s.Modules, module) {
		return "", abi.Errorf(abi.CodeNotFound, "there is no such secret for the module and the host")
	}
	value, err := r.openSecret(ns, s)
	defer clear(value)
	return string(value), err
}
