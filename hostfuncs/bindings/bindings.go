// Package bindings writes what a guest in another language needs to call the host: imports, wrappers and
// constants, from the one table of operations and the numbers of package abi.
//
// It owns how the table reads in each language and leaves the table to package hostfuncs. Its one invariant:
// everything that has a row in the table or a number in abi is in every language, so no file is edited by
// hand; a test compares the files below guest-sdk/bindings with what this package writes.
package bindings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

//go:generate go run ./generate

// Files returns the bindings by their paths within the repository. limits is the source of abi's limits.
func Files(limits []byte) (map[string]string, error) {
	numbers, err := constants(limits)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"guest-sdk/bindings/c/vivarium.h":               writeC(numbers),
		"guest-sdk/bindings/rust/vivarium.rs":           writeRust(numbers),
		"guest-sdk/bindings/assemblyscript/vivarium.ts": writeAssemblyScript(numbers),
	}, nil
}

// header begins each file.
const header = `Code generated from the table of operations in hostfuncs; DO NOT EDIT. Run ` + "`make generate`" + `.

Operations of Vivarium for guests. The contract is guest-sdk/ABI.md. An operation returns zero or more if it
succeeded, -1 if there is no such thing, and below that a code, negated, whose message can be fetched. The
plain_ functions are for plain modules, whose actions are their exports: they go by Extism's memory.
`

// number is one constant of the contract.
type number struct {
	name  string // words joined by _, in capitals
	value int64
	doc   string
}

// constants returns all numbers of the contract.
func constants(limits []byte) ([]number, error) {
	list := []number{
		{"ABSENT", abi.Absent, "what an operation returns for \"there is none\""},
		{"LIST_REVERSE", abi.ListReverse, "flag of kv_list and kv_delete_range: from the end of the range"},
		{"LIST_KEYS", abi.ListKeys, "flag: leave the values out"},
		{"LIST_PREFIX", abi.ListPrefix, "flag: lo is a prefix, hi is ignored"},
	}
	for l := hostfuncs.LevelTrace; l <= hostfuncs.LevelError; l++ {
		list = append(list, number{"LEVEL_" + strings.ToUpper(l.String()), int64(l), "level of a line in the log"})
	}
	codes := abi.Codes()
	slices.Sort(codes)
	for _, c := range codes {
		list = append(list, number{"CODE_" + strings.ToUpper(c.Group()+"_"+c.Name()), int64(c), c.Message()})
	}
	more, err := limitsOf(limits)
	return append(list, more...), err
}

// doc is the sentence about an operation.
func doc(op *hostfuncs.Operation) string { return op.Name + " " + op.Doc + "." }

// result says what an operation returns, for the languages in which its type does not.
func result(op *hostfuncs.Operation) string {
	switch op.Result {
	case hostfuncs.BytesResult:
		return "Returns the length of the result."
	case hostfuncs.NumberResult:
		return "Returns the number."
	}
	return "Returns 0."
}

// each joins what f makes of the parameters.
func each(op *hostfuncs.Operation, f func(p hostfuncs.Param) string) string {
	var parts []string
	for _, p := range op.Params {
		parts = append(parts, f(p))
	}
	return strings.Join(parts, ", ")
}

// commented writes a text as lines of a comment.
func commented(prefix, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(prefix+strings.TrimRight(line, "\n"), " ") + "\n")
	}
	return b.String()
}

// section heads a part of a file.
func section(b *strings.Builder, mark, title string) { fmt.Fprintf(b, "\n%s %s\n\n", mark, title) }
