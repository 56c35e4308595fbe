package sandbox

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// wasmHeader is the magic number and version of a core module.
var wasmHeader = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

// componentHeader is the magic number and version of a component, which is another format.
var componentHeader = []byte{0, 'a', 's', 'm', 0x0d, 0, 1, 0}

// check refuses what need not reach the engine.
func check(wasm []byte) error {
	switch {
	case bytes.HasPrefix(wasm, componentHeader):
		return abi.Errorf(abi.CodeModuleMalformed, "this is a WebAssembly component; build a core module (wasip1) instead")
	case !bytes.HasPrefix(wasm, wasmHeader):
		return abi.Errorf(abi.CodeModuleMalformed, "the body does not begin with the header of a WebAssembly module")
	}
	return nil
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

// resolve checks the imports of a compiled module. The error names all that are missing.
func (t importTable) resolve(cm wazero.CompiledModule) (imports []string, err error) {
	var missing []string
	for _, d := range cm.ImportedFunctions() {
		module, name, _ := d.Import()
		switch want, ok := t[module][name]; {
		case !ok:
			missing = append(missing, module+"."+name)
		case want != signature(d):
			missing = append(missing, fmt.Sprintf("%s.%s: is %s here, the module declares %s", module, name, want, signature(d)))
		default:
			imports = append(imports, module+"."+name)
		}
	}
	for _, d := range cm.ImportedMemories() {
		module, name, _ := d.Import()
		missing = append(missing, module+"."+name+": a memory")
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return nil, abi.Errorf(abi.CodeModuleImport, "the module imports what this host does not have: %s",
			strings.Join(clip(missing, 20), ", ")).With(map[string]any{"imports": clip(missing, 100)})
	}
	sort.Strings(imports)
	return slices.Compact(imports), nil
}

func clip(s []string, n int) []string { return s[:min(n, len(s))] }

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
