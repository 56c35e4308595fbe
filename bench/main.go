// Command bench measures a host beside other servers: the floor, which is the least that a Go program could do for the
// same requests on the same machine, workerd's Durable Objects and Rivet's engine. See README.md for how to read what
// it prints.
//
// It owns the run: it builds and starts the servers, loads them in turn, and stops them and
// removes their data however the run ends. Package load asks, command floor is another server,
// package inprocess measures without HTTP. Its one invariant: a number is printed only for answers
// that were checked, and a run with any error of the host or the floor exits 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	form
	runs                   int
	dur, warm              time.Duration
	newActors, first, live int
	files                  int // that a process may open
	only                   *regexp.Regexp
	dir                    string
	jsonFile, out, charts  string
}

// form is what is measured: on which servers, and which tables.
type form struct {
	name   string
	kinds  []string
	tables []string
}

var forms = []form{
	{"http", []string{kindFloor, kindHost}, []string{"actions", "increments", "births"}},
	{"wire", []string{kindFloor, kindWorkerd, kindHost}, []string{"sockets", "broadcasts"}},
	{"peers", order, []string{"actions", "increments", "births", "wakes", "calls", "stores", "sockets", "broadcasts", "schedules", "uploads", "memory"}},
}

func parseOptions(args []string) (options, error) {
	var o options
	var only, name string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&name, "form", "http", "http: requests, beside the floor; wire: connections and broadcasts, beside workerd, too; peers: everything, beside Rivet's engine, too")
	f.IntVar(&o.runs, "runs", 5, "runs of each workload on each server")
	f.DurationVar(&o.dur, "dur", 3*time.Second, "length of a run of a repeated workload, at most 1m")
	f.DurationVar(&o.warm, "warm", 500*time.Millisecond, "load before each of them that is not measured")
	f.IntVar(&o.newActors, "new", 10_000, "actors of the workload that makes actors, at most")
	f.IntVar(&o.first, "first", 300, "actors of the workload that makes them one after the other, at most")
	f.IntVar(&o.live, "live", 10000, "actors of the workload that measures memory")
	f.StringVar(&only, "only", "", "regular expression; workloads whose name it does not match are left out")
	f.StringVar(&o.dir, "dir", "", "folder on the disk to measure; empty is the system's for temporary files")
	f.StringVar(&o.jsonFile, "json", "", "file for JSON lines: the machine, then each run")
	f.StringVar(&o.out, "out", "", "file for the markdown that is printed")
	f.StringVar(&o.charts, "charts", "", "folder for a chart of each table, beside the file of the markdown")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, err
	}
	for _, known := range forms {
		if known.name == name {
			o.form = known
		}
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.kinds == nil:
		return o, fmt.Errorf("-form is http, wire or peers, not %q", name)
	case o.runs < 1, o.newActors < 1, o.first < 1, o.live < 1, o.dur <= 0, o.warm < 0:
		return o, errors.New("-runs, -new, -first, -live and -dur are at least 1, -warm is not negative")
	}
	return o, nil
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

// run is the whole command. What was measured before a failure is printed, too.
func run(ctx context.Context, o options) (err error) {
	if o.files, err = raiseFiles(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(o.dir, "vivarium-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	m, err := describeMachine(ctx, tmp)
	if err != nil {
		return err
	}
	f, err := startFleet(ctx, tmp, o.kinds)
	defer func() { err = errors.Join(err, f.stop()) }() // before the data is removed
	if err != nil {
		return err
	}
	begun := time.Now()
	results, err := takeTurns(ctx, o, workloads(o), f.targets)
	m.Took = time.Since(begun).Round(time.Second)
	for _, s := range f.servers {
		m.Versions = append(m.Versions, s.version)
	}
	return errors.Join(err, report(o, m, results, f.missing))
}

// report prints the page and writes the files that were asked for.
func report(o options, m machine, results []result, missing []string) error {
	var errs []error
	write := func(path string, f func(io.Writer) error) {
		if path == "" {
			return
		}
		file, err := os.Create(path)
		if err != nil {
			errs = append(errs, err)
			return
		}
		errs = append(errs, f(file), file.Close())
	}
	text := page(o, m, results, missing)
	markdown := func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	errs = append(errs, markdown(os.Stdout))
	write(o.out, markdown)
	write(o.jsonFile, func(w io.Writer) error { return writeJSON(w, m, results) })
	if o.charts != "" {
		errs = append(errs, os.MkdirAll(o.charts, 0o755))
	}
	for name, svg := range chartsOf(o, results) {
		write(filepath.Join(o.charts, name+".svg"), func(w io.Writer) error { _, err := io.WriteString(w, svg); return err })
	}
	return errors.Join(errs...)
}
