package tenants

import (
	"context"
	"maps"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Limits of a module's config. Sizes are in bytes.
const (
	maxConfig      = 64 // entries
	maxConfigName  = 128
	maxConfigValue = 4 << 10
)

// SetConfig changes what a module's guests read by name: a nil value deletes the entry, entries
// that are not in changes stay. It returns the module as it is then, durable. Names are UTF-8
// without control characters, values any UTF-8; what is malformed or too much is
// CodeInvalidRequest, an unknown module CodeModuleNotFound.
func (r *Registry) SetConfig(ctx context.Context, ns ID, module string, changes map[string]*string) (Module, error) {
	for name, value := range changes {
		if err := checkConfig(name, value); err != nil {
			return Module{}, err
		}
	}
	var m Module
	err := r.change(ctx, ns, module, func(t *tenant, p *program) error {
		next := *p
		next.Config = changed(p.Config, changes)
		if len(next.Config) > maxConfig {
			return abi.Errorf(abi.CodeInvalidRequest, "a module has at most %d config entries", maxConfig)
		}
		m = next.Module
		if maps.Equal(next.Config, p.Config) {
			return nil
		}
		return t.replaceLocked(ctx, &next)
	})
	if err != nil {
		return Module{}, err
	}
	return m, nil
}

// changed returns old with changes; nil if nothing is left, as a restart would read it.
func changed(old map[string]string, changes map[string]*string) map[string]string {
	config := make(map[string]string, len(old))
	maps.Copy(config, old)
	for name, value := range changes {
		if value == nil {
			delete(config, name)
		} else {
			config[name] = *value
		}
	}
	if len(config) == 0 {
		return nil
	}
	return config
}

func checkConfig(name string, value *string) error {
	if name == "" || len(name) > maxConfigName || !plainText(name) {
		return abi.Errorf(abi.CodeInvalidRequest, "a config name is 1 to %d bytes of UTF-8 without control characters", maxConfigName)
	}
	if value != nil && (len(*value) > maxConfigValue || !utf8.ValidString(*value)) {
		return abi.Errorf(abi.CodeInvalidRequest, "a config value is up to %d bytes of UTF-8", maxConfigValue)
	}
	return nil
}
