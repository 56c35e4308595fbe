package memhost

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Schedules are the actor's schedules, by id or name, and their runs, newest first.
type Schedules struct {
	Plan map[string]abi.Schedule
	Runs map[string][]abi.Run
}

func (s *Schedules) clone() Schedules {
	return Schedules{Plan: maps.Clone(s.Plan), Runs: maps.Clone(s.Runs)}
}

// handle is what a schedule is called by.
func handle(s *abi.Schedule) string { return cmp.Or(s.Name, s.ID) }

// ScheduleSet implements the operation schedule_set.
func (h *Host) ScheduleSet(spec, args []byte) ([]byte, error) {
	var s abi.Schedule
	if err := json.Unmarshal(spec, &s); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "a schedule is JSON: %v", err)
	}
	s.Args, s.Created = slices.Clone(args), h.Time.UnixMilli()
	if err := h.plan(&s); err != nil {
		return nil, err
	}
	if len(h.Plan) >= abi.MaxSchedules {
		return nil, &abi.Error{Code: abi.CodeTooManySchedules}
	}
	s.ID = h.NewID("schedule")
	if old, ok := h.Plan[s.Name]; ok {
		s.ID = old.ID
	}
	if h.Plan == nil {
		h.Plan, h.Runs = map[string]abi.Schedule{}, map[string][]abi.Run{}
	}
	h.Plan[handle(&s)] = s
	return []byte(s.ID), nil
}

// plan checks a new schedule and sets when it is due first.
func (h *Host) plan(s *abi.Schedule) error {
	n := 0
	for _, set := range []bool{s.After != 0, s.At != 0, s.Every != 0, s.Cron != ""} {
		n += int(one(set))
	}
	recurring := s.Every != 0 || s.Cron != ""
	switch {
	case n != 1 || s.Action == "":
		return abi.Errorf(abi.CodeInvalidSchedule, "a schedule has an action and one of after, at, every and cron")
	case recurring != (s.Name != ""):
		return abi.Errorf(abi.CodeInvalidSchedule, "a recurring schedule has a name, another has none")
	case s.Every != 0 && s.Every < abi.MinInterval:
		return abi.Errorf(abi.CodeInvalidSchedule, "an interval is at least %d ms", abi.MinInterval)
	case s.After < 0:
		return abi.Errorf(abi.CodeInvalidSchedule, "a schedule lies in the past")
	}
	s.Next = cmp.Or(s.At, h.Time.UnixMilli()+s.After)
	if recurring {
		return next(s, h.Time)
	}
	return nil
}

// next sets when a recurring schedule is due after a moment.
func next(s *abi.Schedule, after time.Time) error {
	if s.Every != 0 {
		s.Next = after.UnixMilli() + s.Every
		return nil
	}
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return abi.Errorf(abi.CodeInvalidSchedule, "no time zone %q", s.Timezone)
	}
	c, err := parseCron(s.Cron)
	if err != nil {
		return err
	}
	due, ok := c.next(after.In(zone))
	if !ok {
		return abi.Errorf(abi.CodeInvalidSchedule, "%q is never due", s.Cron)
	}
	s.Next = due.UnixMilli()
	return nil
}

// Due returns the schedule that is due first, not after a moment in milliseconds since 1970.
func (h *Host) Due(until int64) (s abi.Schedule, ok bool) {
	for _, k := range slices.Sorted(maps.Keys(h.Plan)) {
		c := h.Plan[k]
		if c.Next <= until && (!ok || c.Next < s.Next) {
			s, ok = c, true
		}
	}
	return s, ok
}

// Fired records a run of s, which ended with err, and plans the next one. A one-shot schedule goes.
// What the turn did to the schedule itself stands.
func (h *Host) Fired(s abi.Schedule, err error) {
	run := abi.Run{ID: s.ID, Due: s.Next, At: h.Time.UnixMilli(), Result: "ok"}
	if err != nil {
		run.Result, run.Error = "error", err.Error()
	}
	h.Runs[s.ID] = append([]abi.Run{run}, h.Runs[s.ID]...)
	now, ok := h.Plan[handle(&s)]
	if !ok || now.Next != s.Next {
		return
	}
	if s.Name == "" {
		delete(h.Plan, s.ID)
		return
	}
	now.Runs, now.Error = now.Runs+1, run.Error
	_ = next(&now, time.UnixMilli(s.Next)) // it was checked when it was set
	h.Plan[s.Name] = now
}

// lookup returns a schedule by id or name.
func (h *Host) lookup(id string) (abi.Schedule, bool) {
	if s, ok := h.Plan[id]; ok {
		return s, true
	}
	for _, s := range h.Plan {
		if s.ID == id {
			return s, true
		}
	}
	return abi.Schedule{}, false
}

// ScheduleCancel implements the operation schedule_cancel.
func (h *Host) ScheduleCancel(id string) (int64, error) {
	s, ok := h.lookup(id)
	delete(h.Plan, handle(&s))
	return one(ok), nil
}

// ScheduleGet implements the operation schedule_get.
func (h *Host) ScheduleGet(id string) ([]byte, bool, error) {
	s, ok := h.lookup(id)
	if !ok {
		return nil, false, nil
	}
	b, err := json.Marshal(&s)
	return b, true, err
}

// ScheduleList implements the operation schedule_list.
func (h *Host) ScheduleList() ([]byte, error) {
	list := slices.AppendSeq([]abi.Schedule{}, maps.Values(h.Plan))
	slices.SortFunc(list, func(a, b abi.Schedule) int { return cmp.Or(cmp.Compare(a.Next, b.Next), cmp.Compare(a.ID, b.ID)) })
	return json.Marshal(list)
}

// ScheduleRuns implements the operation schedule_runs.
func (h *Host) ScheduleRuns(id string) ([]byte, error) {
	if s, ok := h.lookup(id); ok {
		id = s.ID
	}
	return json.Marshal(append([]abi.Run{}, h.Runs[id]...))
}
