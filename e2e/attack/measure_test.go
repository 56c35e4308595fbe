//go:build attack

package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
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

// verdicts counts the right answers by row, for the table.
var verdicts = tally{}

// tally counts by row. It is used between volleys only.
type tally map[int]int

func (t tally) add(row, n int) { t[row] += n }

// storm returns what sixteen attackers send at one time: some of everything that is not slow.
func storm() []attack {
	var list, some []attack
	for _, a := range corpus() {
		if !a.long && len(a.calls) == 0 {
			list = append(list, a)
		}
	}
	for i := 0; i < len(list); i += max(1, len(list)/32) {
		some = append(some, list[i])
	}
	return some
}

// Runs of each measurement.
const (
	runs     = 5
	deadline = 200 * time.Millisecond // of a turn, for the overshoot
	idleTime = 10 * time.Second       // for the victim's baseline
)

// measure writes docs/attack.md.
func (h *host) measure(t *testing.T, v *victim) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# Attacks\n\nWritten by `go test ./e2e/attack -attack.long -timeout 60m` on a machine with %d processors, which was busy or not as it happened.\nThe rows are those of the threat table. Do not edit.\n\n", runtime.NumCPU())
	b.WriteString("## Verdicts\n\nEach is one answer with exact status and code, from a host that lived on.\n\n| row | threat | verdicts as wanted |\n|---|---|---|\n")
	sum := 0
	for _, row := range slices.Sorted(maps.Keys(verdicts)) {
		fmt.Fprintf(&b, "| %d | %s | %d |\n", row, threats[row], verdicts[row])
		sum += verdicts[row]
	}
	fmt.Fprintf(&b, "| | all | %d |\n\n", sum)
	h.measureVictim(t, v, &b)
	measureOvershoot(t, &b)
	path := filepath.Join(actorstest.Root(), "docs", "attack.md")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}

var threats = map[int]string{
	1: "every bomb, as an action and at creation", 4: "proposals that are not there", 8: "memory", 9: "tables", 10: "compile bombs",
	11: "malformed", 13: "start functions", 14: "imports", 15: "imports of neighbours", 17: "WASI", 18: "pointers and handles",
	21: "hostile text", 23: "exports and manifests that lie", 24: "hooks and actor_turn",
}

// measureVictim tells the victim's times, alone and beside sixteen attackers that repeat one bomb.
func (h *host) measureVictim(t *testing.T, v *victim, b *strings.Builder) {
	b.WriteString("## The victim\n\nTimes of a durable increment of another namespace, called without a pause but 10 ms, alone and while 16 attackers repeat one thing.\nBudget: p99 five times that of idle.\n\n| beside | p50 | p99 | p99 / idle | calls | errors |\n|---|---|---|---|---|---|\n")
	idle := time.Duration(0)
	row := func(name string) {
		took, wrong := v.taken()
		p50, p99 := quantile(took, 0.5), quantile(took, 0.99)
		if idle == 0 {
			idle = max(p99, 1)
		}
		fmt.Fprintf(b, "| %s | %v | %v | %.1f | %d | %d |\n", name, p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), float64(p99)/float64(idle), len(took), len(wrong))
		if len(wrong) > 0 {
			t.Errorf("victim beside %s: %d errors: %s", name, len(wrong), wrong[0])
		}
	}
	v.taken()
	time.Sleep(idleTime)
	row("nothing")
	a := actionAttacks()[0]
	if got := h.upload(h.attacker, "bombs", a.wasm()); got.status != 201 {
		t.Fatalf("upload: %s", got)
	}
	for i, bomb := range bombs() {
		if !measured[bomb.name] {
			continue
		}
		h.repeat(func(n int) {
			if id, _ := h.actor(h.attacker, "bombs", fmt.Sprint(n), `" "`); id != "" {
				h.call(h.attacker, id, fmt.Sprintf("b%d", i))
			}
		})
		row(bomb.name)
		h.alive(t)
	}
	mixed := storm()
	h.repeat(func(n int) { h.upload(h.attacker, fmt.Sprintf("u%d", n), mixed[(n*7)%len(mixed)].wasm()) })
	row("uploads, mixed")
}

// measured are the bombs that stand for the others.
var measured = map[string]bool{
	"loop": true, "loop of loops": true, "call tree of 2^44": true, "indirect call tree of 2^44": true, "loop of memory.fill": true,
	"loop of memory.copy": true, "loop of table.fill": true, "loop of table.grow": true, "loop of memory.grow by a page": true,
	"loop of random 64 KiB": true, "loop of kv_put": true, "loop of input": true, "recursion": true, "3000 memory.fill in a row": true,
}

// repeat lets 16 attackers repeat f for a while. f gets a number that no other call has.
func (h *host) repeat(f func(n int)) {
	end := time.Now().Add(idleTime)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := i; time.Now().Before(end); n += 16 {
				f(n)
			}
		})
	}
	wg.Wait()
}

// measureOvershoot tells how long after its deadline a turn ends, in this process.
func measureOvershoot(t *testing.T, b *strings.Builder) {
	fmt.Fprintf(b, "\n## Overshoot\n\nTime from the deadline of a turn (%v after it was asked for) to its answer, %d runs each, inside one process. Budget: 50 ms.\n\n| bomb | verdict | p50 | max |\n|---|---|---|---|\n", deadline, runs)
	s := actorstest.Open(t, actorstest.Options{Config: func(c *actors.Config) { c.TurnTime = deadline }})
	ns := tenants.ID("attacker")
	sources := []struct {
		module string
		a      attack
		names  []string
	}{{module: "bombs", a: actionAttacks()[0]}, {module: "wasi", a: wasiAttacks()[0]}}
	for i, bomb := range bombs() {
		if bomb.burns || bomb.want == tooMany || bomb.want == noHandles {
			sources[0].names = append(sources[0].names, fmt.Sprintf("b%d/%s", i, bomb.name))
		}
	}
	for _, c := range sources[1].a.calls {
		if strings.HasSuffix(c.name, "without end") || strings.Contains(c.name, "million") || strings.Contains(c.name, "64 MiB") {
			sources[1].names = append(sources[1].names, c.action+"/"+c.name)
		}
	}
	for _, src := range sources {
		s.UploadBytes(ns, actors.UploadOptions{Module: src.module, Live: true}, src.a.wasm())
		for _, name := range src.names {
			action, title, _ := strings.Cut(name, "/")
			var over []time.Duration
			codes := map[string]bool{}
			for i := range runs {
				info, _, err := s.Host.GetOrCreate(context.Background(), actorstest.Address(t, ns, src.module, fmt.Sprint(action, i)), actors.CreateOptions{Input: json.RawMessage(`" "`)})
				if err != nil {
					t.Errorf("%s: %v", title, err)
					continue
				}
				began := time.Now()
				_, err = s.Call(info.ID, action)
				over = append(over, max(0, time.Since(began)-deadline))
				codes[verdictOf(err)] = true
			}
			fmt.Fprintf(b, "| %s | %s | %v | %v |\n", title, strings.Join(slices.Sorted(maps.Keys(codes)), ", "),
				quantile(over, 0.5).Round(100*time.Microsecond), quantile(over, 1).Round(100*time.Microsecond))
		}
	}
}

func verdictOf(err error) string {
	if err == nil {
		return "fine"
	}
	return abi.CodeOf(err).String()
}

// TestOvershoot is the part of the long form that needs no host, to be run alone.
func TestOvershoot(t *testing.T) {
	if !*long {
		t.Skip("only with -attack.long")
	}
	var b strings.Builder
	measureOvershoot(t, &b)
	t.Log(b.String())
}
