package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// workload is one row of questions.
type workload struct {
	name   string // short, for programs
	table  string
	title  string
	action string // what an actor is asked; a target without it has no row
	socket bool   // over WebSockets
	lazy   bool   // also for those who answer before the disk has it
	not    string // kinds that cannot do it, or only in minutes
	only   string // the one encoding; empty is all
	measurer
}

// measurer is how a workload is measured.
type measurer interface {
	// measure asks a target once and sets the numbers of res.
	measure(ctx context.Context, o options, t target, run int, res *result) error
}

// preparer is a load that needs something of each target before its first run.
type preparer interface {
	prepare(ctx context.Context, o options, t target) error
}

// fits reports whether a target takes part.
func (w workload) fits(t target) bool {
	return t.actors[w.action] != "" && t.sockets() == w.socket && (!t.lazy || w.lazy) &&
		!slices.Contains(strings.Fields(w.not), t.kind) && (w.only == "" || !w.socket || t.codec.Name() == w.only)
}

// workloads are those of the chosen tables whose names match.
func workloads(o options) []workload {
	var chosen []workload
	for _, w := range allWorkloads(o) {
		if slices.Contains(o.tables, w.table) && o.only.MatchString(w.name) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

func allWorkloads(o options) []workload {
	return slices.Concat(httpWorkloads(o), socketWorkloads(o), lifeWorkloads(o))
}

func httpWorkloads(o options) []workload {
	list := []workload{
		{name: "health", table: "actions", title: "health ping, 32 connections", action: "health", measurer: ask{action: "health", actors: 1, conns: 32}},
		{name: "nop", table: "actions", title: "action that changes nothing, 100 actors, 32 connections", action: "nop", measurer: ask{action: "nop", actors: 100, conns: 32}},
	}
	for _, n := range []struct {
		actors, conns int
		not           string
	}{{1, 1, ""}, {1, 32, ""}, {100, 1, kindRivet}, {100, 32, ""}, {100, 128, kindRivet}, {100, 512, kindRivet}, {10_000, 128, kindWorkerd + " " + kindRivet}} {
		w := workload{name: fmt.Sprintf("increment-%d-%d", n.actors, n.conns), table: "increments", action: "increment", not: n.not, lazy: n.conns == 32, measurer: ask{action: "increment", actors: n.actors, conns: n.conns}}
		w.title = fmt.Sprintf("durable increment, %s, %s", count(n.actors, "actor"), count(n.conns, "connection"))
		list = append(list, w)
	}
	list = append(list,
		workload{name: "first", table: "births", title: fmt.Sprintf("first increment of a new actor, one after the other (%d)", o.first), action: "increment", measurer: ask{action: "increment", actors: o.first, conns: 1, once: true}},
		workload{name: "new", table: "births", title: fmt.Sprintf("%s new actors, an increment each, 32 connections", thousands(o.newActors)), action: "increment", measurer: ask{action: "increment", actors: o.newActors, conns: 32, once: true}},
		workload{name: "call", table: "calls", title: "an actor asks another, 32 connections to an actor each", action: "ask", measurer: ask{action: "ask", actors: 32, conns: 32}},
		workload{name: "fan", table: "calls", title: "an actor asks 100 others, 4 connections to an actor each", action: "fan", measurer: ask{action: "fan", others: 100, actors: 4, conns: 4}},
	)
	for _, bytes := range []int{100, 4 << 10, 64 << 10} {
		list = append(list, workload{name: fmt.Sprintf("put-%d", bytes), table: "stores", title: fmt.Sprintf("write of an item of %s, 100 actors, 32 connections", size(bytes)), action: "put", measurer: ask{action: "put", bytes: bytes, actors: 100, conns: 32}})
	}
	return list
}

func socketWorkloads(o options) []workload {
	actions := []struct {
		name, title string
		talk
		not string
	}{
		{"ws-nop", "action that changes nothing, 32 connections to an actor each", talk{action: "nop", conns: 32, window: 1}, ""},
		{"ws-nop-16", "the same, 16 in flight on each connection", talk{action: "nop", conns: 32, window: 16}, kindRivet},
		{"ws-increment", "durable increment, 32 connections to an actor each", talk{action: "increment", conns: 32, window: 1}, ""},
		{"ws-increment-16", "the same, 16 in flight on each connection", talk{action: "increment", conns: 32, window: 16}, kindRivet},
		{"ws-increment-1", "durable increment, 32 connections to one actor", talk{action: "increment", conns: 32, shared: true, window: 1}, ""},
	}
	var list []workload
	for _, a := range actions {
		list = append(list, workload{name: a.name, table: "sockets", title: a.title, action: a.action, socket: true, not: a.not, measurer: a.talk})
	}
	for _, b := range []struct {
		subscribers, window int
		not, only           string
	}{{1000, 1, "", ""}, {1000, 16, kindRivet, ""}, {manySockets(o.files), 1, kindRivet, "json"}} {
		w := workload{name: fmt.Sprintf("broadcast-%d", b.subscribers), table: "broadcasts", action: "say", socket: true, not: b.not, only: b.only, measurer: talk{action: "say", subscribers: b.subscribers, window: b.window}}
		w.title = fmt.Sprintf("broadcast to %s, %s in flight", count(b.subscribers, "socket"), count(b.window, "message"))
		if b.window > 1 {
			w.name += fmt.Sprintf("-%d", b.window)
		}
		list = append(list, w)
	}
	return list
}

// manySockets is 10,000, or as many thousands as fit where a process may open fewer files: a host takes three quarters of
// them as connections, and lets one namespace have half of those.
func manySockets(files int) int {
	return min(10_000, max(2000, files*3/8/1000*1000))
}

func lifeWorkloads(o options) []workload {
	return []workload{
		{name: "wake", table: "wakes", title: fmt.Sprintf("first request to a sleeping actor, one after the other (%d)", o.first), action: "woken", measurer: wake{actors: o.first}},
		{name: "schedules", table: "schedules", title: fmt.Sprintf("%s actors with a schedule each, all at the same moment", thousands(o.newActors)), action: "remind", measurer: schedules{actors: o.newActors}},
		{name: "memory", table: "memory", title: fmt.Sprintf("%s actors after an increment each", thousands(o.live)), action: "increment", measurer: memory{actors: o.live}},
		{name: "upload", table: "uploads", title: "from the upload of a new version to the first answer of a new actor", action: "upload", measurer: upload{}},
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

// thousands writes 10,000 for ten thousand, and so on to a million.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func size(bytes int) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
