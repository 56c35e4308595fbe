package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// runWire is the command with -wire: connections and broadcasts in each encoding, beside workerd's Durable Objects.
func runWire(ctx context.Context, o options, m machine, tmp string) (err error) {
	s := &servers{}
	defer func() { err = errors.Join(err, s.stop()) }() // before the data is removed
	lines, err := s.startLines(ctx, tmp)
	if err != nil {
		return err
	}
	peer, err := command(ctx, "", s.procs[0].cmd.Path, "--version")
	if err != nil {
		return err
	}
	results, err := takeTurns(ctx, o.runs, talks(o), lines, func(w talk, l line, run int) (result, error) {
		return w.measure(ctx, o, l, run)
	})
	return errors.Join(err, report(o, m, results, wireTables(o, m, peer, results)))
}

// startLines starts workerd and the host, each with its data in a folder of tmp. The first line is workerd's.
func (s *servers) startLines(ctx context.Context, tmp string) ([]line, error) {
	root, err := repository(ctx)
	if err != nil {
		return nil, err
	}
	peer, err := s.startPeer(ctx, root, filepath.Join(tmp, "objects"))
	if err != nil {
		return nil, err
	}
	host := filepath.Join(tmp, "host")
	if _, err := command(ctx, root, "go", "build", "-o", host, "./cmd/host"); err != nil {
		return nil, err
	}
	talkers := []guest{
		{name: "actions", path: "examples/wasm/counter", actor: "counter"},
		{name: "broadcasts", path: "bench/room", actor: "room"},
	}
	if err := s.startHost(ctx, tmp, root, host, talkers); err != nil {
		return nil, err
	}
	if len(s.targets) != len(talkers) {
		return nil, errors.New("a guest is not there")
	}
	lines := []line{peer}
	for _, encoding := range []string{"bare", "cbor", "json"} {
		t := s.targets[0]
		lines = append(lines, line{name: "host, " + encoding, addr: t.addr, pid: t.pid, token: t.token, codec: codecOf(encoding), paths: hostPaths})
	}
	return lines, nil
}

var (
	hostPaths = map[string]string{"counter": fmt.Sprintf(hostPath, "counter"), "room": fmt.Sprintf(hostPath, "room")}
	peerPaths = map[string]string{"counter": "/counter/%s?", "room": "/room/%s?"}
)

// startPeer starts workerd with its objects in a new folder. It speaks our JSON.
func (s *servers) startPeer(ctx context.Context, root, data string) (line, error) {
	folder := filepath.Join(root, "bench", "peers", "workerd")
	arch := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	bin := filepath.Join(folder, "node_modules", "@cloudflare", "workerd-linux-"+arch, "bin", "workerd")
	if _, err := os.Stat(bin); err != nil {
		return line{}, fmt.Errorf("workerd is installed by make -C bench/peers/workerd: %w", err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return line{}, err
	}
	p, err := s.start(ctx, bin, "serve", filepath.Join(folder, "config.capnp"), "--directory-path", "data="+data, "--control-fd=2")
	if err != nil {
		return line{}, err
	}
	return line{name: "workerd, json", addr: p.addr, pid: p.pid(), codec: codecOf("json"), paths: peerPaths}, nil
}

// measure runs a workload on a server once. A result is returned also with an error.
func (w talk) measure(ctx context.Context, o options, l line, run int) (result, error) {
	res := result{Workload: w.name, Target: l.name, Run: run}
	r, err := w.load(ctx, o, l, run, &res)
	if err != nil {
		res.Error, res.Errors = err.Error(), max(1, r.Errors)
	}
	return res, errors.Join(err, settle(ctx, l.pid)) // what ends with the sockets is nobody else's to pay
}

func (w talk) load(ctx context.Context, o options, l line, run int, res *result) (r load.Result, err error) {
	runner, done, err := w.open(ctx, l, run)
	defer done()
	if err != nil {
		return r, err
	}
	if o.warm > 0 {
		if r, err = runner.Run(ctx, o.warm); err != nil {
			return r, fmt.Errorf("warm up: %w", err)
		}
	}
	before, err := usages(l.pid, os.Getpid())
	if err != nil {
		return r, err
	}
	if r, err = runner.Run(ctx, o.dur); err != nil {
		return r, err
	}
	after, err := usages(l.pid, os.Getpid())
	if err == nil {
		res.set(r, before, after)
	}
	return r, err
}

// settle waits until a process has used no time for a while, but not for ever.
func settle(ctx context.Context, pid int) error {
	const look, most = 60 * time.Millisecond, 100
	var last usage
	for range most {
		u, err := usageOf(pid)
		if err != nil || u.cpu == last.cpu || ctx.Err() != nil {
			return err
		}
		last = u
		time.Sleep(look)
	}
	return nil
}

// wireTables returns the page of the figures.
func wireTables(o options, m machine, peer string, results []result) string {
	var b strings.Builder
	b.WriteString(wirePage)
	fmt.Fprintf(&b, "%s · %s · %s · commit %s · %s · %s · %d cores, shared with the client · %s\n\n", m.Time.Format("2006-01-02 15:04 MST"), peer, "protocol 4", m.Commit, m.Go, m.OS, m.Cores, m.CPU)
	fmt.Fprintf(&b, "Before the run: load average %s; append of 4 KiB with fsync %s ms. %d runs of %v after %v of warming up, the servers in turn; each cell is the median (least–most) of the runs.\n",
		m.Load, number(m.Sync), o.runs, o.dur, o.warm)
	tables := []struct {
		title, what, each string
		of                func(talk) bool
	}{
		{"Actions", "actions", "action", func(w talk) bool { return w.subscribers == 0 }},
		{"Broadcasts", "deliveries", "delivery", func(w talk) bool { return w.subscribers > 0 }},
	}
	for _, t := range tables {
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		writeHead(&b, t.what, t.each, "workerd")
		for _, w := range talks(o) {
			if t.of(w) {
				writeRows(&b, w.title, rowsOf(w.name, results))
			}
		}
	}
	return b.String()
}
