// Package dts writes TypeScript declarations for the actors of a module, from the JSON Schemas of its
// manifest, for Rivet's client: createClient<Registry>().
//
// It owns how a schema reads in TypeScript, and leaves where manifests come from to package main. What a
// manifest says is a stranger's text that becomes source code on somebody's machine, so one invariant
// rules: nothing of it is written but as a quoted string, a name made of letters and digits, or a comment
// without control characters and without an end of its own.
package dts

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Module is what declarations are written from.
type Module struct {
	Name    string
	Version int
	Actors  map[string]abi.ActorManifest
}

// Write returns the declarations of a module: a file that ends in .d.ts. The same module gives the same
// file.
func Write(m Module) string {
	g := newNamer()
	var actors, inputs, params strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.Actors)) {
		a := m.Actors[name]
		actors.WriteString(actorType(g, name, &a))
		fmt.Fprintf(&inputs, "  %s: %s;\n", key(name), typeOf(g, name+"Input", a.Input))
		fmt.Fprintf(&params, "  %s: %s;\n", key(name), typeOf(g, name+"Params", a.Params))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// Made by `host types` from version %d of the module %s. Changes are lost when it is made again.\n\n", m.Version, quote(m.Name))
	b.WriteString("import type { Registry as RivetRegistry } from \"rivetkit\";\n\n")
	b.WriteString("/** The type parameter of createClient. */\nexport type Registry = RivetRegistry<Actors>;\n\n")
	fmt.Fprintf(&b, "/** The actors, as Rivet's client reads them. */\nexport type Actors = {\n%s};\n\n", actors.String())
	fmt.Fprintf(&b, "/** What each actor is made from: createWithInput and input. */\nexport type Inputs = {\n%s};\n\n", inputs.String())
	fmt.Fprintf(&b, "/** What each actor takes from a connection. */\nexport type Params = {\n%s};\n", params.String())
	for _, d := range g.declared() {
		b.WriteString("\n" + d)
	}
	return b.String()
}

// actorType writes one actor as the part of a Rivet definition that the client's types look at.
func actorType(g *namer, name string, a *abi.ActorManifest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s: {\n    readonly config: {\n      actions: {\n", key(name))
	for _, action := range slices.Sorted(maps.Keys(a.Actions)) {
		m := a.Actions[action]
		fmt.Fprintf(&b, "        %s: (c: unknown, ...args: %s) => %s;\n", key(action), argsOf(g, name+"-"+action+"-args", m.Args), resultOf(g, name+"-"+action+"-result", m.Result))
	}
	b.WriteString("      };\n      events: {\n")
	for _, event := range events(a) {
		fmt.Fprintf(&b, "        %s: { readonly _eventType?: %s };\n", key(event), eventOf(g, name+"-"+event+"-event", a.EventSchema[event]))
	}
	b.WriteString("      };\n      queues: {\n")
	for _, queue := range slices.Sorted(maps.Keys(a.Queues)) {
		q := a.Queues[queue]
		fmt.Fprintf(&b, "        %s: { readonly _queueMessage?: %s; readonly _queueComplete?: %s };\n", key(queue),
			typeOf(g, name+"-"+queue+"-body", q.Body), typeOf(g, name+"-"+queue+"-result", q.Result))
	}
	b.WriteString("      };\n    };\n  };\n")
	return b.String()
}

// events returns the names of an actor's events, with a schema or without.
func events(a *abi.ActorManifest) []string {
	names := slices.Concat(a.Events, slices.Collect(maps.Keys(a.EventSchema)))
	slices.Sort(names)
	return slices.Compact(names)
}

// typeOf returns the type of a schema; any where there is none, or none that can be read.
func typeOf(g *namer, place string, schema json.RawMessage) string {
	d := parse(g, place, schema)
	if d == nil || d.root == true {
		return "any"
	}
	return d.typ(d.root)
}

// resultOf is typeOf for the result of an action, whose null is no value.
func resultOf(g *namer, place string, schema json.RawMessage) string {
	if t := typeOf(g, place, schema); t != "null" {
		return t
	}
	return "void"
}

// argsOf returns the type of a list of arguments, which has to be a list in TypeScript too.
func argsOf(g *namer, place string, schema json.RawMessage) string {
	d := parse(g, place, schema)
	if d == nil {
		return "any[]"
	}
	m, ok := d.root.(map[string]any)
	if !ok || m["type"] != "array" {
		return "any[]"
	}
	return d.array(m)
}

// anyEvent are the arguments of an event of which nothing is known. Rivet's client takes a list that may
// be of any length for one argument, so the length has an end.
const anyEvent = "[any?, any?, any?, any?, any?, any?, any?, any?]"

// eventOf returns the type of an event's arguments.
func eventOf(g *namer, place string, schema json.RawMessage) string {
	t := argsOf(g, place, schema)
	if !strings.HasPrefix(t, "[") || strings.Contains(t, "...") {
		return anyEvent
	}
	return t
}
