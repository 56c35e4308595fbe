package actors

import (
	"strings"
	"time"
	_ "time/tzdata" // a host must not depend on the machine for what a time zone is

	"github.com/netresearch/go-cron"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// cronTime is a cron expression in a time zone. The library only ever sees a clock without changes; what
// happens when clocks change is decided here, as Vixie's cron does:
//
//   - a time of day that does not exist, because the clocks go forward over it, runs at the moment of the
//     change; several such run once;
//   - a time of day that comes twice, because the clocks go back, runs the first time only;
//   - an expression that runs in every hour of the day follows the hours as they pass: it loses none and
//     repeats none.
type cronTime struct {
	spec      cron.Schedule
	zone      *time.Location
	everyHour bool
}

const (
	// cronYears is how far to look: 29 February comes after 8 years at most.
	cronYears = 12
	// cronChanges bounds the changes of the clocks that are looked past.
	cronChanges = 200
	// everyHourBits has a bit for each hour of the day, as the library keeps them.
	everyHourBits = 1<<24 - 1
)

// Five fields; a day matches by date or by weekday if both are given, as everywhere but in the library's
// default.
var cronParser = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom).WithMaxSearchYears(cronYears)

// parseCron reads five fields and an IANA time zone, empty for UTC.
func parseCron(expression, zone string) (*cronTime, error) {
	if len(expression) > abi.MaxEventName || strings.Contains(expression, "=") { // the library would take CRON_TZ=
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the cron expression is not five fields")
	}
	spec, err := cronParser.Parse(expression)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidSchedule, "the cron expression is wrong: %s", clip(err.Error()))
	}
	loc, err := loadZone(zone)
	if err != nil {
		return nil, err
	}
	c := &cronTime{spec: spec, zone: loc}
	if s, ok := spec.(*cron.SpecSchedule); ok {
		c.everyHour = s.Hour&everyHourBits == everyHourBits
	}
	return c, nil
}

// loadZone finds a time zone by its IANA name. "Local" is the machine's and means nothing to a guest.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" || len(name) > 64 {
		return nil, errZone
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, errZone
	}
	return loc, nil
}

var errZone = abi.Errorf(abi.CodeInvalidSchedule, "the time zone is not an IANA name, such as Europe/Berlin")

// next returns the first moment after t, the zero time if there is none.
func (c *cronTime) next(t time.Time) time.Time {
	at, inclusive := t, false
	for range cronChanges {
		p := periodAt(at, c.zone)
		wall := p.wall(at)
		if inclusive {
			wall = wall.Add(-1)
		}
		if seen := p.repeated().Add(-1); !c.everyHour && seen.After(wall) {
			wall = seen
		}
		found := c.spec.Next(wall)
		if found.IsZero() {
			return time.Time{}
		}
		if m := found.Add(-p.offset); p.end.IsZero() || m.Before(p.end) {
			return m
		}
		if !c.everyHour && found.Before(p.end.Add(p.after)) {
			return p.end // in the gap
		}
		at, inclusive = p.end, true
	}
	return time.Time{}
}

// period is a time in which a zone's offset does not change.
type period struct {
	start, end            time.Time // UTC; zero means no bound
	before, offset, after time.Duration
}

func periodAt(t time.Time, zone *time.Location) period {
	start, end := t.In(zone).ZoneBounds()
	p := period{start: start.UTC(), end: end.UTC(), offset: offsetAt(t, zone)}
	if !start.IsZero() {
		p.before = offsetAt(start.Add(-1), zone)
	}
	if !end.IsZero() {
		p.after = offsetAt(end, zone)
	}
	return p
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// wall returns what clocks show at t, written as if it were UTC.
func (p period) wall(t time.Time) time.Time { return t.UTC().Add(p.offset) }

// repeated returns until when clocks show again, at the beginning of the period, what they have shown
// before it.
func (p period) repeated() time.Time {
	if p.start.IsZero() {
		return time.Time{}
	}
	return p.start.Add(p.before)
}

// nextInterval returns the first moment after now on the grid of an interval through due.
func nextInterval(due, now time.Time, interval time.Duration) time.Time {
	if now.Before(due) {
		return due
	}
	return due.Add((now.Sub(due)/interval + 1) * interval)
}
