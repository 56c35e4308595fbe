package actors

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func init() { agendaWorks[agendaSchedule] = fireSchedule }

// firing is one run of a schedule: a turn that calls the action and in whose delta the schedule is removed
// or moved on, so that its effect is there exactly once.
type firing struct {
	s     *schedule // as it was when it was due
	began time.Time
}

// fireSchedule returns the turn of a schedule that is due.
func fireSchedule(a *actor, name, body []byte) (*entry, error) {
	row := agendaRow(time.Time{}, body)
	s, err := decodeSchedule(row)
	if err != nil {
		return nil, err
	}
	f := &firing{s: s}
	return &entry{
		request: &request{deadline: a.h.deadline()}, // nobody waits for the answer
		run:     f.run, settle: f.settle,
		rows: []string{string(agendaKey(agendaSchedule, name))},
	}, nil
}

// run calls the action. What the host writes comes first: the action sees its schedule as it will be, may
// change that, and cannot leave too little room for it.
func (f *firing) run(t *turn) (Reply, error) {
	f.began = t.now
	next, err := f.moved("")
	if err == nil {
		err = f.put(t, next)
	}
	if err == nil {
		err = t.record(f.outcome(t, "ok", ""))
	}
	if err != nil {
		return Reply{}, err
	}
	fire := abi.Fire{ID: f.s.ID, Name: f.s.Name, Kind: f.s.kind(), Due: f.s.Next, Run: f.s.Runs + 1}
	reply, err := t.action(&ask{Turn: abi.Turn{Kind: abi.KindAction, Name: f.s.Action, Args: f.s.Args, Head: encode(fire)}})
	if err == nil {
		f.skip(t, next)
	}
	return reply, err
}

// settle notes a run that failed. A one-shot schedule is over; a recurring one goes on, unless the action is
// no more.
func (f *firing) settle(t *turn, failure error) error {
	text := failureText(failure)
	next, err := f.moved(text)
	if err != nil || abi.CodeOf(failure) == abi.CodeActionNotFound {
		next = nil
	}
	if err := t.record(f.outcome(t, "error", text)); err != nil {
		return err
	}
	if err := f.put(t, next); err != nil {
		return err
	}
	f.skip(t, next)
	return nil
}

// moved returns the schedule after this run, nil if there is none: the first moment after the run began.
// Moments that were missed before are one with it.
func (f *firing) moved(failure string) (*schedule, error) {
	if f.s.kind() == fireOnce {
		return nil, nil
	}
	s := *f.s
	s.Runs, s.Error = s.Runs+1, failure
	return &s, s.advance(f.began)
}

// advance sets the first due moment after now.
func (s *schedule) advance(now time.Time) error {
	next, err := s.after(time.UnixMilli(s.Next), now)
	s.Next = next.UnixMilli()
	return err
}

// put writes what becomes of the schedule.
func (f *firing) put(t *turn, next *schedule) error {
	if next == nil {
		return t.dropRow(agendaSchedule, []byte(f.s.ID))
	}
	return t.putSchedule(next)
}

// skip notes the moments that came while the action ran: runs do not overlap, and they do not queue up.
// The guest may have cancelled or replaced the schedule meanwhile; then there is nothing to skip. Nor is
// there if the turn has no room left to say so: the moment is then only late.
func (f *firing) skip(t *turn, next *schedule) {
	now := t.a.h.now()
	if next == nil || next.Next > now.UnixMilli() {
		return
	}
	cur, ok, err := t.schedule(next.ID)
	if err != nil || !ok || cur.Next != next.Next || cur.Created != next.Created {
		return
	}
	missed := cur.Next
	if cur.advance(now) != nil || t.putSchedule(cur) != nil {
		return
	}
	_ = t.record(abi.Run{ID: cur.ID, Due: missed, At: now.UnixMilli(), Result: "skipped"})
}

func (f *firing) outcome(t *turn, result, text string) abi.Run {
	return abi.Run{ID: f.s.ID, Due: f.s.Next, At: t.now.UnixMilli(), Result: result, Error: text}
}

// failureText is what the owner of an actor may read of a failure, short.
func failureText(err error) string {
	e := abi.AsError(err)
	text := e.Code.Group() + "/" + e.PublicName() + ": " + e.PublicMessage()
	if len(text) > maxRunError {
		text = text[:maxRunError]
	}
	return clip(text)
}
