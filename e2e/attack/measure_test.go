package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// Runs of each measurement.
const (
	runs     = 3
	deadline = 200 * time.Millisecond // of a turn, for the overshoot
	pieceRun = 3 * time.Second        // of the victim beside one thing
)

// measure writes docs/attack.md.
func (h *host) measure(t *testing.T, v *victim) {
	t.Helper()
	d := doc{victim: h.measureVictim(t, v), overshoot: measureOvershoot(t)}
	path := filepath.Join(actorstest.Root(), "docs", "attack.md")
	if err := os.WriteFile(path, []byte(d.text()), 0o644); err != nil {
		t.Error(err)
	}
}

// beside is the victim's times beside one thing.
type beside struct {
	name  string
	fair  bool // no attack: what as many honest clients do to the victim
	took  []time.Duration
	p99s  []time.Duration // of each run
	wrong int
}

// measureVictim measures the victim's times beside sixteen attackers that repeat one thing, and alone
// before each. Two honest things are among them, for no attack can be asked to weigh less.
func (h *host) measureVictim(t *testing.T, v *victim) []*beside {
	a := actionAttacks()[0]
	if got := h.upload(h.attacker, "bombs", a.wasm()); got.status != 201 {
		t.Fatalf("upload: %s", got)
	}
	list := []*beside{{name: "nothing"}}
	attack := []func(n int){nil}
	for _, name := range measured {
		action := bombNamed(name)
		list = append(list, &beside{name: name})
		attack = append(attack, func(n int) {
			if id, _ := h.actor(h.attacker, "bombs", fmt.Sprint(n), `" "`); id != "" {
				h.call(h.attacker, id, action)
			}
		})
	}
	fair := func(name string, f func(n int)) {
		list, attack = append(list, &beside{name: name, fair: true}), append(attack, f)
	}
	ids := make([]string, 16)
	for i := range ids {
		ids[i], _ = h.actor(h.attacker, "bombs", fmt.Sprint("honest", i), `" "`)
	}
	fair("honest calls", func(n int) { h.call(h.attacker, ids[n%16], "ok") })
	fair("honest creations", func(n int) { h.actor(h.attacker, "bombs", fmt.Sprint("new", n), `" "`) })
	var mixed [][]byte // made beforehand, or the making would take the processors from the host
	for _, a := range storm() {
		mixed = append(mixed, a.wasm())
	}
	list = append(list, &beside{name: "uploads, mixed"})
	attack = append(attack, func(n int) { h.upload(h.attacker, fmt.Sprintf("u%d", n%64), mixed[(n*7)%len(mixed)]) })
	exec.Command("sync").Run() // what the build of the host has left to write would stand in the way of commits
	for i, b := range list[1:] {
		h.measureRun(t, v, list[0]) // the baseline, between any two
		stop := h.repeat(attack[i+1])
		for range runs {
			h.measureRun(t, v, b)
		}
		stop()
	}
	return list
}

// measureRun adds one run to the victim's times.
func (h *host) measureRun(t *testing.T, v *victim, b *beside) {
	t.Helper()
	v.taken()
	select {
	case <-time.After(pieceRun):
	case <-h.Done:
	}
	took, wrong := v.taken()
	h.alive(t)
	if len(took) == 0 {
		t.Errorf("no answer to the victim beside %s", b.name)
	}
	if len(wrong) > 0 {
		t.Errorf("victim beside %s: %d errors: %s", b.name, len(wrong), wrong[0])
	}
	b.wrong += len(wrong)
	b.took = append(b.took, took...)
	b.p99s = append(b.p99s, quantile(took, 0.99))
}

// measured are the bombs that stand for the others.
var measured = []string{
	"loop", "call tree of 2^44", "loop of memory.fill", "loop of table.fill", "loop of random 64 KiB", "loop of kv_put", "recursion",
}

// repeat lets 16 attackers repeat f until the function that it returns is called. f gets a number that
// no other call has.
func (h *host) repeat(f func(n int)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n += 16 {
				f(n)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// over is how long after its deadline a bomb was ended.
type over struct {
	name  string
	codes map[string]bool
	took  []time.Duration
}

// overshootBombs are the calls to measure: by module, each as action and title.
func overshootBombs() (modules []attack, calls [][][2]string) {
	modules = []attack{actionAttacks()[0], wasiAttacks()[0]}
	calls = make([][][2]string, len(modules))
	for i, b := range bombs() {
		if b.burns || b.want == tooMany || b.want == noHandles || b.row == 5 {
			calls[0] = append(calls[0], [2]string{fmt.Sprintf("b%d", i), b.name})
		}
	}
	for _, c := range modules[1].calls {
		if strings.HasSuffix(c.name, "without end") || strings.Contains(c.name, "million") || strings.Contains(c.name, "64 MiB") {
			calls[1] = append(calls[1], [2]string{c.action, c.name})
		}
	}
	return modules, calls
}

// measureOvershoot measures how long after its deadline a turn ends, in this process.
func measureOvershoot(t *testing.T) (list []over) {
	t.Helper()
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.TurnTime = deadline }})
	ns := tenants.ID("attacker")
	modules, calls := overshootBombs()
	for m := range modules {
		name := fmt.Sprint("m", m)
		s.UploadBytes(ns, actors.UploadOptions{Module: name, Live: true}, modules[m].wasm())
		for _, c := range calls[m] {
			o := over{name: c[1], codes: map[string]bool{}}
			for i := range runs {
				info, _, err := s.Host.GetOrCreate(context.Background(), actorstest.Address(t, ns, name, fmt.Sprint(c[0], i)), actors.CreateOptions{Input: json.RawMessage(`" "`)})
				if err != nil {
					t.Errorf("%s: %v", c[1], err)
					continue
				}
				began := time.Now()
				_, err = s.Call(info.ID, c[0])
				o.took = append(o.took, max(0, time.Since(began)-deadline))
				o.codes[verdictOf(err)] = true
			}
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b over) int { return int(quantile(b.took, 1) - quantile(a.took, 1)) })
	return list
}

func verdictOf(err error) string {
	if err == nil {
		return "fine"
	}
	return abi.CodeOf(err).String()
}
