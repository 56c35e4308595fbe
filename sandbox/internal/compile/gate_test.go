package compile_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/sandbox/internal/compile"
)

// TestGateTurns: a has filled the queue before b and c come; they get the next places in turn.
func TestGateTurns(t *testing.T) {
	const places = 2
	g := compile.NewGate(places, 100, 100)
	type call struct {
		name  string
		ready func() bool
		leave func()
	}
	var running, waiting []call
	settle := func() string {
		var now []string
		for i := 0; i < len(waiting); {
			if waiting[i].ready() {
				running = append(running, waiting[i])
				waiting = append(waiting[:i:i], waiting[i+1:]...)
				continue
			}
			i++
		}
		for _, r := range running {
			now = append(now, r.name)
		}
		return strings.Join(now, " ")
	}
	ask := func(names ...string) {
		for _, name := range names {
			ready, leave, err := g.Ask(name[:1])
			if err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, call{name, ready, leave})
		}
	}
	end := func() {
		r := running[0]
		running = running[1:]
		r.leave()
	}
	ask("a1", "a2", "a3", "a4")
	got := []string{settle()} // one of a class, though two places are free
	ask("b1", "b2", "c1")
	got = append(got, settle())
	for len(running) > 0 {
		end()
		got = append(got, settle())
	}
	want := "a1 | a1 b1 | b1 a2 | a2 b2 | b2 c1 | c1 a3 | a3 | a4 | "
	if s := strings.Join(got, " | "); s != want {
		t.Errorf("running were\n%s, want\n%s", s, want)
	}
	if !g.Empty(places) {
		t.Error("the gate remembers something")
	}
}

func TestGateBounds(t *testing.T) {
	g := compile.NewGate(1, 3, 2)
	wantBusy := func(class, text string) {
		t.Helper()
		_, _, err := g.Ask(class)
		var e *compile.Error
		if !errors.As(err, &e) || e.Kind != compile.KindBusy || e.Kind.Module() || !strings.Contains(e.Detail, text) {
			t.Errorf("ask for %s: %v, want a busy error with %q", class, err, text)
		}
	}
	for range 3 { // one works, two wait
		if _, _, err := g.Ask("a"); err != nil {
			t.Fatal(err)
		}
	}
	wantBusy("a", "of this namespace")
	if _, _, err := g.Ask("b"); err != nil {
		t.Fatal(err)
	}
	wantBusy("c", "too many modules wait")
}

// TestGateModel: whatever comes and goes, a class has one place at most, all have no more than there are,
// no place is free while someone may take it, and nothing is left at the end.
func TestGateModel(t *testing.T) {
	const places = 3
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	g := compile.NewGate(places, 50, 10)
	type call struct {
		class string
		ready func() bool
		leave func()
	}
	var calls []call
	for step := range 20_000 {
		if r.IntN(2) == 0 || len(calls) == 0 {
			class := string(rune('a' + r.IntN(6)))
			if ready, leave, err := g.Ask(class); err == nil {
				calls = append(calls, call{class, ready, leave})
			}
		} else {
			i := r.IntN(len(calls))
			calls[i].leave()
			calls = append(calls[:i:i], calls[i+1:]...)
		}
		running, waiting := map[string]int{}, map[string]int{}
		total := 0
		for _, c := range calls {
			if c.ready() {
				running[c.class]++
				total++
			} else {
				waiting[c.class]++
			}
		}
		for class := range waiting {
			if running[class] == 0 && total < places {
				t.Fatalf("step %d: %s waits beside a free place", step, class)
			}
		}
		for class, n := range running {
			if n > 1 || total > places {
				t.Fatalf("step %d: %s has %d of %d places", step, class, n, total)
			}
		}
	}
	for _, c := range calls {
		c.leave()
	}
	if !g.Empty(places) {
		t.Error("the gate remembers something")
	}
}
