package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vivarium-run/vivarium"

// may lists, for each room of the house, which others its packages may import (not counting
// themselves and the packages below them). Tests may import anything below cmd/host.
var may = map[string][]string{
	"kv":            {"internal/stats", "internal/durable"},
	"hostfuncs/abi": {},
	"tenants":       {"kv", "hostfuncs/abi", "internal/durable"},
	"hostfuncs":     {"tenants", "hostfuncs/abi"},
	"sandbox":       {"tenants", "hostfuncs/abi", "internal/stats"},
	"actors":        {"sandbox", "hostfuncs", "tenants", "kv", "hostfuncs/abi", "internal/stats"},
	"logtext":       {},
	"api":           {"actors", "tenants", "hostfuncs/abi", "logtext", "internal/stats"},
	"api/wire":      {"hostfuncs/abi"},
	"client":        {"api/wire"}, // enters through the network
	"guest-sdk":     {"hostfuncs/abi", "."},
	"examples":      {"guest-sdk", "hostfuncs/abi"},
	"cmd/host":      {"api", "client", "actors", "sandbox", "hostfuncs", "tenants", "kv", "hostfuncs/abi", "guest-sdk/guestbuild", "logtext", ".", "internal/stats", "internal/durable"},
	"bench":         {"api/wire"}, // enters through the network, in Rivet's encodings; its in-process part is a test
	"bench/guest":   {"guest-sdk"},
	"e2e":           {}, // enters through the network, or by tests
	"testkit":       {}, // joins what the house keeps apart, for tests of guests
	".":             {},

	"internal/stats":    {},
	"internal/durable":  {},
	"internal/hosttest": {},
	"e2e/density/guest": {"guest-sdk"},
}

// testSupport are packages for tests, which may join what the house keeps apart.
var testSupport = []string{"actors/actorstest", "kv/kvtest", "guest-sdk/testguests", "sandbox/wasmtest", "testkit", "internal/hosttest"}

// alone names the one room that may import a third-party library (by prefix).
var alone = map[string]string{
	"github.com/dgraph-io/badger":       "kv",
	"github.com/tetratelabs/wazero":     "sandbox",
	"github.com/golang-jwt/jwt":         "tenants",
	"github.com/labstack/echo":          "api",
	"github.com/fxamacker/cbor":         "api/wire",
	"github.com/gorilla/websocket":      "api",
	"github.com/spf13":                  "cmd/host",
	"github.com/prometheus":             "cmd/host",
	"go.yaml.in":                        "cmd/host", // the alerts, in tests
	"github.com/fsnotify":               "cmd/host",
	"github.com/extism/go-pdk":          "guest-sdk",
	"github.com/elastic/go-seccomp-bpf": "sandbox",
	"github.com/klauspost/compress":     "sandbox",
	"github.com/santhosh-tekuri":        "actors",
	"golang.org/x/net/dns":              "actors", // a DNS server in tests
	"golang.org/x/net/idna":             "actors",
	"golang.org/x/net/http2":            "api", // frames of HTTP/2 in tests
	"golang.org/x/time":                 "api",
	"github.com/netresearch/go-cron":    "actors",
	"golang.org/x/sys":                  "sandbox",
	"gopkg.in/natefinch/lumberjack":     "cmd/host",
	"github.com/caddyserver/certmagic":  "cmd/host",
	"go.uber.org/zap":                   "cmd/host", // certmagic logs by it
	"github.com/letsencrypt":            "cmd/host", // a CA in tests
	"github.com/miekg/dns":              "cmd/host", // and its name server
	"modernc.org/sqlite":                "examples", // in tests
}

// exceptions: hostfuncs names wazero's api types in the signatures of its functions, and a WebSocket has two ends,
// of which the bare floor of bench is a third.
var exceptions = map[string]string{"hostfuncs": "github.com/tetratelabs/wazero/api", "client": "github.com/gorilla/websocket", "bench": "github.com/gorilla/websocket"}

type source struct {
	dir  string // within the repository, "." for its root
	file string
	test bool
	ast  *ast.File
}

// sources parses every Go file of the repository.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "out") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(p) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, filepath.Dir(p))
		all = append(all, source{filepath.ToSlash(rel), filepath.Base(p), strings.HasSuffix(p, "_test.go"), f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d files", len(all))
	}
	return all
}

// room returns the longest room that a directory is in.
func room(dir string) string {
	best := ""
	for r := range may {
		if (dir == r || strings.HasPrefix(dir, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func within(dir string, rooms []string) bool {
	return slices.ContainsFunc(rooms, func(r string) bool { return dir == r || r != "." && strings.HasPrefix(dir, r+"/") })
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		r := room(s.dir)
		if r == "" {
			t.Errorf("%s is in no room of the house", s.dir)
			continue
		}
		for _, spec := range s.ast.Imports {
			p := strings.Trim(spec.Path.Value, `"`)
			if dir, ours := strings.CutPrefix(p, module); ours {
				dir = path.Clean(strings.TrimPrefix(dir, "/"))
				if s.test || within(s.dir, testSupport) || within(dir, []string{r}) {
					continue
				}
				if !within(dir, may[r]) || within(dir, testSupport) || dir == "hostfuncs/abi" && !slices.Contains(may[r], dir) {
					t.Errorf("%s/%s imports %s, which %s may not", s.dir, s.file, dir, r)
				}
				continue
			}
			for lib, owner := range alone {
				if strings.HasPrefix(p, lib) && owner != r && !s.test && !within(s.dir, testSupport) && exceptions[r] != p {
					t.Errorf("%s/%s imports %s, which only %s may", s.dir, s.file, p, owner)
				}
			}
		}
	}
}

func TestPackagesSayWhatTheyOwn(t *testing.T) {
	comments := map[string]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, ok := comments[s.dir]; !ok {
			comments[s.dir] = ""
		}
		if s.ast.Doc != nil {
			comments[s.dir] = s.ast.Doc.Text()
		}
	}
	for dir, text := range comments {
		if len(text) < 60 {
			t.Errorf("package %s has no package comment to speak of: %q", dir, text)
		}
	}
}

// TestThirdPartyLibrariesHaveAnOwner keeps the table above complete.
func TestThirdPartyLibrariesHaveAnOwner(t *testing.T) {
	for _, s := range sources(t) {
		for _, spec := range s.ast.Imports {
			p := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(p, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(p, module) {
				continue
			}
			owned := false
			for lib := range alone {
				owned = owned || strings.HasPrefix(p, lib)
			}
			if !owned {
				t.Errorf("%s/%s imports %s, which has no owner", s.dir, s.file, p)
			}
		}
	}
}
