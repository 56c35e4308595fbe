package guest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Schedules are durable calls of the actor's own actions in the future. They wake a sleeping actor. A
// call whose turn fails leaves nothing behind but the failure in Runs; a one-shot one is not tried
// again.
type Schedules struct{ env *env }

// ScheduleInfo describes a schedule, with moments in milliseconds since 1970.
type ScheduleInfo = abi.Schedule

// Run is one run of a schedule.
type Run = abi.Run

// Schedule returns the actor's schedules.
func (c *env) Schedule() Schedules { return Schedules{c} }

// Fire says which schedule began the action, nil if none did.
func (c *env) Fire() *Fire {
	if c.turn.Kind != abi.KindAction || c.turn.Hooks || len(c.turn.Head) == 0 {
		return nil
	}
	f, err := head[Fire](c.turn)
	check(err)
	return &f
}

// After calls an action once, when d has passed. It returns the schedule's id. Times are in
// milliseconds. The error is abi.CodeTooManySchedules, abi.CodeInvalidSchedule, or
// abi.CodeActionNotFound.
func (s Schedules) After(d time.Duration, action string, args ...any) (id string, err error) {
	// Zero would say that the schedule has no After.
	return s.set(&abi.Schedule{Action: action, After: max(1, d.Milliseconds())}, args)
}

// At is as After, but at a moment. One that has passed is now.
func (s Schedules) At(t time.Time, action string, args ...any) (id string, err error) {
	return s.set(&abi.Schedule{Action: action, At: max(1, t.UnixMilli())}, args)
}

// Every calls an action again and again, at least abi.MinInterval milliseconds apart. A schedule of
// the same name is replaced.
func (s Schedules) Every(name string, d time.Duration, action string, args ...any) error {
	_, err := s.set(&abi.Schedule{Name: name, Action: action, Every: d.Milliseconds()}, args)
	return err
}

// Cron calls an action at the moments of an expression of five fields: minute, hour, day, month,
// weekday. They are UTC, unless the expression begins with a zone, as in "TZ=Europe/Berlin 0 9 * * 1".
// A schedule of the same name is replaced.
func (s Schedules) Cron(name, expression, action string, args ...any) error {
	zone := ""
	if rest, ok := strings.CutPrefix(expression, "TZ="); ok {
		zone, expression, _ = strings.Cut(rest, " ")
	}
	_, err := s.set(&abi.Schedule{Name: name, Action: action, Cron: expression, Timezone: zone}, args)
	return err
}

func (s Schedules) set(d *abi.Schedule, args []any) (string, error) {
	if !s.env.hooks.actions(d.Action) {
		return "", abi.Errorf(abi.CodeActionNotFound, "the actor has no action %q", d.Action)
	}
	b, err := list(args)
	if err != nil {
		return "", err
	}
	id, err := s.env.host.ScheduleSet(scheduleDocument(d), b)
	return string(id), err
}

// scheduleDocument encodes what schedule_set takes.
func scheduleDocument(d *abi.Schedule) []byte {
	o := object(nil).text("name", d.Name).must("action", d.Action)
	o = o.number("after", d.After).number("at", d.At).number("every", d.Every)
	return o.text("cron", d.Cron).text("timezone", d.Timezone).end()
}

// Cancel removes a schedule by id or name, and reports whether there was one.
func (s Schedules) Cancel(id string) (bool, error) {
	n, err := s.env.host.ScheduleCancel(id)
	return n == 1, err
}

// Get returns a schedule by id or name, nil if there is none.
func (s Schedules) Get(id string) (*ScheduleInfo, error) {
	return decoded[ScheduleInfo](s.env.host.ScheduleGet(id))
}

// List returns all schedules.
func (s Schedules) List() ([]ScheduleInfo, error) {
	return decodedList[ScheduleInfo](s.env.host.ScheduleList())
}

// Runs returns the last runs of a schedule by id or name, newest first.
func (s Schedules) Runs(id string) ([]Run, error) {
	return decodedList[Run](s.env.host.ScheduleRuns(id))
}

func decodedList[T any](b []byte, err error) (vs []T, _ error) {
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &vs); err != nil {
		return nil, fmt.Errorf("guest: list of %T: %w", vs, err)
	}
	return vs, nil
}
