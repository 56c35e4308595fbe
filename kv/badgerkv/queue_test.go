package badgerkv

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/kv"
)

func TestQueue(t *testing.T) {
	// A mixed group has 1000 bytes here, a class 250 of them; a lone class has 10,000.
	b := bounds{jobs: 8, cost: cost{bytes: 10_000, entries: 100}, mixed: 1000}
	for _, tt := range []struct {
		name string
		jobs string // class and bytes
		want string // groups, parted by |
	}{
		{"one class keeps its order", "a1 a2 a3", "a1 a2 a3"},
		{"classes take turns", "a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3"},
		{"a group has so many jobs", "a1 a2 a3 a4 a5 a6 a7 a8 a9", "a1 a2 a3 a4 a5 a6 a7 a8 | a9"},
		{"the turn goes on in the next group", "a1 a2 a3 a4 a5 a6 b1 c1 d1 d2 e1 e2", "a1 b1 c1 d1 e1 a2 d2 e2 | a3 a4 a5 a6"},
		{"a lone class may fill a group", "a4000 a4000 a4000", "a4000 a4000 | a4000"},
		{"a quarter for each while others wait", "a200 a201 a202 b1", "a200 b1 | a201 a202"},
		{"small ones fill the quarter", "a100 a100 a100 b1 b1", "a100 b1 a100 b1 | a100"},
		{"a mixed group stays small", "a250 b250 c250 d250 e250", "a250 b250 c250 d250 | e250"},
		{"who found no room goes first", "a250 b250 c250 d250 e250 a1", "a250 b250 c250 d250 | e250 a1"},
		{"a large one alone", "a1 a10001 a2", "a1 | a10001 | a2"},
		{"above the share, alone while others wait", "a251 a1 b1 b2", "a251 | b1 a1 b2"},
		{"a large one's turn comes", "a1 a1 a1 b900 b1", "a1 a1 a1 | b900 b1"},
		{"refused jobs cost nothing", "a0 a9999 b0", "a0 b0 | a9999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q queue
			for _, word := range strings.Fields(tt.jobs) {
				var bytes int
				fmt.Sscan(word[1:], &bytes)
				q.push(&job{lease: kv.Lease{Space: kv.NewSpace(word[:1], "id")}, cost: cost{bytes: bytes, entries: 1}})
			}
			var groups []string
			for !q.empty() {
				var group []string
				for _, j := range q.take(b) {
					group = append(group, fmt.Sprintf("%s%d", j.lease.Space.Class(), j.cost.bytes))
				}
				groups = append(groups, strings.Join(group, " "))
			}
			if got := strings.Join(groups, " | "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(q.classes) != 0 {
				t.Errorf("classes left: %d", len(q.classes))
			}
		})
	}
}

func TestQueueBoundsEntries(t *testing.T) {
	var q queue
	for range 5 {
		q.push(&job{lease: kv.Lease{Space: kv.NewSpace("a", "id")}, cost: cost{bytes: 1, entries: 40}})
	}
	b := bounds{jobs: 8, cost: cost{bytes: 1000, entries: 100}, mixed: 1000}
	for _, want := range []int{2, 2, 1} {
		if got := len(q.take(b)); got != want {
			t.Errorf("group: got %d jobs, want %d", got, want)
		}
	}
}

// However the others flood, a class's small job is in one of the next groups.
func TestQueueServesEveryClass(t *testing.T) {
	b := bounds{jobs: groupJobs, cost: cost{bytes: 4 << 20, entries: 10_000}, mixed: groupMixed}
	var q queue
	flood := func() {
		for c := range 20 {
			for range 10 {
				q.push(&job{lease: kv.Lease{Space: kv.NewSpace(fmt.Sprint("flood", c), "id")}, cost: cost{bytes: 200 << 10, entries: 1}})
			}
		}
	}
	flood()
	small := &job{lease: kv.Lease{Space: kv.NewSpace("small", "id")}, cost: cost{bytes: 100, entries: 1}}
	q.push(small)
	for group := range 5 {
		var bytes int
		byClass := make(map[string]int)
		for _, j := range q.take(b) {
			if j == small {
				return
			}
			bytes += j.cost.bytes
			byClass[j.lease.Space.Class()] += j.cost.bytes
		}
		if bytes > groupMixed {
			t.Errorf("group %d has %d bytes, want at most %d", group, bytes, groupMixed)
		}
		for class, n := range byClass {
			if n > groupMixed/classShare {
				t.Errorf("group %d has %d bytes of %s", group, n, class)
			}
		}
		flood()
	}
	t.Error("the small job was not served")
}
