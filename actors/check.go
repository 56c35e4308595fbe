package actors

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// Check reports what is wrong with what is stored of an actor, in a store that nobody uses: rows that cannot be
// read, and rows that do not agree. h is what the store knows of the actor's space. What agrees in each committed
// delta is
//
//   - the record with the name that finds the space;
//   - the agenda with the moment at which the space is to be woken;
//   - a queue message's standing with its body, and a task with what it is to send;
//   - counts with what they count.
//
// What an import that was killed has left agrees in nothing but the moment at which it is to be destroyed.
//
// The error is that of ctx, or of a store that cannot be read on.
func Check(ctx context.Context, r kv.Reader, id tenants.ActorID, h kv.Held, report kv.Report) error {
	c := &check{id: id, held: h, report: report, messages: map[string]int{}, tasks: map[string]int{}}
	for it, err := range r.Scan(ctx, id.Space(), kv.Range{}) {
		if err != nil {
			return err
		}
		c.row(it.Key, it.Value)
	}
	c.end()
	return nil
}

// check is what was seen of one actor.
type check struct {
	id     tenants.ActorID
	held   kv.Held
	report kv.Report

	record      bool
	importing   bool      // it is to be destroyed: see import.go
	first       time.Time // of the agenda
	messages    map[string]int
	tasks       map[string]int
	letters     int
	letterCount int
	once        int
	onceCount   int
	marks       [2]int64 // rows that the store counts
	damaged     bool     // something was found
}

// Of a message or a task: which of its rows were seen.
const (
	hasStanding = 1 << iota
	hasBody
)

func (c *check) found(code, format string, args ...any) {
	c.damaged = true
	c.report.Found("actor/"+code, "actor "+string(c.id.Namespace)+"/"+c.id.String(), format, args...)
}

// row takes the next row in the order of the space.
func (c *check) row(key, value []byte) {
	name := string(key[1:])
	switch key[0] {
	case tableRecord:
		c.recordRow(name, value)
	case tableState, tableKV, tableVars:
		// the guest's own
	case tableAgenda:
		c.agendaRow(key, value)
	case tableQueue:
		c.messages[name] |= hasBody
	case tableTaskBody:
		c.tasks[name] |= hasBody
	case tableDead:
		c.deadRow(key, value)
	case tableOnce:
		c.onceRow(name, value)
	case tableRuns:
		c.json("run", key, value, new(abi.Run))
	case tableChildren:
		c.json("child", key, value, new(childRow))
	case tablePins:
		c.json("uploaded version", key, value, new(pin))
	case tableSent, tableReceived:
		c.number("number of a send", key, value)
	default:
		c.found("unknown_row", "at %q: no program of ours writes such a row", clipKey(key))
	}
}

func clipKey(key []byte) []byte { return key[:min(len(key), 200)] }

func (c *check) json(what string, key, value []byte, v any) {
	if err := json.Unmarshal(value, v); err != nil {
		c.found("bad_row", "%s at %q: %v", what, clipKey(key), err)
	}
}

func (c *check) number(what string, key, value []byte) uint64 {
	if len(value) != 8 {
		c.found("bad_row", "%s at %q has %d bytes", what, clipKey(key), len(value))
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

func (c *check) recordRow(name string, value []byte) {
	switch name {
	case "":
		c.recordOf(value)
	case string(usageKey[1:]):
		c.json("usage", usageKey, value, new(abi.ChildUsage))
	case string(importKey[1:]):
		c.importing = true
	case string(childCountKey[1:]), string(wokenKey[1:]):
		c.number("number", append([]byte{tableRecord}, name...), value)
	default:
		c.found("unknown_row", "at %q: no program of ours writes such a row", clipKey(append([]byte{tableRecord}, name...)))
	}
}

// recordOf checks who the actor is, against the name that finds it.
func (c *check) recordOf(value []byte) {
	c.record = true
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		c.found("bad_record", "%v", err)
		return
	}
	if key, err := tenants.ParseKey(string(r.Key)); err != nil || key != r.Key || !tenants.ValidName(r.Name) {
		c.found("bad_record", "its address %q, %q is none", r.Name, r.Key)
		return
	}
	if _, ok := tenants.ParseActorID(c.id.Namespace, r.Parent); r.Parent != "" && !ok {
		c.found("bad_record", "its parent %q is no actor", r.Parent)
	}
	if want := r.info(c.id).Address.Binding(); !bytes.Equal(c.held.Name, want) {
		c.found("wrong_address", "its record says %q, and it is found as %q", want, c.held.Name)
	}
}

// agendaRow checks one thing that the actor has to do.
func (c *check) agendaRow(key, value []byte) {
	due, body, err := cutAgendaRow(value)
	if err != nil || len(key) < 2 {
		c.found("bad_row", "agenda at %q", clipKey(key))
		return
	}
	if c.first.IsZero() || due.Before(c.first) {
		c.first = due
	}
	name := string(key[2:])
	switch agendaKind(key[1]) {
	case agendaSchedule:
		c.marks[0]++
		c.json("schedule", key, body, new(abi.Schedule))
	case agendaOutgoing:
		c.json("send", key, body, new(outgoing))
	case agendaQueue:
		c.marks[1]++
		if _, _, err := readMessage([]byte(name), body); err != nil {
			c.found("bad_row", "queue message at %q", clipKey(key))
		}
		c.messages[name] |= hasStanding
	case agendaTask:
		k, err := decodeTask(name, body)
		if err != nil {
			c.found("bad_row", "task at %q", clipKey(key))
			return
		}
		c.tasks[name] |= hasStanding
		if k.Size == 0 {
			c.tasks[name] |= hasBody
		}
	case agendaForget:
		c.number("end of sends", key, body)
	case agendaLifetime:
	default:
		c.found("unknown_row", "agenda at %q: work of no kind that there is", clipKey(key))
	}
}

func (c *check) deadRow(key, value []byte) {
	switch {
	case string(key) == string(deadCountKey):
		n, size := binary.Uvarint(value)
		if size <= 0 || size != len(value) {
			c.found("bad_row", "count of dead letters")
		}
		c.letterCount = int(n)
	case len(key) > 2 && key[1] == deadLetter:
		c.letters++
		c.json("dead letter", key, value, new(letter))
	default:
		c.found("unknown_row", "dead letter at %q", clipKey(key))
	}
}

func (c *check) onceRow(name string, value []byte) {
	switch {
	case name == "n":
		c.onceCount = int(c.number("count of idempotency keys", onceCountKey, value))
	case len(name) == 1+32 && name[0] == 'k':
		c.once++
		c.json("idempotency key", []byte(name), value, new(onceRecord))
	case len(name) == 1+8+32 && name[0] == 't':
	default:
		c.found("unknown_row", "idempotency key at %q", clipKey([]byte(name)))
	}
}

// end compares what was seen.
func (c *check) end() {
	if c.importing {
		if c.record || c.held.Due.IsZero() {
			c.found("bad_import", "it is to be destroyed, and there is a record: %t; it is woken for that: %t", c.record, !c.held.Due.IsZero())
		}
		return
	}
	if office := c.id == tenants.PostOffice(c.id.Namespace); c.record == office {
		c.found("no_record", "there is a record: %t", c.record)
	}
	c.wake()
	c.pairs("queue message", c.messages)
	c.pairs("task", c.tasks)
	if c.letters != c.letterCount {
		c.found("wrong_count", "%d dead letters, and a count of %d", c.letters, c.letterCount)
	}
	// A store that was counted when it was opened began with less.
	if a, b := c.held.Holds[kv.MarkA], c.held.Holds[kv.MarkB]; !c.damaged && (a > c.marks[0] || b > c.marks[1]) {
		c.found("wrong_count", "%d schedules and %d queue messages, and counts of %d and %d", c.marks[0], c.marks[1], a, b)
	}
	if c.once != c.onceCount {
		c.found("wrong_count", "%d idempotency keys, and a count of %d", c.once, c.onceCount)
	}
}

// wake compares the agenda with the moment that the store has. That may be later than the earliest row: work that
// was refused rests.
func (c *check) wake() {
	switch due := c.held.Due; {
	case !c.first.IsZero() && due.IsZero():
		c.found("never_woken", "it has work that is due at %v, and nothing will wake it", c.first.UTC())
	case c.first.IsZero() && !due.IsZero():
		c.found("woken_for_nothing", "it is to be woken at %v, and has no work", due.UTC())
	case due.Before(c.first):
		c.found("woken_for_nothing", "it is to be woken at %v, and its first work is due at %v", due.UTC(), c.first.UTC())
	}
}

func (c *check) pairs(what string, all map[string]int) {
	for name, seen := range all {
		if seen != hasStanding|hasBody {
			c.found("half", "%s %q: its standing is there: %t, its body: %t", what, fmt.Sprintf("%.200s", name), seen&hasStanding != 0, seen&hasBody != 0)
		}
	}
}
