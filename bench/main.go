// Command bench measures a host beside the floor: the least that a Go program could do for the same
// requests on the same machine. See README.md for how to read what it prints.
//
// It owns the run: it builds and starts both servers, loads them in turn, and stops them and
// removes their data however the run ends. Package load asks, command floor is the other server,
// package inprocess measures without HTTP. Its one invariant: a number is printed only for answers
// that were checked, and a run with any error exits 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	runs             int
	dur, warm        time.Duration
	newActors, first int
	wire             bool
	only             *regexp.Regexp
	dir              string
	jsonFile, out    string
}

func parseOptions(args []string) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.runs, "runs", 5, "runs of each workload on each server")
	f.DurationVar(&o.dur, "dur", 3*time.Second, "length of a run of a repeated workload, at most 1m")
	f.DurationVar(&o.warm, "warm", 500*time.Millisecond, "load before each of them that is not measured")
	f.IntVar(&o.newActors, "new", 10_000, "actors of the workload that makes actors")
	f.IntVar(&o.first, "first", 300, "actors of the workload that makes them one after the other")
	f.BoolVar(&o.wire, "wire", false, "connections and broadcasts beside workerd, in the place of requests beside the floor")
	f.StringVar(&only, "only", "", "regular expression; workloads whose name it does not match are left out")
	f.StringVar(&o.dir, "dir", "", "folder on the disk to measure; empty is the system's for temporary files")
	f.StringVar(&o.jsonFile, "json", "", "file for JSON lines: the machine, then each run")
	f.StringVar(&o.out, "out", "", "file for the markdown that is printed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.runs < 1, o.newActors < 1, o.first < 1, o.dur <= 0, o.warm < 0:
		return o, errors.New("-runs, -new, -first and -dur are at least 1, -warm is not negative")
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
	tmp, err := os.MkdirTemp(o.dir, "vivarium-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	m, err := describeMachine(ctx, tmp)
	if err != nil {
		return err
	}
	if o.wire {
		return runWire(ctx, o, m, tmp)
	}
	s, err := startServers(ctx, tmp)
	defer func() { err = errors.Join(err, s.stop()) }() // before the data is removed
	if err != nil {
		return err
	}
	results, err := takeTurns(ctx, o.runs, workloads(o), s.targets, func(w workload, t target, run int) (result, error) {
		return measure(ctx, o, t, w, run)
	})
	var page strings.Builder
	return errors.Join(err, writeMarkdown(&page, o, m, results), report(o, m, results, page.String()))
}

// takeTurns runs each workload on each server in turn, so that what else the machine does falls
// on all of them alike. A failed run is a result, and an error at the end.
func takeTurns[W, T any](ctx context.Context, runs int, workloads []W, targets []T, measure func(W, T, int) (result, error)) ([]result, error) {
	var results []result
	failed := 0
	for _, w := range workloads {
		for i := range runs {
			for _, t := range targets {
				r, err := measure(w, t, i)
				if ctx.Err() != nil {
					return results, errors.New("stopped")
				}
				if err != nil {
					failed++
					fmt.Fprintf(os.Stderr, "bench: %s on %s, run %d: %v\n", r.Workload, r.Target, i, err)
				}
				results = append(results, r)
			}
		}
		fmt.Fprintf(os.Stderr, "bench: %s done\n", results[len(results)-1].Workload)
	}
	if failed > 0 {
		return results, fmt.Errorf("%d of %d runs failed", failed, len(results))
	}
	return results, nil
}

// report prints the page and writes the files that were asked for.
func report(o options, m machine, results []result, page string) error {
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
	markdown := func(w io.Writer) error { _, err := io.WriteString(w, page); return err }
	errs = append(errs, markdown(os.Stdout))
	write(o.out, markdown)
	write(o.jsonFile, func(w io.Writer) error { return writeJSON(w, m, results) })
	return errors.Join(errs...)
}
