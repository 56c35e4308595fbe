package density

import "testing"

// lives is what actors of a guest take that are awake, and that sleep in the process in which they were.
type lives struct {
	kind  kind
	awake held // bytes of each
	own   int64
}

const (
	liveActors  = 600    // below the most that one namespace may have awake
	sleptActors = 10_000 // that have been awake
)

// live measures each guest in a process of its own.
func live(t *testing.T) (all []*lives) {
	t.Helper()
	var hosts []*host
	var before []held
	for _, k := range []kind{tally, plugin} {
		h := openHost(t)
		h.populate(k, 0, 1) // what all of them share
		settle(h)
		least := h.holds()
		h.populate(k, 1, 1+liveActors)
		now := h.holds()
		all = append(all, &lives{kind: k, awake: held{rss: (now.rss - least.rss) / liveActors, own: (now.own - least.own) / liveActors}})
		h.populate(k, 1+liveActors, sleptActors)
		hosts, before = append(hosts, h), append(before, least)
	}
	for _, h := range hosts {
		h.asleep()
	}
	settle(hosts...)
	for i, h := range hosts {
		all[i].own = (h.holds().own - before[i].own) / sleptActors
		h.stop()
	}
	return all
}
