package extism

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/sandbox"
	"github.com/vivarium-run/vivarium/tenants"
)

// TestMain lets the test binary be a compile worker.
func TestMain(m *testing.M) {
	sandbox.MaybeWorker()
	os.Exit(m.Run())
}

// plugins returns the folder of Extism's plug-ins. Without a network and a module cache there is none.
func plugins(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/extism/go-sdk")
	cmd.Dir = "plugins"
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) != nil || found.Dir == "" {
		t.Skipf("the plug-ins cannot be had: %v %s", err, found.Error)
	}
	return filepath.Join(found.Dir, "wasm")
}

// refused are the plug-ins that must be refused, with a part of the reason: five import what only Extism's
// tests have, and three have no export that could be an action.
var refused = map[string]string{
	"host.wasm":             "extism:host/user.mult",
	"host_memory.wasm":      "host.to_upper",
	"host_multiple.wasm":    "extism:host/user.hostGreenMessage, extism:host/user.hostPurpleMessage",
	"main.wasm":             "lib.capitalize",
	"nested.c.instr.wasm":   "dylibso_observe.instrument_enter",
	"count_vowels_std.wasm": "no action",
	"hello_haskell.wasm":    "no action",
	"std_command.wasm":      "no action",
}

// answers are what actions of some plug-ins give for an input.
var answers = []struct{ file, action, input, want string }{
	{"count_vowels.wasm", "count_vowels", "hello world", `"count":3`},
	{"hello.wasm", "run_test", "", "Hello, world!"},
	{"config.wasm", "run_test", "", "unset by host"},
	{"input_offset.wasm", "input_offset_length", "hello world", "\v\x00\x00\x00\x00\x00\x00\x00"},
}

// Each plug-in is taken, and every action of it ends as the guest's, on an empty input and on another; or
// it is refused with the import that is missing. Meanwhile another namespace is served.
func TestPlugins(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(plugins(t), "*.wasm"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no plug-ins", err)
	}
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload("victim", "counter", "examples/wasm/counter")
	victim := s.Actor("victim", "counter")
	served, taken := 0, 0
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(file, func(t *testing.T) {
			wasm, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.ReplaceAll(strings.TrimSuffix(file, ".wasm"), ".", "-")
			if _, err := s.Registry.Namespace(tenants.Default); err != nil {
				if _, err := s.Registry.CreateNamespace(t.Context(), tenants.Default, ""); err != nil {
					t.Fatal(err)
				}
			}
			_, report, _, err := s.Host.Upload(t.Context(), tenants.Default, bytes.NewReader(wasm), actors.UploadOptions{Module: name, Live: true})
			if want, ok := refused[file]; ok || err != nil {
				if abi.CodeOf(err) != abi.CodeModuleImport && abi.CodeOf(err) != abi.CodeModuleInvalid || !ok || !strings.Contains(abi.AsError(err).PublicMessage(), want) {
					t.Errorf("upload: %v, want a refusal with %q: %v", err, want, ok)
				}
				return
			}
			taken++
			t.Logf("%s: image %d, start %d gas, %v", file, report.Image, report.StartGas, report.Warnings)
			for actor, actions := range report.Actors {
				id := s.Actor(tenants.Default, actor)
				for _, action := range actions {
					for _, input := range []string{"", "hello world"} {
						r, err := s.Host.Call(t.Context(), id, actors.Request{Action: action, Raw: []byte(input), IsRaw: true})
						t.Logf("%s(%q): %.60q %v", action, input, r.Raw, err)
						// The guest may fail in its way; an error of ours has another code.
						if code := abi.CodeOf(err); err != nil && !slices.Contains([]abi.Code{abi.CodeUser, abi.CodeActorTrapped, abi.CodeGasExhausted, abi.CodeEgressDenied}, code) {
							t.Errorf("%s(%q): %v", action, input, err)
						}
						for _, a := range answers {
							if a.file == file && a.action == action && a.input == input && !strings.Contains(string(r.Raw), a.want) {
								t.Errorf("%s(%q) is %q, %v, want %q", action, input, r.Raw, err, a.want)
							}
						}
					}
				}
			}
			var n int
			if s.MustCall(victim, &n, "increment", 1); n != served+1 {
				t.Errorf("the other namespace counts %d, want %d", n, served+1)
			}
			served = n
		})
	}
	t.Logf("%d of %d plug-ins taken", taken, len(files))
	if taken != len(files)-len(refused) {
		t.Errorf("%d of %d plug-ins were taken, %d are to be refused", taken, len(files), len(refused))
	}
}
