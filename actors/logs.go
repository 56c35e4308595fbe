package actors

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// LogLine is one line of an actor's log. The log is in memory: it ends with the process.
type LogLine struct {
	Seq    uint64    `json:"seq"` // from 1, by one for each line of the actor since the process started
	Time   time.Time `json:"time"`
	Level  string    `json:"level"`  // trace, debug, info, warn or error
	Source string    `json:"source"` // log, stdout, stderr, or host for what the host says of the actor
	Text   string    `json:"text"`   // valid UTF-8, may have several lines
}

// Event is one broadcast of an actor.
type Event struct {
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Name string    `json:"name"`
	Args rawJSON   `json:"args"` // the list of arguments
}

// rawJSON is valid JSON that passes through untouched.
type rawJSON []byte

// MarshalJSON returns r.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// What all logs together may keep, in bytes.
const maxLogs = 32 << 20

func newLogs() *feeds[LogLine] {
	return newFeeds(true, maxLogs,
		func(l *LogLine, n uint64) { l.Seq = n },
		func(l LogLine) int { return len(l.Text) + 96 })
}

func newEvents() *feeds[Event] {
	return newFeeds(false, maxLogs,
		func(e *Event, n uint64) { e.Seq = n },
		func(e Event) int { return len(e.Name) + len(e.Args) + 64 })
}

// Logs returns what is kept of an actor's log with Seq above after.
func (h *Host) Logs(ctx context.Context, id tenants.ActorID, after uint64) ([]LogLine, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	return h.logs.lines(id, after), nil
}

// FollowLogs sends what Logs returns and then every later line, until ctx ends and the channel is
// closed. A reader that is slow loses lines.
func (h *Host) FollowLogs(ctx context.Context, id tenants.ActorID, after uint64) (<-chan LogLine, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	return h.logs.tail(ctx, id, after), nil
}

// FollowEvents sends every event that the actor broadcasts from now on, each after the commit of
// its turn, until ctx ends and the channel is closed. A reader that is slow loses events.
func (h *Host) FollowEvents(ctx context.Context, id tenants.ActorID) (<-chan Event, error) {
	if _, err := h.Get(ctx, id); err != nil {
		return nil, err
	}
	return h.events.tail(ctx, id, 0), nil
}

// tell shows an event to those who follow the actor.
func (a *actor) tell(e Event) {
	a.h.events.add(a.id, e)
	if a.h.cfg.OnEvent != nil {
		a.h.cfg.OnEvent(a.record.info(a.id), e)
	}
}

// Log implements hostfuncs.Actor.
func (t *turn) Log(level hostfuncs.Level, text []byte) { t.line(level.String(), "log", text) }

// Output implements sandbox.Env: whole lines go to the log, the rest waits for its end.
func (t *turn) Output(stream int, p []byte) {
	rest := &t.partial[stream-1]
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 || t.logBytes > abi.MaxLog {
			break
		}
		t.print(stream, append(*rest, p[:i]...))
		*rest, p = nil, p[i+1:]
	}
	if room := abi.MaxErrorText - len(*rest); room > 0 {
		*rest = append(*rest, p[:min(room, len(p))]...)
	}
}

// flush logs the lines that never ended.
func (t *turn) flush() {
	for i, rest := range t.partial {
		if len(rest) > 0 {
			t.print(i+1, rest)
		}
		t.partial[i] = nil
	}
}

func (t *turn) print(stream int, line []byte) {
	if stream == 2 {
		t.line("error", "stderr", line)
	} else {
		t.line("info", "stdout", line)
	}
}

// line adds a line of the guest's to the log, within the turn's limit.
func (t *turn) line(level, source string, text []byte) {
	if t.logBytes > abi.MaxLog {
		t.a.h.stats.cutLogs.Add(1)
		return
	}
	if t.logBytes += len(text) + 1; t.logBytes > abi.MaxLog {
		t.a.log("warn", "host", "the turn logs more than 256 KiB: the rest is left out")
		t.a.h.stats.cutLogs.Add(1)
		return
	}
	t.a.log(level, source, string(text[:min(len(text), abi.MaxErrorText)]))
}

// log adds a line to the actor's log.
func (a *actor) log(level, source, text string) {
	l := LogLine{Time: a.h.now(), Level: level, Source: source, Text: strings.ToValidUTF8(text, "\uFFFD")}
	a.h.logs.add(a.id, l)
	if a.h.cfg.OnLog != nil {
		a.h.cfg.OnLog(a.record.info(a.id), l)
	}
}
