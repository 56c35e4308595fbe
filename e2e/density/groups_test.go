package density

import (
	"slices"
	"testing"
)

// An answer waits for a sync, and who asks at the same time shares it: with no timer, the more ask, the more share
// one. All of it can be read from the host's own metrics.
func TestCommitGroups(t *testing.T) {
	h := openHost(t)
	for _, conns := range []int{1, 32, 128, 512} {
		requests := h.counts(tally, "default", 0, conns)
		h.send(requests, conns) // makes the actors, and wakes them
		all := slices.Repeat(requests, max(4, 64/conns))
		before := h.commits()
		h.send(all, conns)
		now := h.commits()
		answers, groups, syncs, deltas := float64(len(all)), now.groups-before.groups, now.syncs-before.syncs, now.deltas-before.deltas
		t.Logf("%d connections: %.0f answers, %.3f groups and %.3f syncs for each", conns, answers, groups/answers, syncs/answers)
		if deltas < answers || syncs < groups {
			t.Errorf("%d connections: %.0f answers of %.0f deltas, %.0f syncs of %.0f groups", conns, answers, deltas, syncs, groups)
		}
		if conns == 1 && groups < answers {
			t.Errorf("%.0f answers one after the other, and only %.0f groups", answers, groups)
		}
		if conns == 512 && groups > answers/8 {
			t.Errorf("%.0f groups for %.0f answers to 512 connections, want an eighth at most", groups, answers)
		}
	}
}

// commits are what the host says of its transactions.
type commits struct{ groups, syncs, deltas float64 }

func (h *host) commits() commits {
	h.t.Helper()
	return commits{h.metric("host_commit_groups_total"), h.metric("host_commit_seconds_count"), h.metric("host_commit_deltas_total")}
}
