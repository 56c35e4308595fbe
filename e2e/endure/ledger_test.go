package endure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
)

// A ledger holds what clients of a host asked for in one round, and what they were told. The actors write down the
// same on their side: each deed is a word, which its turn adds to an item of KV, and which all that follows from it
// adds to others.

// place is an item of an actor to which words are added.
type place struct{ actor, item string }

// deed is one thing that a client asked for.
type deed struct {
	word     string
	at       place   // where its own turn writes the word
	follows  []place // where what it began writes it, as often as its own turn did
	begun    time.Time
	answered time.Time // zero if no answer came
	end      int       // of the actor that it made: 1 if its client asked for it, 2 if that was acknowledged
	again    func(ctx context.Context) (string, error)
	answer   string
}

type ledger struct {
	round int

	mu     sync.Mutex // guards the fields below
	deeds  []*deed
	heard  map[string]place // words of events, which leave after the commit, with where their turns write them
	serial int
}

func newLedger(round int) *ledger { return &ledger{round: round, heard: map[string]place{}} }

// word returns one that no other deed has.
func (l *ledger) word() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serial++
	return fmt.Sprintf("%d-%d", l.round, l.serial)
}

// item names an item of this round, so that none grows for ever.
func (l *ledger) item(name string) string { return fmt.Sprint(name, "/", l.round) }

// do asks for a deed and notes what comes of it.
func (l *ledger) do(ctx context.Context, d *deed, first func(ctx context.Context) (string, error)) error {
	l.mu.Lock()
	l.deeds = append(l.deeds, d)
	l.mu.Unlock()
	begun := time.Now()
	answer, err := first(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	d.begun = begun
	if err == nil {
		d.answer, d.answered = answer, time.Now()
	}
	return err
}

// ends notes that the actor of a deed is asked to go, or has gone.
func (l *ledger) ends(d *deed, how int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.end = how
}

func (l *ledger) hear(word string, at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[word] = at
}

// books are what the actors wrote: the words of each item, in order.
type books map[place][]string

// read asks actors for their items. Who is not there has written nothing.
func (l *ledger) read(ctx context.Context, handle func(actor string) *client.Handle) (books, error) {
	wanted := map[string]map[string]bool{}
	want := func(p place) {
		if wanted[p.actor] == nil {
			wanted[p.actor] = map[string]bool{}
		}
		wanted[p.actor][p.item] = true
	}
	for _, d := range l.deeds {
		want(d.at)
		for _, p := range d.follows {
			want(p)
		}
	}
	b := books{}
	for _, actor := range slices.Sorted(maps.Keys(wanted)) {
		items := slices.Sorted(maps.Keys(wanted[actor]))
		var steps []actorstest.Step
		for _, item := range items {
			steps = append(steps, step("kv_get", item))
		}
		out, err := client.Call[[]actorstest.Outcome](ctx, handle(actor), "do", steps)
		if client.Is(err, "actor/not_found") {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i, o := range out {
			for w := range strings.FieldsSeq(o.B) {
				w = strings.Trim(w, `["]`)
				if strings.HasPrefix(w, fmt.Sprint(l.round, "-")) { // not all items are of one round
					b[place{actor, items[i]}] = append(b[place{actor, items[i]}], w)
				}
			}
		}
	}
	return b, nil
}

// index returns how often each word is in each item.
func (b books) index() map[place]map[string]int {
	all := map[place]map[string]int{}
	for p, words := range b {
		all[p] = map[string]int{}
		for _, w := range words {
			all[p][w]++
		}
	}
	return all
}

// missing says what is not there yet, and must come.
func (l *ledger) missing(b books) (list []string) {
	have := b.index()
	for _, d := range l.deeds {
		own := have[d.at][d.word]
		if !d.answered.IsZero() && own == 0 && d.end == 0 {
			list = append(list, fmt.Sprintf("%s was acknowledged and is not in %v", d.word, d.at))
		}
		if d.end == 2 && own > 0 {
			list = append(list, fmt.Sprintf("the actor of %s was ended and is there", d.word))
		}
		for _, p := range d.follows {
			if have[p][d.word] < own {
				list = append(list, fmt.Sprintf("%s is in %v and what follows from it is not in %v", d.word, d.at, p))
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock() // a handler of a connection that was closed may still run
	for word, p := range l.heard {
		if have[p][word] == 0 {
			list = append(list, fmt.Sprintf("the event of %s was heard, and it is not in %v", word, p))
		}
	}
	return list
}

// excess says what may never be there.
func (l *ledger) excess(b books) (list []string) {
	have, known := b.index(), map[place]map[string]bool{}
	know := func(p place, word string) {
		if known[p] == nil {
			known[p] = map[string]bool{}
		}
		known[p][word] = true
	}
	for _, d := range l.deeds {
		own := have[d.at][d.word]
		know(d.at, d.word)
		if own > 1 {
			list = append(list, fmt.Sprintf("%s is in %v %d times", d.word, d.at, own))
		}
		for _, p := range d.follows {
			know(p, d.word)
			if n := have[p][d.word]; n > own {
				list = append(list, fmt.Sprintf("%s is in %v %d times, and what follows from it in %v %d times", d.word, d.at, own, p, n))
			}
		}
	}
	for p, words := range have {
		for w := range words {
			if !known[p][w] {
				list = append(list, fmt.Sprintf("%v has %s, for which nobody asked", p, w))
			}
		}
	}
	return append(list, l.disorder(b)...)
}

// disorder says which answers do not agree with real time: a turn that was answered before another was asked for
// comes before it.
func (l *ledger) disorder(b books) (list []string) {
	byPlace := map[place]map[string]*deed{}
	for _, d := range l.deeds {
		if byPlace[d.at] == nil {
			byPlace[d.at] = map[string]*deed{}
		}
		byPlace[d.at][d.word] = d
	}
	for p, words := range b {
		var latest *deed // of those before, the one asked for last
		for _, w := range words {
			d := byPlace[p][w]
			if d == nil {
				continue // what follows has an order of its own
			}
			if latest != nil && !d.answered.IsZero() && d.answered.Before(latest.begun) {
				list = append(list, fmt.Sprintf("in %v %s comes after %s, which was asked for when the first was answered", p, w, latest.word))
			}
			if latest == nil || latest.begun.Before(d.begun) {
				latest = d
			}
		}
	}
	return list
}

// unanswered are the deeds that can be asked for again.
func (l *ledger) unanswered() (list []*deed) {
	for _, d := range l.deeds {
		if d.answered.IsZero() && d.again != nil {
			list = append(list, d)
		}
	}
	return list
}
