package main

import (
	"bytes"
	"context"

	"github.com/vivarium-run/vivarium/tenants"
)

// vaultFlags are the key files of secrets.
type vaultFlags struct{ key, old string }

// vault reads the files: none is a host that keeps no secrets. signing are the keys that sign tokens, which many
// more programs have.
func (f *vaultFlags) vault(data string, signing [][]byte) (*tenants.Vault, error) {
	if f.key == "" {
		if f.old != "" {
			return nil, usagef("--old-secrets-key-file is the key before the one in --secrets-key-file, which is missing")
		}
		return nil, nil
	}
	keys, err := loadKeys(data, f.key, f.old)
	if err != nil {
		return nil, err
	}
	for _, s := range signing {
		for _, k := range keys {
			if bytes.Equal(s, k) {
				return nil, usagef("the key for secrets must not be one that signs tokens: make another with `host key FILE`")
			}
		}
	}
	return tenants.NewVault(keys[0], keys[1:]...)
}

// reseal brings the secrets of all namespaces under the key of now, and says whether the old one is still needed. A
// host that cannot write yet starts all the same: the old key goes on to serve.
func (n *node) reseal(rotating bool) {
	done, err := n.registry.Reseal(context.Background())
	if err != nil {
		n.log.Warn("secrets are still sealed with the old key; the next start goes on", "moved", done.Moved, "error", err)
	}
	if done.Unreadable > 0 {
		n.log.Warn("secrets cannot be read: the key that sealed them is missing, or they are damaged", "secrets", done.Unreadable)
	}
	if err == nil && rotating {
		n.log.Info("no secret needs the old key: start without --old-secrets-key-file", "moved", done.Moved)
	}
}

// secrets returns the lookup of the host's guests. What a developer wrote down for the namespace default stands before
// what is stored.
func (n *node) secrets(env devEnv) func(ns tenants.ID, module, name, host string) (string, error) {
	return func(ns tenants.ID, module, name, host string) (string, error) {
		if _, ok := env.secrets[name]; ok && ns == tenants.Default {
			return env.secret(name, host)
		}
		return n.registry.SecretValue(ns, module, name, host)
	}
}
