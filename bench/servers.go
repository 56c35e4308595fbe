package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Kinds of servers.
const (
	kindFloor   = "floor"
	kindWorkerd = "workerd"
	kindRivet   = "rivet"
	kindHost    = "host"
)

// server is a process that is measured. The others than the host and the floor are peers, which may fail.
type server struct {
	kind     string
	version  string // what it says of itself, for the page; may be empty
	start    func(ctx context.Context) (*process, error)
	more     []string // arguments of a host that starts from now on
	p        *process
	addr     string // host:port
	pid      int    // with its children, whose time and memory count
	operator string // token for a host's metrics
}

func (s *server) peer() bool { return s.kind == kindWorkerd || s.kind == kindRivet }

// begin starts the process. Call it on the main goroutine: see prepare.
func (s *server) begin(ctx context.Context) error {
	p, err := s.start(ctx)
	s.p = p
	if err != nil {
		return err
	}
	s.addr, s.pid = p.addr, p.pid()
	return nil
}

// restart starts the process again. A host goes on with its data; peers begin with none.
func (s *server) restart(ctx context.Context) error {
	err := s.stop()
	if err != nil && !s.peer() {
		return err
	}
	return s.begin(ctx)
}

func (s *server) stop() error {
	if s.p == nil {
		return nil
	}
	p := s.p
	s.p = nil
	_ = p.signal(thaw) // what is frozen does not end; it fails if the process has ended
	return p.stop()
}

// freeze has the process, with those that it started, stand still until thaw.
func (s *server) freeze() error { return s.signal(freeze) }

func (s *server) thaw() error { return s.signal(thaw) }

func (s *server) signal(sig syscall.Signal) error {
	if s.p == nil {
		return errors.New(s.kind + " does not run")
	}
	return s.p.signal(sig)
}

// metrics returns what a host counts, the series of one name in sum; nothing for others.
func (s *server) metrics(ctx context.Context) (map[string]float64, error) {
	if s.operator == "" {
		return nil, nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.operator)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("metrics: answered %d", answer.StatusCode)
	}
	return parseMetrics(string(b)), err
}

func parseMetrics(text string) map[string]float64 {
	sums := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.LastIndexByte(line, '}'); i >= 0 {
			name, _, _ = strings.Cut(line, "{")
			value = strings.TrimSpace(line[i+1:])
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil && !strings.HasPrefix(line, "#") {
			sums[name] += n
		}
	}
	return sums
}

// target is something to measure: a server, with the actors that take part, over HTTP or over WebSockets.
type target struct {
	*server
	name   string // in the tables
	token  string
	actors map[string]string // of each action that it can, the actor
	codec  codec             // over WebSockets; zero is HTTP
	lazy   bool              // its increments are answered before they are on disk, by the action lazy
	module *module           // what can be uploaded
}

// noToken is as long as a host's token, for servers that do not look at it.
var noToken = strings.Repeat("x", 180)

func (t target) sockets() bool { return t.codec.Encoding != nil }

// fleet is all servers of a run.
type fleet struct {
	root, tmp string
	servers   []*server
	targets   []target
	missing   []string // peers that could not be started, and why
}

// stop ends all of them. It reports a server of ours that had ended, or that says on its way out that something
// is wrong.
func (f *fleet) stop() error {
	var errs []error
	for _, s := range f.servers {
		if err := s.stop(); !s.peer() {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// startFleet builds and starts servers of the kinds, each with its data in a folder of tmp. What it has started is
// returned also when it fails. A peer that does not start is left out, which the page says.
func startFleet(ctx context.Context, tmp string, kinds []string) (*fleet, error) {
	root, err := repository(ctx)
	f := &fleet{root: root, tmp: tmp}
	if err != nil {
		return f, err
	}
	starts := map[string]func(context.Context) error{kindFloor: f.startFloor, kindWorkerd: f.startWorkerd, kindRivet: f.startRivet, kindHost: f.startHost}
	for _, kind := range kinds {
		err := starts[kind](ctx)
		peer := kind == kindWorkerd || kind == kindRivet
		if err != nil && (!peer || ctx.Err() != nil) {
			return f, err
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s: %v\n", kind, err)
			f.missing = append(f.missing, kind+": "+firstLine(err))
		}
	}
	slices.SortStableFunc(f.targets, func(a, b target) int { return slices.Index(order, a.kind) - slices.Index(order, b.kind) })
	return f, nil
}

// order is that of the rows.
var order = []string{kindFloor, kindWorkerd, kindRivet, kindHost}

// all gives each action to one actor.
func all(actor, actions string) map[string]string {
	m := map[string]string{}
	for action := range strings.FieldsSeq(actions) {
		m[action] = actor
	}
	return m
}

// everything is what an actor can be asked; an upload and the lazy increment are not for all.
const everything = "health nop get increment say put size one ask fan remind late woken"

func (f *fleet) add(s *server, ctx context.Context) error {
	f.servers = append(f.servers, s)
	return s.begin(ctx)
}

func (f *fleet) startFloor(ctx context.Context) error {
	bin := filepath.Join(f.tmp, "floor")
	if _, err := command(ctx, f.root, "go", "build", "-o", bin, "./bench/floor"); err != nil {
		return err
	}
	started := 0
	s := &server{kind: kindFloor, start: func(ctx context.Context) (*process, error) {
		started++
		return startProcess(ctx, bin, "--log", filepath.Join(f.tmp, fmt.Sprintf("floor-%d.log", started)))
	}}
	if err := f.add(s, ctx); err != nil {
		return err
	}
	f.targets = append(f.targets,
		target{server: s, name: "floor", token: noToken, actors: all("floor", "health nop get increment put size")},
		target{server: s, name: "floor, json", token: noToken, actors: all("floor", "nop increment say"), codec: codecOf("json")})
	return nil
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
	return output(cmd)
}

func output(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args[:min(2, len(cmd.Args))], " "), err, stderr.Bytes())
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

// firstLine is the beginning of an error, for a page.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
