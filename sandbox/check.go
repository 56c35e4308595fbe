package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox/internal/validate"
	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// check refuses what need not reach the engine, and says what is in the rest.
func (s *Sandbox) check(b []byte) (*validate.Facts, error) {
	facts, err := validate.Module(b, validate.Limits{MemoryPages: s.cfg.MemoryPages})
	if err != nil {
		return nil, refused(err)
	}
	if err := s.imports.resolve(facts); err != nil {
		return nil, err
	}
	for _, e := range facts.Exports {
		if strings.HasPrefix(e.Name, validate.ReservedPrefix) {
			return nil, abi.Errorf(abi.CodeModuleInvalid, "the module exports %q; names that begin with %s belong to the host", e.Name, validate.ReservedPrefix)
		}
	}
	return facts, nil
}

// refused translates the verdict of the pre-validator.
func refused(err error) error {
	var v *validate.Error
	if !errors.As(err, &v) {
		return err
	}
	code := map[validate.Kind]abi.Code{
		validate.Malformed: abi.CodeModuleMalformed, validate.Limit: abi.CodeModuleLimit, validate.Unsupported: abi.CodeModuleUnsupported,
	}[v.Kind]
	return abi.Errorf(code, "%s", v.Error()).With(map[string]any{"section": v.Section, "offset": v.Offset})
}

// importTable knows the signature of each function that guests may import, by module and name.
type importTable map[string]map[string]string

func (t importTable) addModule(m api.Module) {
	fns := map[string]string{}
	for name, d := range m.ExportedFunctionDefinitions() {
		fns[name] = signature(d)
	}
	t[m.Name()] = fns
}

// resolve checks the imports of a module. The error names all that are missing.
func (t importTable) resolve(f *validate.Facts) error {
	var missing []string
	for _, i := range f.Imports {
		name := i.Module + "." + i.Name
		if i.Kind != wasm.ExternFunc {
			missing = append(missing, fmt.Sprintf("%s: a %v", name, i.Kind))
			continue
		}
		have, ok := t[i.Module][i.Name]
		switch want := f.FuncType(i.Index).String(); {
		case !ok:
			missing = append(missing, name)
		case have != want:
			missing = append(missing, fmt.Sprintf("%s: is %s here, the module declares %s", name, have, want))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	return abi.Errorf(abi.CodeModuleImport, "the module imports what this host does not have: %s",
		strings.Join(clip(missing, 20), ", ")).With(map[string]any{"imports": clip(missing, 100)})
}

func clip(s []string, n int) []string { return s[:min(n, len(s))] }

// signature returns the type of a function, as validate.FuncType writes it.
func signature(d api.FunctionDefinition) string {
	var b strings.Builder
	list := func(ts []api.ValueType) {
		b.WriteByte('(')
		for i, t := range ts {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(api.ValueTypeName(t))
		}
		b.WriteByte(')')
	}
	list(d.ParamTypes())
	b.WriteString("->")
	list(d.ResultTypes())
	return b.String()
}
