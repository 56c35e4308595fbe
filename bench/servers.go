package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// target is something to measure: a server, and an actor of it.
type target struct {
	name  string
	addr  string // host:port
	pid   int    // whose time and memory count
	token string
	actor string
}

// servers are the floor and the host, running.
type servers struct {
	procs   []*process
	targets []target // the floor first
}

// stop ends both. It reports a server that had ended, or that says on its way out that something
// is wrong.
func (s *servers) stop() error {
	var errs []error
	for _, p := range s.procs {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// startServers builds and starts the floor and the host, each with its data in a folder of tmp,
// and uploads the guests. What it has started is returned also when it fails.
func startServers(ctx context.Context, tmp string) (*servers, error) {
	s := &servers{}
	root, err := repository(ctx)
	if err != nil {
		return s, err
	}
	floor, host := filepath.Join(tmp, "floor"), filepath.Join(tmp, "host")
	for bin, pkg := range map[string]string{floor: "./bench/floor", host: "./cmd/host"} {
		if _, err := command(ctx, root, "go", "build", "-o", bin, pkg); err != nil {
			return s, err
		}
	}
	p, err := s.start(ctx, floor, "--log", filepath.Join(tmp, "floor.log"))
	if err != nil {
		return s, err
	}
	// The floor gets a token of the same length, which it does not look at.
	s.targets = []target{{name: "floor", addr: p.addr, pid: p.pid(), actor: "counter"}}
	if err := s.startHost(ctx, tmp, root, host, guests); err != nil {
		return s, err
	}
	s.targets[0].token = s.targets[1].token
	return s, nil
}

// startHost starts the host as its operator would, and adds a target for each guest that there is.
func (s *servers) startHost(ctx context.Context, tmp, root, host string, guests []guest) error {
	key := filepath.Join(tmp, "signing.key")
	if _, err := command(ctx, root, host, "key", key); err != nil {
		return err
	}
	token, err := command(ctx, root, host, "token", "--key-file", key, "--namespace", "default", "--role", "admin")
	if err != nil {
		return err
	}
	p, err := s.start(ctx, host, "serve", "--json", "--listen", "127.0.0.1:0", "--key-file", key, "--data", filepath.Join(tmp, "data"))
	if err != nil {
		return err
	}
	for _, g := range guests {
		if ok, err := g.exists(root); err != nil || !ok {
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "bench: no %s in %s: left out\n", g.name, g.path)
			continue
		}
		if _, err := command(ctx, root, host, "deploy", "--url", "http://"+p.addr, "--token", token, "--module", g.actor, g.path); err != nil {
			return err
		}
		s.targets = append(s.targets, target{name: g.name, addr: p.addr, pid: p.pid(), token: token, actor: g.actor})
	}
	return nil
}

func (s *servers) start(ctx context.Context, bin string, args ...string) (*process, error) {
	p, err := startProcess(ctx, bin, args...)
	if p != nil {
		s.procs = append(s.procs, p)
	}
	return p, err
}

// repository returns the folder of this module, which holds what is built.
func repository(ctx context.Context) (string, error) {
	file, err := command(ctx, "", "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	root := filepath.Dir(file)
	if _, err := os.Stat(filepath.Join(root, "bench", "floor")); err != nil {
		return "", fmt.Errorf("run it within the repository: %w", err)
	}
	return root, nil
}

// command runs a program to its end and returns what it prints, trimmed.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), args[0], err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// environ is our environment without the host's settings.
func environ() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "VIVARIUM_") {
			env = append(env, e)
		}
	}
	return env
}
