package density

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/bench/load"
)

// store is a host whose store has many sleeping actors, and what was measured of it. The actors are of two guests; see tallies.
type store struct {
	*host
	size    int
	made    time.Duration // until all were there
	stopped time.Duration // until the process that had made them had ended
	slept   held          // by the process that had made them, once all slept
	starts  []started
	wakes   map[string][]wakes // by guest
	lists   []time.Duration    // of 100 actors
	listed  int
	killed  time.Duration // until a host was ready whose process had been killed
	stacks  int           // goroutines of one with nothing to do
	disk    int64         // of the data, in bytes
}

// started is one start.
type started struct {
	ready       time.Duration
	at, settled held // when it was ready, and once it had nothing left to do
	awake       int
}

// wakes are what the first answers of sleeping actors took in one run, ascending.
type wakes []time.Duration

// tallies is how many actors of a store are those of the guest in Go: few, since to make one costs four times as much.
func tallies(size int) int { return max(size/20, min(500, size/2)) }

func (s *store) of(k kind) int {
	if k == tally {
		return tallies(s.size)
	}
	return s.size - tallies(s.size)
}

// makeStore makes a store of a size. The host goes on running.
func makeStore(t *testing.T, size int) *store {
	t.Helper()
	s := &store{host: openHost(t), size: size, wakes: map[string][]wakes{}}
	begun := time.Now()
	s.populate(tally, 0, s.of(tally))
	s.populate(plugin, 0, s.of(plugin))
	s.made = time.Since(begun)
	return s
}

// makeStores makes stores whose actors have all gone to sleep and whose processes have ended.
func makeStores(t *testing.T, sizes []int) (all []*store) {
	t.Helper()
	for _, n := range sizes {
		s := makeStore(t, n)
		all = append(all, s)
		t.Logf("%d actors made in %v", n, s.made.Round(time.Second))
	}
	if *long { // the end of a process puts them to sleep, too
		for _, s := range all {
			s.asleep()
		}
		settle(hostsOf(all)...)
	}
	for _, s := range all {
		s.slept = s.holds()
		s.stop()
		s.stopped, s.disk = s.endedAfter, used(t, s.Data)
	}
	return all
}

func hostsOf(stores []*store) (all []*host) {
	for _, s := range stores {
		all = append(all, s.host)
	}
	return all
}

// begin starts the host and notes what it holds.
func (s *store) begin() {
	s.t.Helper()
	s.start()
	s.starts = append(s.starts, started{ready: s.readyAfter, at: s.holds(), awake: int(s.metric("host_actors_awake"))})
}

// settled notes what a host holds that has nothing to do.
func (s *store) settled() {
	s.t.Helper()
	s.starts[len(s.starts)-1].settled = s.holds()
}

// list asks for all actors, page by page, or for some pages from the first on and as many from the middle on.
func (s *store) list(pages int) {
	s.t.Helper()
	s.listed = 0
	for cursor := ""; pages != 0; pages-- {
		var page struct {
			Actors     []json.RawMessage
			Pagination struct{ Cursor *string }
		}
		begun := time.Now()
		s.ask("GET", "/actors?namespace=default&name="+plugin.name+"&limit=100&cursor="+url.QueryEscape(cursor), nil, &page)
		s.lists = append(s.lists, time.Since(begun))
		s.listed += len(page.Actors)
		if page.Pagination.Cursor == nil {
			return
		}
		cursor = *page.Pagination.Cursor
	}
}

// asleepOnes returns requests to n actors of a guest, none twice, chosen by a seed.
func (s *store) asleepOnes(k kind, n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	chosen := map[int]bool{}
	var list [][]byte
	for len(list) < min(n, s.of(k)) {
		i := r.IntN(s.of(k))
		if !chosen[i] {
			chosen[i] = true
			list = append(list, s.request(k, "default", fmt.Sprint(i), k.look, ""))
		}
	}
	return list
}

// block is how many wakes of one store follow each other.
const block = 25

// wakeInTurn wakes sleeping actors of each guest in each store, one after the other, some of each store in turn.
func wakeInTurn(t *testing.T, stores []*store, n int, seed uint64) {
	t.Helper()
	for _, k := range []kind{tally, plugin} {
		took := make([]wakes, len(stores))
		lists := make([][][]byte, len(stores))
		for i, s := range stores {
			lists[i] = s.asleepOnes(k, n, seed)
		}
		for from := 0; from < n; from += block {
			for i, s := range stores {
				some := lists[i][min(from, len(lists[i])):min(from+block, len(lists[i]))]
				if len(some) == 0 {
					continue
				}
				r, err := load.Run(t.Context(), load.Config{Addr: s.Addr(), Conns: 1, Requests: some})
				if err != nil {
					t.Fatalf("wake: %v: %s", err, s.Printed())
				}
				took[i] = append(took[i], r.Latencies...)
			}
		}
		for i, s := range stores {
			slices.Sort(took[i])
			s.wakes[k.name] = append(s.wakes[k.name], took[i])
		}
	}
}
