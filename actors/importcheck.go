package actors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// importCheck holds the rows of an import to what turns of an actor could have written. It stands on check, which knows
// what agrees, and adds what check leaves to the code that writes: sizes, numbers and moments.
type importCheck struct {
	check
	now   time.Time
	whole bool   // a whole namespace comes, with what is under way: see depart.go
	last  []byte // key of the row before, within its table: a row comes once
	bad   *kv.Damage

	vars      int // bytes
	schedules int
	queued    int
	runs      int
	onces     map[string]int64 // by id, when it expires; negative once both rows are there
}

func (c *importCheck) begin(id tenants.ActorID, now time.Time) {
	c.check = check{id: id, messages: map[string]int{}, tasks: map[string]int{}, record: true}
	c.check.report = func(d kv.Damage) {
		if c.bad == nil {
			c.bad = &d
		}
	}
	c.now, c.onces = now, map[string]int64{}
}

// beginWhole is begin for an actor of a namespace that comes as a whole, woken at due.
func (c *importCheck) beginWhole(id tenants.ActorID, now, due time.Time) {
	c.begin(id, now)
	c.whole, c.record, c.held.Due = true, false, due
}

// row checks the next row, which is in the order of their keys.
func (c *importCheck) row(key, value []byte) error {
	if len(key) < 1 || len(key) > abi.MaxKVKey+1 || bytes.Compare(key, c.last) <= 0 {
		return badRow("a row is out of order, or has no key that can be")
	}
	c.last = append(c.last[:0], key...)
	if err := c.table(key, value); err != nil {
		return err
	}
	c.check.row(key, value)
	if c.bad != nil {
		return badRow("%s: %s", c.bad.Code, c.bad.Text)
	}
	return nil
}

func (c *importCheck) table(key, value []byte) error {
	rest := key[1:]
	if c.whole && underWay[key[0]] {
		return limit("a row of what is under way", len(value) <= maxUnderWay) // check knows the rest
	}
	switch key[0] {
	case tableState:
		return limit("state", len(rest) == 0 && len(value) <= abi.MaxState)
	case tableKV:
		return limit("a KV item", len(rest) >= 1 && len(value) <= abi.MaxKVValue)
	case tableVars:
		c.vars += len(rest) + len(value)
		return limit("its vars", c.vars <= abi.MaxVars)
	case tableAgenda:
		return c.agenda(key, value)
	case tableQueue:
		return limit("a queue message", len(value) <= mostQueueMessage && isJSON(value))
	case tableDead:
		return c.dead(key, value)
	case tableOnce:
		return c.once(rest, value)
	case tableRuns:
		c.runs++
		return limit("a run", c.runs <= abi.MaxRunsOfActor && len(rest) >= runKeyHead-1 && len(value) <= 4<<10 && (c.whole || binary.BigEndian.Uint64(rest) == 0))
	}
	return badRow("a row at %q, which no export has", clipKey(key))
}

// underWay are the tables that only a whole namespace brings, with the record.
var underWay = map[byte]bool{tableRecord: true, tableChildren: true, tablePins: true, tableSent: true, tableReceived: true, tableTaskBody: true}

// maxUnderWay bounds a row of theirs, and of such work in the agenda, in bytes: the body of a task's request is the largest.
const maxUnderWay = abi.MaxBody + 64<<10

// isID reports whether an id can be of a row.
func (c *importCheck) isID(id string) bool {
	return isExportedID(id) || c.whole && len(id) == 16 && strings.Trim(id, "0123456789abcdef") == ""
}

// limit refuses what is past a limit, or of another form.
func limit(what string, within bool) error {
	if within {
		return nil
	}
	return badRow("%s is past a limit, or is none", what)
}

func (c *importCheck) agenda(key, value []byte) error {
	if len(key) < 2 || len(key) < 3 && agendaKind(key[1]) != agendaLifetime {
		return badRow("work without a name")
	}
	due, body, err := cutAgendaRow(value)
	if err != nil || due.UnixMilli() < 0 || due.After(c.now.Add(maxAhead+maxSkew)) {
		return badRow("work at %q is due at no moment", clipKey(key))
	}
	switch name := string(key[2:]); agendaKind(key[1]) {
	case agendaSchedule:
		c.schedules++
		return c.schedule(name, body)
	case agendaQueue:
		c.queued++
		m, queue, err := readMessage([]byte(name), body)
		return limit("a queue message", err == nil && c.queued <= mostQueueSize && c.isID(m.id) && len(queue) <= abi.MaxEventName && c.standing(&m.meta))
	case agendaOutgoing, agendaTask, agendaForget, agendaLifetime:
		if c.whole {
			return limit("work that is under way", len(body) <= maxUnderWay)
		}
	}
	return badRow("work at %q, which no export has", clipKey(key))
}

// standing checks what is known of a queue message.
func (c *importCheck) standing(m *meta) bool {
	_, ok := tenants.ParseActorID(c.id.Namespace, m.Sender)
	return (ok || m.Sender == "") && m.Size >= 0 && m.Size <= mostQueueMessage && m.Attempts >= 0 && m.Attempts <= abi.MaxAttempts &&
		len(m.Subject) <= abi.MaxEventName*4 && len(m.Error) <= abi.MaxErrorText && m.Sent >= 0
}

// schedule checks one as SetSchedule does.
func (c *importCheck) schedule(id string, body []byte) error {
	s := &schedule{}
	if len(body) > abi.MaxScheduleArgs+16<<10 || decodeStrict(body, s) != nil {
		return badRow("a schedule is none")
	}
	if len(s.Args) > 0 && !isList(s.Args) || len(s.Args) > abi.MaxScheduleArgs || s.ID != id || s.Name != "" && s.Name != id || len(id) > abi.MaxEventName || !utf8.ValidString(id) ||
		len(s.Action) > abi.MaxEventName || s.Every != 0 && s.Cron != "" || s.Timezone != "" && s.Cron == "" || s.Every != 0 && s.Every < abi.MinInterval ||
		s.Every > int64(maxAhead/time.Millisecond) || s.kind() != fireOnce && s.Name == "" || s.Next < 0 || s.After != 0 || s.Runs < 0 || len(s.Error) > abi.MaxErrorText {
		return badRow("the schedule %q could not be set", clip(id))
	}
	if s.Cron != "" {
		if _, err := s.after(c.now, c.now); err != nil {
			return badRow("the schedule %q could not be set: %v", clip(id), err)
		}
	}
	return limit("the number of schedules", c.schedules <= abi.MaxSchedules)
}

func (c *importCheck) dead(key, value []byte) error {
	if bytes.Equal(key, deadCountKey) {
		return nil // check compares it
	}
	var l letter
	var m meta
	if json.Unmarshal(value, &l) != nil {
		return badRow("a dead letter is none")
	}
	if c.whole && l.Kind != "queue" {
		return limit("a dead letter", len(value) <= maxUnderWay && c.letters < abi.MaxDeadLetters && c.isID(l.ID) && bytes.Equal(deadKey(l.ID), key) && revivers[l.Kind] != nil)
	}
	if len(value) > 2*mostQueueMessage || decodeStrict(l.Revive, &m) != nil {
		return badRow("a dead letter is none")
	}
	return limit("a dead letter", c.letters < abi.MaxDeadLetters && (c.whole || l.Kind == "queue") && c.isID(l.ID) && bytes.Equal(deadKey(l.ID), key) && len(l.Name) <= abi.MaxEventName &&
		isJSON(l.Body) && len(l.Body) <= mostQueueMessage && len(l.Error) <= abi.MaxErrorText && c.standing(&m))
}

// once checks a row of an idempotency key. Of each there are two, and both name the moment.
func (c *importCheck) once(rest, value []byte) error {
	switch {
	case len(rest) == 1+32 && rest[0] == 'k':
		var r onceRecord
		if decodeStrict(value, &r) != nil || len(r.Digest) != 32 || r.Kind == ReplyRaw || r.Kind > ReplyRaw || len(value) > 2*abi.MaxIdempotencyBody || r.Expires < 0 ||
			r.Error != nil && !userCodeForm.MatchString(r.Error.Name) {
			return badRow("an idempotency key is none")
		}
		c.onces[string(rest[1:])] = r.Expires
		return limit("the number of idempotency keys", len(c.onces) <= abi.MaxIdempotencyKeys)
	case len(rest) == 1+8+32 && rest[0] == 't':
		id := string(rest[9:])
		at, ok := c.onces[id]
		if !ok || at < 0 || at != int64(binary.BigEndian.Uint64(rest[1:])) || len(value) > 0 || at > c.now.Add(abi.IdempotencyHours*time.Hour+maxSkew).UnixMilli() {
			return badRow("an idempotency key and its end do not agree")
		}
		c.onces[id] = -1
		return nil
	case len(rest) == 1 && rest[0] == 'n':
		return nil // check compares it
	}
	return badRow("a row of an idempotency key is none")
}

// finish compares the rows with each other. It returns when the first work is due.
func (c *importCheck) finish() (first time.Time, err error) {
	for _, at := range c.onces {
		if at >= 0 {
			return first, badRow("an idempotency key has no end")
		}
	}
	if !c.whole {
		c.held.Due = c.first
	}
	if c.importing {
		return first, badRow("it is what is left of an import")
	}
	if c.end(); c.bad != nil {
		return first, badRow("%s: %s", c.bad.Code, c.bad.Text)
	}
	return c.first, nil
}
