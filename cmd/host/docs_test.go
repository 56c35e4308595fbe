package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// The documentation says in a comment above a fenced block what a test does with it. The blocks of
// a page are one story: they run in their order, in one empty folder, against the host that was
// started last. Its address takes the place of 127.0.0.1:6420.
//
//	<!-- file: counter/main.go -->  is written to this file
//	<!-- start -->                  its last command starts a host and goes on
//	<!-- run -->                    shell commands, each of which must succeed
//	<!-- prints -->                 lines that the block before it prints, or how they begin, in order
//	<!-- not run: why -->           the only other way to show shell commands
type block struct {
	line      int    // of the fence
	how, arg  string // what the comment says; empty without one
	lang      string
	text      string
	beginning string // of the page up to the block
}

var directive = regexp.MustCompile(`^<!-- (file|start|run|prints|not run)(?:: (.+))? -->$`)

// blocks returns the fenced blocks of a page.
func blocks(page string) []block {
	var list []block
	lines := strings.SplitAfter(page, "\n")
	for i := 0; i < len(lines); i++ {
		lang, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		b := block{line: i + 1, lang: strings.TrimSpace(lang), beginning: strings.Join(lines[:i], "")}
		if i > 0 {
			if m := directive.FindStringSubmatch(strings.TrimSpace(lines[i-1])); m != nil {
				b.how, b.arg = m[1], m[2]
			}
		}
		for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
			b.text += lines[i]
		}
		list = append(list, b)
	}
	return list
}

// pages returns the documentation by path within the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := actorstest.Root()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "guest-sdk/*.md", "bench/*.md", "examples/*/*.md", "examples/wasm/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(rel)] = read(t, f)
		}
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// page returns one page of the documentation.
func page(t *testing.T, name string) string {
	t.Helper()
	return read(t, filepath.Join(actorstest.Root(), filepath.FromSlash(name)))
}

// TestDocsRun does what the documentation tells its readers to do.
func TestDocsRun(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\nVIVARIUM_TEST_HOST=1 exec '" + exe + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "host"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(actorstest.Root())
	if err != nil {
		t.Fatal(err)
	}
	all := pages(t)
	os.Args[0] = exe // start runs it, from another folder
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	t.Setenv("REPOSITORY", root)
	for name, text := range all {
		if strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "guest-sdk/") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := &story{t: t}
			for _, b := range blocks(text) {
				s.tell(b)
			}
		})
	}
}

// story is a page while its commands run.
type story struct {
	t    *testing.T
	host *process
	out  string // of the last block
}

func (s *story) tell(b block) {
	t := s.t
	t.Helper()
	switch b.how {
	case "file":
		path := filepath.FromSlash(b.arg)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
	case "start":
		s.start(b)
	case "run":
		s.run(b.line, b.text)
	case "prints":
		rest := s.out
		for want := range strings.Lines(b.text) {
			_, after, ok := strings.Cut(rest, strings.TrimSpace(want))
			if !ok {
				t.Errorf("line %d: the output lacks, or has not in this order, %q:\n%s", b.line, want, s.out)
				return
			}
			rest = after
		}
	case "":
		if b.lang == "sh" {
			t.Errorf("line %d: commands that nothing runs; say <!-- not run: why --> above them", b.line)
		}
	}
}

// start runs the commands of a block; the last one for a host starts it in the place of the one
// that runs. What make does is for make.
func (s *story) start(b block) {
	t := s.t
	t.Helper()
	for line := range strings.Lines(b.text) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
		command = strings.Replace(strings.TrimSpace(command), "go run ./cmd/host", "host", 1)
		args := strings.Fields(command)
		switch {
		case len(args) == 0, args[0] == "make":
			continue
		case args[0] != "host" || args[1] != "dev" && args[1] != "serve":
			s.run(b.line, command)
			continue
		}
		if s.host != nil {
			s.host.Kill()
		}
		s.shareCompiled(args)
		s.host = start(t, args[1:]...)
		t.Setenv("VIVARIUM_URL", s.host.URL)
		if args[1] == "dev" {
			s.host.await("a live guest", func() bool { return strings.Contains(s.host.Printed(), " is live ") })
		}
	}
}

// shareCompiled has the host of a command keep compiled code where all tests do, since most pages compile the same guests.
func (s *story) shareCompiled(args []string) {
	s.t.Helper()
	data := devData
	if i := slices.Index(args, "--data"); i > 0 {
		data = args[i+1]
	}
	if err := actorstest.ShareCompiled(data); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) run(line int, commands string) {
	s.t.Helper()
	if s.host != nil {
		commands = strings.ReplaceAll(commands, "127.0.0.1:6420", strings.TrimPrefix(s.host.URL, "http://"))
	}
	out, err := exec.CommandContext(s.t.Context(), "sh", "-e", "-c", commands).CombinedOutput()
	s.out = string(out)
	if err != nil {
		printed := ""
		if s.host != nil {
			printed = s.host.Printed()
		}
		s.t.Fatalf("line %d: %v\n%s\nthe host printed:\n%s", line, err, out, printed)
	}
}

// TestFirstScreen holds the promise of the README: two commands, and a guest in twenty lines.
func TestFirstScreen(t *testing.T) {
	var commands, guest []string
	for _, b := range blocks(page(t, "README.md")) {
		if b.lang == "sh" && commands == nil {
			if n := strings.Count(b.beginning, "\n"); n > 15 {
				t.Errorf("the first commands are below line %d", n)
			}
			for line := range strings.Lines(b.text) {
				command, _, _ := strings.Cut(line, "#")
				commands = append(commands, strings.TrimSpace(command))
			}
		}
		if b.how == "file" && guest == nil {
			guest = strings.Split(strings.TrimSpace(b.text), "\n")
		}
	}
	if want := []string{"go run ./cmd/host dev", "make test"}; !slices.Equal(commands, want) {
		t.Errorf("the first commands are %q, want %q", commands, want)
	}
	if len(guest) == 0 || len(guest) > 20 {
		t.Errorf("the guest in twenty lines has %d", len(guest))
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug = regexp.MustCompile(`[^a-z0-9 _-]+`)
)

// slugs returns the anchors of a page's headings.
func slugs(text string) []string {
	var list []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return list
}

// TestDocsLinks follows the links between pages and files.
func TestDocsLinks(t *testing.T) {
	for name, text := range pages(t) {
		for _, b := range blocks(text) {
			text = strings.Replace(text, b.text, "", 1)
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := filepath.Join(actorstest.Root(), filepath.Dir(name), target)
			if target == "" {
				file = filepath.Join(actorstest.Root(), name)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(slugs(read(t, file)), anchor) {
				t.Errorf("%s links to %s: no such heading", name, m[1])
			}
		}
	}
}

// testsOf returns the names of all tests of the repository.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir(actorstest.Root(), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, path), -1) {
			tests[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// TestDocsNames looks for the tests and make targets that the documentation names.
func TestDocsNames(t *testing.T) {
	makefile := page(t, "Makefile")
	tests := testsOf(t)
	for name, text := range pages(t) {
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which is no test", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)").FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, which is no target", name, m[1])
			}
		}
	}
}

// TestDocsFeatures holds each row of docs/features.md to a verdict, and what is said to be there to tests that
// exist, or to saying that there is none.
func TestDocsFeatures(t *testing.T) {
	tests := testsOf(t)
	n := 0
	for _, r := range rows(page(t, "docs/features.md")) {
		if r[1] == "here" {
			continue // the head of a table
		}
		n++
		shown := ""
		if len(r) == 4 {
			shown = r[3]
		}
		switch r[1] {
		case "same", "different":
			if shown == "no test" {
				continue
			}
			for _, name := range strings.Split(shown, ", ") {
				if !tests[name] {
					t.Errorf("docs/features.md: %q is shown by %q, which is no test", r[0], name)
				}
			}
		case "later", "not":
			if shown != "" && !tests[shown] {
				t.Errorf("docs/features.md: %q is shown by %q, which is no test", r[0], shown)
			}
		default:
			t.Errorf("docs/features.md: %q is %q", r[0], r[1])
		}
	}
	if n < 65 {
		t.Errorf("docs/features.md has %d rows", n)
	}
}

// rows returns the cells of a page's table rows, without the marks of code.
func rows(text string) [][]string {
	var list [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		var cells []string
		for _, c := range strings.Split(strings.Trim(line, "|"), " |") {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(c), "`", ""))
		}
		list = append(list, cells)
	}
	return list
}

// parsed returns the syntax of a source file of the repository.
func parsed(t *testing.T, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(actorstest.Root(), filepath.FromSlash(name)), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// statusOfCode reads the table of package api, by number of the code.
func statusOfCode(t *testing.T) map[abi.Code]int {
	t.Helper()
	numbers := map[string]abi.Code{}
	ast.Inspect(parsed(t, "hostfuncs/abi/code.go"), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				if i, err := strconv.Atoi(lit.Value); err == nil {
					numbers[v.Names[0].Name] = abi.Code(i)
				}
			}
		}
		return true
	})
	names := map[string]int{}
	for i := 100; i < 600; i++ {
		names["Status"+strings.ReplaceAll(http.StatusText(i), " ", "")] = i
	}
	table := map[abi.Code]int{}
	ast.Inspect(parsed(t, "api/status.go"), func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		code, ok1 := kv.Key.(*ast.SelectorExpr)
		status, ok2 := kv.Value.(*ast.SelectorExpr)
		if ok1 && ok2 {
			table[numbers[code.Sel.Name]] = names[status.Sel.Name]
		}
		return true
	})
	return table
}

func TestDocsErrors(t *testing.T) {
	statuses := statusOfCode(t)
	listed := map[string]bool{}
	for _, r := range rows(page(t, "docs/errors.md")) {
		if len(r) == 5 {
			listed[strings.Join(r[:3], " ")] = true
		}
	}
	for _, c := range abi.Codes() {
		if row := fmt.Sprintf("%d %v %d", c, c, statuses[c]); !listed[row] {
			t.Errorf("docs/errors.md has no row %q", row)
		}
	}
	if want := len(abi.Codes()) + 1; len(listed) != want { // and the head of the table
		t.Errorf("docs/errors.md has %d rows, want %d", len(listed), want)
	}
}

// TestDocsQuotas holds docs/quotas.md to the quotas and counts that there are, and looks at the plans to begin with.
func TestDocsQuotas(t *testing.T) {
	listed := map[string]bool{}
	for _, r := range rows(page(t, "docs/quotas.md")) {
		for _, name := range strings.Split(r[0], ", ") {
			listed[strings.Trim(name, "`")] = true
		}
	}
	for _, q := range tenants.AllQuotas {
		if !listed[string(q)] {
			t.Errorf("docs/quotas.md has no row for %s", q)
		}
	}
	for _, m := range tenants.Metrics() {
		if !listed[m.String()] {
			t.Errorf("docs/quotas.md has no row for %s", m)
		}
	}
	plans, err := tenants.ParsePlans([]byte(page(t, "deploy/plans.json")))
	if err != nil || len(plans) == 0 {
		t.Errorf("deploy/plans.json: %v", err)
	}
}

// rightsInDocs are the words of docs/api.md for the sets of rights in api/routes.go.
var rightsInDocs = map[string]string{
	"public": "–", "operate": "operate", "admin": "admin", "deploy": "deploy", "settings": "deploy or admin",
	"invoke": "invoke", "read": "read", "find": "invoke or read", "anyone": "any",
}

func TestDocsRoutes(t *testing.T) {
	var want []string
	ast.Inspect(parsed(t, "api/routes.go"), func(n ast.Node) bool {
		row, ok := n.(*ast.CompositeLit)
		if !ok || len(row.Elts) != 6 {
			return true
		}
		method := "*"
		if lit, ok := row.Elts[0].(*ast.BasicLit); ok {
			method, _ = strconv.Unquote(lit.Value)
		}
		path, _ := strconv.Unquote(row.Elts[1].(*ast.BasicLit).Value)
		want = append(want, method+" "+path+" "+rightsInDocs[row.Elts[2].(*ast.Ident).Name])
		return true
	})
	if len(want) < 20 {
		t.Fatalf("found %d routes", len(want))
	}
	var got []string
	for _, r := range rows(page(t, "docs/api.md")) {
		if len(r) == 4 && strings.HasPrefix(r[1], "/") {
			got = append(got, strings.Join(r[:3], " "))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/api.md lists\n%s\nand api/routes.go\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDocsLimits(t *testing.T) {
	listed := map[string]string{}
	for _, r := range rows(page(t, "README.md")) {
		if len(r) == 3 {
			listed[r[0]] = r[1]
		}
	}
	for what, limit := range map[string]string{
		"time of a request, from arrival to the end of its turn": fmt.Sprint(abi.MaxTurnSeconds, " s"),
		"frames of a turn":                    size(abi.MaxStack) + ", as estimated",
		"memory of an instance":               size(abi.MaxMemory),
		"state of an actor":                   size(abi.MaxState),
		"KV key":                              size(abi.MaxKVKey),
		"KV value":                            size(abi.MaxKVValue),
		"bytes that a turn writes":            size(abi.MaxDelta),
		"items that a turn writes or deletes": count(abi.MaxDeltaOps),
		"events of a turn":                    count(abi.MaxEvents),
		"events and result of a turn":         size(abi.MaxOutbox),
		"arguments of an action":              size(abi.MaxArgs),
		"result of an action":                 size(abi.MaxResult),
		"creation input":                      size(abi.MaxInput),
		"host calls of a turn":                count(abi.MaxHostCalls),
		"Extism memory of a turn":             size(abi.MaxHandleBytes),
		"Extism vars of an actor":             size(abi.MaxVars),
		"log of a turn":                       size(abi.MaxLog),
		"open requests of an actor":           count(abi.MaxOpenRequests),
		"tasks of an actor":                   count(abi.MaxTasks),
		"context of a task":                   size(abi.MaxTaskContext),
		"fetches of a turn, tasks or not":     count(abi.MaxFetches),
		"body of a raw HTTP request":          size(abi.MaxBody),
		"actor key":                           fmt.Sprintf("%s bytes, %d a component", count(abi.MaxKey), abi.MaxKeyComponent),
	} {
		if listed[what] != limit {
			t.Errorf("README.md says of the limit %q: %q, it is %q", what, listed[what], limit)
		}
	}
}

func TestDocsPrices(t *testing.T) {
	listed := map[string]string{}
	for _, r := range rows(page(t, "docs/sandbox.md")) {
		if len(r) == 4 {
			listed[strings.Trim(r[0], "`")] = strings.Join(r[1:], " ")
		}
	}
	for _, op := range hostfuncs.Operations() {
		if want := fmt.Sprintf("%s %d %s", count(int(op.Price.Base)), op.Price.PerByte, count(int(op.PerItem))); listed[op.Name] != want {
			t.Errorf("docs/sandbox.md says of %s %q, it is %q", op.Name, listed[op.Name], want)
		}
	}
}

func size(n int) string {
	if n%(1<<20) == 0 {
		return fmt.Sprint(n>>20, " MiB")
	}
	return fmt.Sprint(n>>10, " KiB")
}

func count(n int) string {
	s := strconv.Itoa(n)
	if len(s) > 3 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
