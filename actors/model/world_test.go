package model

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// world is the model: what every actor of every namespace must hold. Its goroutine alone touches it.
type world struct {
	rnd    *rand.Rand
	actors []*actor
	live   map[tenants.ID]int // version of the module script
	moved  time.Duration      // of the clock since the beginning
	done   []repeatable       // requests with an idempotency key
	serial int                // of the turn planned last
	counts map[string]int     // operations by name
	turns  int

	touched map[*actor]bool // by a job of the batch that is being planned
	killing bool            // the batch is for a child that will be killed, and so may run twice
}

// actor is one address, with an actor or without one.
type actor struct {
	address tenants.Address
	guest   guest
	child   bool // it is made as a child of another only
	hermit  bool // nobody sends to it and nobody calls it, so that its turns are known
	failed  bool // a hermit's last turn did
	id      tenants.ActorID
	data    *data // nil while there is no actor
}

// guest is what kind of program an actor runs.
type guest int

const (
	scripted guest = iota
	counter        // of the SDK, with its state in memory
	plain          // without a word of Vivarium, with its state in an Extism var
)

// data is what one actor holds.
type data struct {
	state  string
	kv     map[string]string
	got    map[string][]string // numbers of the sends that it must have done, in order, by sender
	sent   map[string]int      // number of the last send, by receiver
	count  int                 // of a counter, or of a plain actor
	parent *actor
}

func (d *data) clone() *data {
	c := *d
	c.kv, c.got, c.sent = maps.Clone(d.kv), maps.Clone(d.got), maps.Clone(d.sent)
	return &c
}

func newData() *data {
	return &data{kv: map[string]string{}, got: map[string][]string{}, sent: map[string]int{}}
}

// Both namespaces have the same names and keys.
var namespaces = []tenants.ID{tenants.Default, "other"}

// hermits is how many of a name's scripted actors have no visitors.
const hermits = 1

// versions is how many versions the module script has.
const versions = 3

func newWorld(seed int64) *world {
	w := &world{rnd: rand.New(rand.NewSource(seed)), live: map[tenants.ID]int{}, counts: map[string]int{}, touched: map[*actor]bool{}}
	for _, ns := range namespaces {
		w.live[ns] = 1
		add := func(n int, name string, g guest, child bool) {
			for i := range n {
				key, _ := tenants.NewKey(fmt.Sprint(i), fmt.Sprint("child ", child))
				one := &actor{address: tenants.Address{Namespace: ns, Name: name, Key: key}, guest: g, child: child}
				one.hermit = name == "script" && !child && i < hermits // hooks are visitors too
				w.actors = append(w.actors, one)
			}
		}
		add(7, "script", scripted, false)
		add(2, "hooked", scripted, false)
		add(2, "script", scripted, true)
		add(2, "counter", counter, false)
		add(2, "plain", plain, false)
	}
	return w
}

// pick returns an actor, not touched yet, that suits, and touches it; nil if there is none.
func (w *world) pick(suits func(*actor) bool) *actor {
	for _, i := range w.rnd.Perm(len(w.actors)) {
		if a := w.actors[i]; !w.touched[a] && suits(a) {
			w.touched[a] = true
			return a
		}
	}
	return nil
}

// alive suits actors of a guest that there are.
func alive(g guest) func(*actor) bool {
	return func(a *actor) bool { return a.data != nil && a.guest == g }
}

// childrenOf returns the actors that end with a.
func (w *world) childrenOf(a *actor) (list []*actor) {
	for _, c := range w.actors {
		if c.data != nil && c.data.parent == a {
			list = append(append(list, c), w.childrenOf(c)...)
		}
	}
	return list
}

// byID returns the actor with an id, nil if it is gone.
func (w *world) byID(id string) *actor {
	i := slices.IndexFunc(w.actors, func(a *actor) bool { return a.data != nil && a.id.String() == id })
	if i < 0 {
		return nil
	}
	return w.actors[i]
}

// chance is true once in n.
func (w *world) chance(n int) bool { return w.rnd.Intn(n) == 0 }

// clock returns a clock that shows the model's moment.
func (w *world) clock() *actorstest.Clock {
	c := actorstest.NewClock()
	c.Advance(w.moved)
	return c
}
