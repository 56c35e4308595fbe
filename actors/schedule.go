package actors

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// A schedule is an agenda row: its name is the schedule's id, which is the name of a named one, its body an
// abi.Schedule. See firing.go for what happens when it is due.

// scheduleSpec is what a guest asks for. Pointers tell zero from nothing: after 0 ms is a wish.
type scheduleSpec struct {
	abi.Schedule
	After *int64  `json:"after"`
	At    *int64  `json:"at"`
	Every *int64  `json:"every"`
	Cron  *string `json:"cron"`
}

// The kinds of schedules, in abi.Fire.
const (
	fireOnce  = "once"
	fireEvery = "every"
	fireCron  = "cron"
)

// maxAhead is how far in the future a schedule's moment may be.
const maxAhead = abi.MaxScheduleAhead * 24 * time.Hour

// SetSchedule implements hostfuncs.Actor.
func (t *turn) SetSchedule(spec, args []byte) (string, error) {
	if t.startup {
		return "", errStartup
	}
	s, err := t.readSchedule(spec, args)
	if err != nil {
		return "", err
	}
	old, had, err := t.schedule(s.ID)
	if err != nil {
		return "", err
	}
	most := choice(t.options().MaxSchedules, abi.MaxSchedules, abi.MaxSchedules)
	if !had && t.dueRows(agendaSchedule) >= most {
		return "", (&abi.Error{Code: abi.CodeTooManySchedules, Retry: time.Second}).With(map[string]any{"limit": most})
	}
	if had {
		s.replace(old)
	}
	return s.ID, t.putSchedule(s)
}

// replace takes over from the schedule that had the name. An actor that sets its schedules whenever it
// wakes must not put them off each time.
func (s *schedule) replace(old *schedule) {
	s.Created, s.Runs, s.Error = old.Created, old.Runs, old.Error
	if s.kind() != fireOnce && s.Every == old.Every && s.Cron == old.Cron && s.Timezone == old.Timezone {
		s.Next = old.Next
	}
}

// schedule is one as it is stored.
type schedule struct{ abi.Schedule }

func (s *schedule) kind() string {
	switch {
	case s.Every != 0:
		return fireEvery
	case s.Cron != "":
		return fireCron
	}
	return fireOnce
}

// readSchedule checks what a guest asks for and says when it is due.
func (t *turn) readSchedule(spec, args []byte) (*schedule, error) {
	var in scheduleSpec
	if decodeStrict(spec, &in) != nil {
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the schedule is not one JSON object of the right form")
	}
	if len(args) == 0 {
		args = []byte("[]")
	}
	switch {
	case len(args) > abi.MaxScheduleArgs:
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the arguments are larger than %d bytes", abi.MaxScheduleArgs)
	case !isList(args):
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the arguments are not a JSON list")
	case len(in.Name) > abi.MaxEventName || !utf8.ValidString(in.Name):
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the name is longer than %d bytes", abi.MaxEventName)
	case !t.hasAction(in.Action):
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the actor has no action %q", clip(in.Action[:min(len(in.Action), 100)]))
	}
	s := &schedule{abi.Schedule{ID: in.Name, Name: in.Name, Action: in.Action, Args: args, Created: t.now.UnixMilli()}}
	if s.ID == "" {
		s.ID = t.freeID()
	}
	return s, in.time(s, t.now)
}

// freeID returns an id for a schedule without a name. A name may look like an id.
func (t *turn) freeID() string {
	for {
		if id := t.newID(); !t.hasRow(agendaKey(agendaSchedule, []byte(id))) {
			return id
		}
	}
}

func (t *turn) hasAction(name string) bool {
	_, ok := t.a.version.Actors[t.a.record.Name].Actions[name]
	return ok
}

// time sets when s is due, and again due.
func (in *scheduleSpec) time(s *schedule, now time.Time) error {
	given := 0
	for _, is := range []bool{in.After != nil, in.At != nil, in.Every != nil, in.Cron != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return abi.Errorf(abi.CodeInvalidSchedule, "a schedule has one of after, at, every and cron")
	}
	if s.Name == "" && (in.Every != nil || in.Cron != nil) {
		return abi.Errorf(abi.CodeInvalidSchedule, "a recurring schedule needs a name")
	}
	if in.Timezone != "" && in.Cron == nil {
		return abi.Errorf(abi.CodeInvalidSchedule, "a time zone goes with cron")
	}
	const most = int64(maxAhead / time.Millisecond)
	ahead, err := in.ahead(s, now, most)
	switch {
	case err != nil:
		return err
	case ahead > most:
		return abi.Errorf(abi.CodeInvalidSchedule, "the moment is more than %d days ahead", abi.MaxScheduleAhead)
	}
	if s.Next = now.UnixMilli() + max(ahead, 0); s.kind() == fireOnce {
		s.At = s.Next
	}
	return nil
}

// ahead returns in how many milliseconds s is due; at most a little more than most, whatever was asked.
func (in *scheduleSpec) ahead(s *schedule, now time.Time, most int64) (int64, error) {
	switch {
	case in.After != nil:
		return *in.After, nil
	case in.At != nil:
		if *in.At < 0 {
			return 0, nil // or the difference could overflow
		}
		return *in.At - now.UnixMilli(), nil
	case in.Every != nil:
		if *in.Every < abi.MinInterval {
			return 0, abi.Errorf(abi.CodeInvalidSchedule, "the interval is shorter than %d ms", abi.MinInterval)
		}
		s.Every = *in.Every
		return *in.Every, nil
	}
	s.Cron, s.Timezone = *in.Cron, in.Timezone
	next, err := s.after(now, now)
	if err != nil {
		return 0, err
	}
	return next.UnixMilli() - now.UnixMilli(), nil
}

// after returns when a recurring schedule that was due is due next, after now.
func (s *schedule) after(due, now time.Time) (time.Time, error) {
	if s.kind() == fireEvery {
		return nextInterval(due, now, time.Duration(s.Every)*time.Millisecond), nil
	}
	c, err := parseCron(s.Cron, s.Timezone)
	if err != nil {
		return time.Time{}, err
	}
	next := c.next(now)
	if next.IsZero() {
		return next, abi.Errorf(abi.CodeInvalidSchedule, "no moment matches the cron expression")
	}
	return next, nil
}

// schedule returns one as the turn sees it.
func (t *turn) schedule(id string) (*schedule, bool, error) {
	row, ok, err := t.get(agendaKey(agendaSchedule, []byte(id)))
	if err != nil || !ok {
		return nil, false, err
	}
	s, err := decodeSchedule(row)
	return s, err == nil, err
}

func decodeSchedule(row []byte) (*schedule, error) {
	_, body, err := cutAgendaRow(row)
	if err != nil {
		return nil, err
	}
	s := &schedule{}
	if err := json.Unmarshal(body, s); err != nil {
		return nil, kv.ErrCorrupt
	}
	return s, nil
}

func (t *turn) putSchedule(s *schedule) error {
	return t.dueRow(agendaSchedule, []byte(s.ID), time.UnixMilli(s.Next), encode(s))
}

// encode returns v as JSON, with user values as they are. v must be of those that always encode.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// CancelSchedule implements hostfuncs.Actor.
func (t *turn) CancelSchedule(id string) (bool, error) {
	if t.startup {
		return false, errStartup
	}
	if len(id) > abi.MaxEventName || !t.hasRow(agendaKey(agendaSchedule, []byte(id))) {
		return false, nil
	}
	return true, t.dropRow(agendaSchedule, []byte(id))
}

// Schedule implements hostfuncs.Actor.
func (t *turn) Schedule(id string) ([]byte, bool, error) {
	if len(id) > abi.MaxEventName {
		return nil, false, nil
	}
	s, ok, err := t.schedule(id)
	if err != nil || !ok {
		return nil, false, err
	}
	return encode(s), true, nil
}

// Schedules implements hostfuncs.Actor.
func (t *turn) Schedules() ([]byte, error) {
	if t.startup {
		return nil, errStartup
	}
	list := []*schedule{}
	for it, err := range t.view.Scan(t.ctx, kv.PrefixRange(agendaKey(agendaSchedule, nil))) {
		if err != nil {
			return nil, t.readError(err)
		}
		s, err := decodeSchedule(it.Value)
		if err != nil {
			return nil, err
		}
		s.Args = nil
		list = append(list, s)
	}
	return encode(list), nil
}
