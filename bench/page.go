package main

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// page returns what is printed: the tables, and in the form of all peers the page docs/benchmarks.md.
func page(o options, m machine, results []result, missing []string) string {
	var b strings.Builder
	if o.name == "peers" {
		b.WriteString(pageHead)
	}
	writeMachine(&b, o, m)
	for _, why := range missing {
		fmt.Fprintf(&b, "\n**Not there:** %s.\n", cell(why))
	}
	if o.name == "peers" {
		fmt.Fprintf(&b, "\n## Against the budgets\n\n%s\n", budgetText)
		writeBudgets(&b, results)
	}
	charts := chartsOf(o, results)
	for _, t := range tables {
		list := listOf(t.name, o, results)
		if len(list) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", t.title)
		if t.text != "" {
			b.WriteString(t.text + "\n\n")
		}
		if charts[t.name] != "" {
			fmt.Fprintf(&b, "![%s](%s)\n\n", t.title, path.Join(filepath.Base(o.charts), t.name+".svg"))
		}
		t.write(&b, list, results)
	}
	return b.String()
}

// listOf are a table's workloads that were measured.
func listOf(name string, o options, results []result) []workload {
	var list []workload
	for _, w := range workloads(o) {
		if w.table == name && len(rowsOf(w.name, results)) > 0 {
			list = append(list, w)
		}
	}
	return list
}

func writeMachine(b *strings.Builder, o options, m machine) {
	facts := []string{m.Time.Format("2006-01-02 15:04 MST"), "commit " + m.Commit, m.Go, m.OS, fmt.Sprintf("%d cores, shared with the client", m.Cores), m.CPU}
	for _, v := range m.Versions {
		if v != "" {
			facts = append(facts, v)
		}
	}
	fmt.Fprintf(b, "%s\n\n", strings.Join(facts, " · "))
	fmt.Fprintf(b, "Before the run: load average %s; append of 4 KiB with fsync %s ms. %s of %v after %v of warming up, the servers in turn, %v in all; each cell is the median (least–most) of the runs.\n",
		cmp.Or(m.Load, "unknown"), number(m.Sync), count(o.runs, "run"), o.dur, o.warm, m.Took)
}

// pageHead is what one must know to read the tables that follow it.
const pageHead = `# Benchmarks

Written by ` + "`make bench-peers`" + `: the host beside the bare Go floor, Durable Objects in workerd, and Rivet's engine, on one machine in
one run, in turn. All get the same requests, byte for byte but for names and tokens. The load, the guests and the peers' actors are in
[bench](../bench/README.md); parts of it by hand: ` + "`go run ./bench -form peers -only '^increment' -runs 5`" + `.

- **floor**: net/http, WebSockets, JSON, a map and a log with group commit: the least that a Go program could do. It has no actors, no
  isolation, and nobody could read its log again.
- **workerd** runs Durable Objects from its npm package, on local disk. An increment is on disk before its answer leaves: each object's SQLite is opened
  with full syncs, one sync for each increment, alone. It runs all objects on one thread, without a bound of their time or memory. Its
  authors' hosted service runs many processes and commits otherwise; this is what one gets on a machine of one's own.
- **rivet** is Rivet's engine with its actor host in Node, from npm, as one gets it on a machine of one's own. Its storage is made for
  clusters. By default it saves state within a second of the change, after the answer: those rows say so. The others await
  ` + "`saveState({ immediate: true })`" + ` in each increment; whether the engine then syncs the disk was not traced. TCP_NODELAY is set in the engine, its limits of messages to sockets are
  raised, and a pause does not make its processes think each other lost. Its node process still waits for delayed acknowledgements on its way to the engine, some 40 ms with one connection. Making actors sometimes
  hangs until the gateway gives up after 15 s: what could not be measured for that says so. It is left out of workloads with more than 32 connections, or 16 messages in flight.
- **host** is this program, as ` + "`host serve`" + ` with more connections than by default. It meters each instruction and each host call of a guest, bounds its memory and time,
  and runs each actor in a Wasm instance of its own; it lets some 600 actors of a namespace live at a time, the others sleep, but where memory is measured. An answer leaves after the commit, which many actors share.
  The Go guests are built with the SDK; the one in AssemblyScript is a plain module.
- **Each is measured alone.** The others are stopped meanwhile (SIGSTOP), as what they still have to do would be paid by whose turn it is.
- **The generator shares the cores** with the server, and takes up to one of them. So compare ratios, and CPU: it is the server's own, with its
  children's. The kernel counts it in steps of 10 ms.
- A run counts only if every answer and event was the one that had to come, and what was stored is read again. A peer whose runs of a workload fail twice is not asked
  it again and started anew.
- **÷ floor** and **÷ workerd** divide each run by theirs beside it. For rates more is better, for times, CPU and memory less. With n requests in
  flight p50 is about n ÷ rate. A cell is – where a server does not have the feature, or where that would take minutes.

`
