package image

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// Globals are the mutable globals of an instance, in the order in which its image has their values.
// They are valid while the instance is.
type Globals []api.MutableGlobal

// BindGlobals finds the exported globals with these names. They must be numbers: the API cannot read
// a vector or a reference.
func BindGlobals(mod api.Module, names []string) (Globals, error) {
	gs := make(Globals, len(names))
	for i, name := range names {
		switch g := mod.ExportedGlobal(name).(type) {
		case nil:
			return nil, fmt.Errorf("image: the module does not export a global %q", name)
		case api.MutableGlobal:
			switch g.Type() {
			case api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeF32, api.ValueTypeF64:
				gs[i] = g
			default:
				return nil, fmt.Errorf("image: the global %q is no number", name)
			}
		default:
			return nil, fmt.Errorf("image: the global %q cannot be changed", name)
		}
	}
	return gs, nil
}

// Values appends the current values.
func (gs Globals) Values(dst []uint64) []uint64 {
	for _, g := range gs {
		dst = append(dst, g.Get())
	}
	return dst
}

// Set sets all values. It fails, having set none, if there are not as many as globals.
func (gs Globals) Set(values []uint64) error {
	if len(values) != len(gs) {
		return fmt.Errorf("image: %d values for %d globals", len(values), len(gs))
	}
	for i, g := range gs {
		g.Set(values[i])
	}
	return nil
}
