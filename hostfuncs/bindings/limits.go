package bindings

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"unicode"
)

// limitsOf returns the constants of a Go file that imports nothing, in their order, with the comments behind
// them.
func limitsOf(source []byte) ([]number, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "limits.go", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("bindings: %w", err)
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	if _, err := new(types.Config).Check("abi", fset, []*ast.File{file}, info); err != nil {
		return nil, fmt.Errorf("bindings: %w", err)
	}
	var list []number
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		c, ok := info.Defs[spec.Names[0]].(*types.Const)
		if !ok {
			return true
		}
		if value, exact := constant.Int64Val(constant.ToInt(c.Val())); exact {
			list = append(list, number{upper(c.Name()), value, strings.TrimSpace(spec.Comment.Text())})
		}
		return true
	})
	return list, nil
}

// upper writes a Go name in capitals: MaxKVKey is MAX_KV_KEY.
func upper(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		begins := i > 0 && unicode.IsUpper(c) && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(c))
	}
	return b.String()
}
