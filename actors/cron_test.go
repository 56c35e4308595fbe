package actors

import (
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What a cron expression means, and what happens when the clocks change.
func TestCronNext(t *testing.T) {
	const berlin, newYork, lordHowe, cairo, apia = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"
	tests := []struct {
		name, expression, zone, after, want string // moments in UTC; want has several, one after the other
	}{
		{"each minute", "* * * * *", "", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
		{"strictly after", "0 12 * * *", "", "2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"},
		{"a millisecond before", "0 12 * * *", "", "2026-01-01T11:59:59.999Z", "2026-01-01T12:00:00Z"},
		{"7 is Sunday", "0 0 * * 7", "", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"names", "0 0 * feb mon-tue", "", "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z 2026-02-03T00:00:00Z 2026-02-09T00:00:00Z"},
		{"date or weekday", "0 0 13 * 5", "", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z 2026-01-09T00:00:00Z 2026-01-13T00:00:00Z"},
		{"leap day", "0 0 29 2 *", "", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"leap day over 2100", "0 0 29 2 *", "", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		{"in a zone", "30 9 * * 1-5", newYork, "2026-01-05T00:00:00Z", "2026-01-05T14:30:00Z 2026-01-06T14:30:00Z"},
		{"a zone of quarter hours", "0 0 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2026-01-01T18:15:00Z"},

		// Berlin: 2026-03-29 02:00 -> 03:00 at 01:00Z; 2026-10-25 03:00 -> 02:00 at 01:00Z.
		{"gap: runs at the change", "30 2 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
		{"gap: several run once", "*/10 2 * * *", berlin, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T00:10:00Z"},
		{"gap: an hour around it", "0 1,2,3 * * *", berlin, "2026-03-28T23:30:00Z", "2026-03-29T00:00:00Z 2026-03-29T01:00:00Z 2026-03-29T23:00:00Z"},
		{"gap: beside it nothing changes", "30 3 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z 2026-03-30T01:30:00Z"},
		{"gap: every hour", "30 * * * *", berlin, "2026-03-29T00:00:00Z", "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
		{"gap: of half an hour", "15 2 * * *", lordHowe, "2026-10-03T10:00:00Z", "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
		{"gap: at midnight", "30 0 * * *", cairo, "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z 2026-04-24T21:30:00Z"},
		{"gap: a whole day", "0 12 * * *", apia, "2011-12-29T12:00:00Z", "2011-12-29T22:00:00Z 2011-12-30T10:00:00Z 2011-12-30T22:00:00Z"},
		{"repeated: the first time only", "30 2 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"repeated: asked within the second", "30 2 * * *", berlin, "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"},
		{"repeated: its end belongs to the day", "0 3 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z 2026-10-26T02:00:00Z"},
		{"repeated: every hour", "30 * * * *", berlin, "2026-10-24T23:00:00Z", "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z"},
		{"repeated: every hour, as a range", "0 0-23 * * *", berlin, "2026-10-24T23:30:00Z", "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z 2026-10-25T02:00:00Z"},
		{"repeated: half an hour", "45 1 * * *", lordHowe, "2026-04-04T10:00:00Z", "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"},
		{"repeated: every ten minutes of half an hour", "*/20 * * * *", lordHowe, "2026-04-04T14:30:00Z", "2026-04-04T14:40:00Z 2026-04-04T15:10:00Z 2026-04-04T15:30:00Z"},
		{"after the last change in the tables", "0 9 * * *", berlin, "2099-07-01T00:00:00Z", "2099-07-01T07:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseCron(tt.expression, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			at := parseTime(t, tt.after)
			for want := range strings.FieldsSeq(tt.want) {
				next := c.next(at)
				if !next.Equal(parseTime(t, want)) {
					t.Fatalf("after %s comes %s, want %s", at.Format(time.RFC3339), next.Format(time.RFC3339), want)
				}
				at = next
			}
		})
	}
}

func parseTime(t *testing.T, s string) time.Time {
	t.Helper()
	m, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Over years, in zones with all kinds of changes, a daily expression runs once on each day that there is
// and the moments only grow.
func TestCronDailyRunsOnceADay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Sao_Paulo", "Asia/Beirut", "Africa/Casablanca"} {
		for _, expression := range []string{"30 0 * * *", "30 1 * * *", "30 2 * * *", "15 3 * * *", "59 23 * * *"} {
			c, err := parseCron(expression, zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2009, 12, 31, 23, 59, 59, 0, c.zone)
			for range 10 * 365 {
				next := c.next(at)
				if !next.After(at) {
					t.Fatalf("%s %s: %s is not after %s", zone, expression, next, at)
				}
				day := func(m time.Time) int {
					return int(time.Date(m.Year(), m.Month(), m.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400)
				}
				if got, last := day(next.In(c.zone)), day(at.In(c.zone)); got != last+1 {
					t.Fatalf("%s %s: after %s comes %s", zone, expression, at.In(c.zone), next.In(c.zone))
				}
				at = next
			}
		}
	}
}

func TestCronNonsense(t *testing.T) {
	for _, tt := range []struct{ expression, zone string }{
		{"", ""}, {" ", ""}, {"* * * *", ""}, {"* * * * * *", ""}, {"@hourly", ""}, {"@every 1s", ""}, {"60 * * * *", ""}, {"* 24 * * *", ""},
		{"* * 0 * *", ""}, {"* * 32 * *", ""}, {"* * * 13 *", ""}, {"* * * * 8", ""}, {"*/0 * * * *", ""}, {"-1 * * * *", ""}, {"1--2 * * * *", ""},
		{"a b c d e", ""}, {"* * L * *", ""}, {"* * 15W * *", ""}, {"* * * * 5#3", ""}, {"H * * * *", ""},
		{"TZ=UTC * * * * *", ""}, {"CRON_TZ=Europe/Berlin * * * * *", ""}, {"99999999999999999999 * * * *", ""},
		{strings.Repeat("1,", 1000) + "1 * * * *", ""}, {"\x00 * * * *", ""}, {"*\n*\n*\n*", ""},
		{"* * * * *", "Local"}, {"* * * * *", "Nowhere/City"}, {"* * * * *", "../../etc/passwd"}, {"* * * * *", "/etc/localtime"},
		{"* * * * *", "Europe"}, {"* * * * *", strings.Repeat("A", 1000)}, {"* * * * *", "a\x00b"},
	} {
		if c, err := parseCron(tt.expression, tt.zone); abi.CodeOf(err) != abi.CodeInvalidSchedule {
			t.Errorf("%q in %q: %v %v, want it refused", tt.expression, tt.zone, c, err)
		}
	}
	for _, never := range []string{"0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 *"} {
		c, err := parseCron(never, "Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		if next := c.next(time.Now()); !next.IsZero() {
			t.Errorf("%q comes at %s", never, next)
		}
	}
}

func FuzzCron(f *testing.F) {
	f.Add("*/5 1-3 * jan 7", "Europe/Berlin", int64(1_790_000_000))
	f.Add("30 2 29 2 *", "Australia/Lord_Howe", int64(4_000_000_000))
	f.Fuzz(func(t *testing.T, expression, zone string, unix int64) {
		at := time.Unix(unix%8_000_000_000, 0)
		c, err := parseCron(expression, zone)
		if err != nil {
			return
		}
		if next := c.next(at); !next.IsZero() && !next.After(at) {
			t.Errorf("%q in %q: %s is not after %s", expression, zone, next, at)
		}
	})
}

func TestNextInterval(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	for _, tt := range []struct{ due, now, want int }{{0, -3, 0}, {0, 0, 5}, {0, 4, 5}, {0, 5, 10}, {0, 7, 10}, {0, 1003, 1005}} {
		if got := nextInterval(at(tt.due), at(tt.now), 5*time.Second); !got.Equal(at(tt.want)) {
			t.Errorf("due %d, now %d: %v, want %d", tt.due, tt.now, got.Unix()-1000, tt.want)
		}
	}
}
