package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/cmd/host/internal/metrics"
)

// Parts of the pages are made from the code. They stand between two comments, and what is around them is written by
// hand:
//
//	<!-- generated: flags of host serve -->
//	<!-- end -->
//
//go:generate go test -count=1 -run ^TestDocsGenerated$ . -update
var update = flag.Bool("update", false, "write the generated parts of the pages again")

var generated = regexp.MustCompile(`(?s)(<!-- generated: ([^\n]+) -->\n)(.*?)(<!-- end -->\n)`)

// TestDocsGenerated holds the generated parts of the pages to the code, and that each command with flags has one.
func TestDocsGenerated(t *testing.T) {
	parts := map[string]string{"metrics": metricsTable()}
	for _, c := range commandsWithFlags() {
		parts["flags of "+c.CommandPath()] = flagsTable(c)
	}
	used := map[string]bool{}
	for name, text := range pages(t) {
		want := generated.ReplaceAllStringFunc(text, func(part string) string {
			m := generated.FindStringSubmatch(part)
			table, ok := parts[m[2]]
			if !ok || used[m[2]] {
				t.Errorf("%s has a part %q, which there is not, or twice", name, m[2])
			}
			used[m[2]] = true
			return m[1] + "\n" + table + "\n" + m[4]
		})
		switch {
		case want == text:
		case *update:
			if err := os.WriteFile(filepath.Join(actorstest.Root(), filepath.FromSlash(name)), []byte(want), 0o644); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("%s is not what the code says: run make generate", name)
		}
	}
	for part := range parts {
		if !used[part] {
			t.Errorf("no page has the part %q", part)
		}
	}
}

// commandsWithFlags returns the commands that have flags of their own.
func commandsWithFlags() (list []*cobra.Command) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if len(ownFlags(c)) > 0 {
			list = append(list, c)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(rootCommand(&ui{out: io.Discard, err: io.Discard}))
	return list
}

// ownFlags returns the flags of a command, in the order of their names, without those of all commands.
func ownFlags(c *cobra.Command) (list []*pflag.Flag) {
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			list = append(list, f)
		}
	})
	return list
}

func flagsTable(c *cobra.Command) string {
	var b strings.Builder
	b.WriteString("| flag | variable | default | meaning |\n|---|---|---|---|\n")
	for _, f := range ownFlags(c) {
		variable := envName(f.Name)
		if f.Annotations[ofOneCall] != nil {
			variable = ""
		}
		def := f.DefValue
		if def == "[]" {
			def = ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code("--"+f.Name), code(variable), code(def), meaning(f))
	}
	return b.String()
}

// meaning is what a command says of a flag, with what its kind says.
func meaning(f *pflag.Flag) string {
	text := codeIn.ReplaceAllStringFunc(f.Usage, func(s string) string { return code(strings.Trim(s, "'")) })
	kind := f.Value.Type()
	if (kind == "stringSlice" || kind == "stringArray") && !strings.Contains(text, "repeated") {
		text += "; may be repeated"
	}
	if f.Shorthand != "" {
		text += "; " + code("-"+f.Shorthand) + " for short"
	}
	return strings.ReplaceAll(text, "|", "\\|")
}

// codeIn finds what is code in the text of a flag: other flags, and what is quoted.
var codeIn = regexp.MustCompile(`--[a-z][a-z-]*|\B'\w[^']*'\B`)

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func metricsTable() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | |\n|---|---|---|---|\n")
	for _, r := range metrics.Rows() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(r.Name), r.Kind, code(r.Labels), r.Help)
	}
	return b.String()
}
