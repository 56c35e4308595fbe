package memhost

import (
	"strconv"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// cron is an expression of five fields: the values of each, as bits.
type cron struct {
	minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                bool
}

var cronFields = [5]struct{ lo, hi int }{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

// parseCron reads numbers, lists, ranges and steps. The host also knows names of months and days.
func parseCron(s string) (c cron, err error) {
	words := strings.Fields(s)
	if len(words) != len(cronFields) {
		return c, abi.Errorf(abi.CodeInvalidSchedule, "%q has not five fields", s)
	}
	for i, dst := range []*uint64{&c.minute, &c.hour, &c.day, &c.month, &c.weekday} {
		for part := range strings.SplitSeq(words[i], ",") {
			bits, ok := cronPart(part, cronFields[i].lo, cronFields[i].hi)
			if !ok {
				return c, abi.Errorf(abi.CodeInvalidSchedule, "%q in %q", part, s)
			}
			*dst |= bits
		}
	}
	c.weekday |= c.weekday >> 7 & 1 // 7 is Sunday, too
	c.anyDay, c.anyWeekday = words[2] == "*", words[4] == "*"
	return c, nil
}

// cronPart reads *, a, a-b, each with an optional /step.
func cronPart(s string, lo, hi int) (bits uint64, ok bool) {
	span, by, stepped := strings.Cut(s, "/")
	step := 1
	if stepped {
		n, err := strconv.Atoi(by)
		if err != nil || n < 1 {
			return 0, false
		}
		step = n
	}
	from, to := lo, hi
	if span != "*" {
		a, b, ranged := strings.Cut(span, "-")
		n, err := strconv.Atoi(a)
		if err != nil {
			return 0, false
		}
		if from = n; !stepped {
			to = n
		}
		if ranged {
			if to, err = strconv.Atoi(b); err != nil {
				return 0, false
			}
		}
	}
	if from < lo || to > hi || from > to {
		return 0, false
	}
	for v := from; v <= to; v += step {
		bits |= 1 << v
	}
	return bits, true
}

// next returns the first moment after t, in t's zone, within five years.
func (c *cron) next(t time.Time) (time.Time, bool) {
	end := t.AddDate(5, 0, 0)
	for t = t.Truncate(time.Minute).Add(time.Minute); t.Before(end); {
		switch {
		case !c.onDay(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
		case c.hour>>t.Hour()&1 == 0 || c.minute>>t.Minute()&1 == 0:
			t = t.Add(time.Minute)
		default:
			return t, true
		}
	}
	return t, false
}

// onDay follows cron: if both day fields are narrowed, either will do.
func (c *cron) onDay(t time.Time) bool {
	day, weekday := c.day>>t.Day()&1 == 1, c.weekday>>t.Weekday()&1 == 1
	if !c.anyDay && !c.anyWeekday {
		day = day || weekday
		weekday = day
	}
	return c.month>>t.Month()&1 == 1 && day && weekday
}
