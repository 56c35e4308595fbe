package main

import (
	"context"
	"os/exec"
	"path/filepath"
)

// guest is one module that the host runs.
type guest struct {
	module string
	path   string // in the repository: a folder of Go source, or a .wasm file
}

// guests are all of them.
var guests = []guest{{"counter", "examples/wasm/counter"}, {"bench", "bench/guest"}, {"bench-as", "bench/guest-as/bench.wasm"}}

// Actors of the guests, by action. The counter of the examples counts, the rest is done by those of bench.
func goActors() map[string]string {
	m := all("desk", everything+" rest")
	for action, actor := range map[string]string{"nop": "counter", "get": "counter", "increment": "counter", "say": "room", "upload": "counter"} {
		m[action] = actor
	}
	return m
}

func asActors() map[string]string { return all("bench-as", everything+" rest upload") }

// startHost starts the host as its operator would, with as many connections as the largest workload needs, and
// uploads the guests.
func (f *fleet) startHost(ctx context.Context) error {
	bin, key := filepath.Join(f.tmp, "host"), filepath.Join(f.tmp, "signing.key")
	if _, err := command(ctx, f.root, "go", "build", "-o", bin, "./cmd/host"); err != nil {
		return err
	}
	if _, err := command(ctx, f.root, bin, "key", key); err != nil {
		return err
	}
	token, err := command(ctx, f.root, bin, "token", "--key-file", key, "--namespace", "default", "--role", "admin")
	if err != nil {
		return err
	}
	operator, err := command(ctx, f.root, bin, "token", "--key-file", key, "--role", "operator")
	if err != nil {
		return err
	}
	s := &server{kind: kindHost, operator: operator}
	s.start = func(ctx context.Context) (*process, error) {
		args := []string{"serve", "--json", "--listen", "127.0.0.1:0", "--key-file", key, "--data", filepath.Join(f.tmp, "data"),
			"--max-connections", "24000", "--max-connections-per-client", "12000"}
		return startProcess(ctx, bin, append(args, s.more...)...)
	}
	if err := f.add(s, ctx); err != nil {
		return err
	}
	for _, g := range guests {
		if _, err := command(ctx, f.root, bin, "deploy", "--url", "http://"+s.addr, "--token", token, "--module", g.module, g.path); err != nil {
			return err
		}
	}
	return f.addHost(ctx, s, token)
}

// addHost adds a host's targets: each guest over HTTP, and over WebSockets.
func (f *fleet) addHost(ctx context.Context, s *server, token string) error {
	goWasm := filepath.Join(f.tmp, "counter.wasm")
	cmd := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-o", goWasm, "./examples/wasm/counter")
	cmd.Dir, cmd.Env = f.root, append(environ(), "GOOS=wasip1", "GOARCH=wasm")
	if _, err := output(cmd); err != nil {
		return err
	}
	inGo := target{server: s, name: "host, Go", token: token, actors: goActors(), module: &module{name: "counter", path: goWasm}}
	inAS := target{server: s, name: "host, AssemblyScript", token: token, actors: asActors(), module: &module{name: "bench-as", path: filepath.Join(f.root, "bench", "guest-as", "bench.wasm")}}
	f.targets = append(f.targets, inGo, inAS)
	for _, encoding := range []string{"bare", "cbor", "json"} {
		t := inGo
		t.name, t.codec = "host, Go, "+encoding, codecOf(encoding)
		f.targets = append(f.targets, t)
	}
	inAS.name, inAS.codec = "host, AssemblyScript, json", codecOf("json")
	f.targets = append(f.targets, inAS)
	return nil
}
