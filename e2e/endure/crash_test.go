package endure

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
)

var (
	crashRounds = flag.Int("crash.rounds", 4, "how often the crash test kills its host")
	crashSeed   = flag.Int64("crash.seed", 0, "when it kills; zero picks a seed")
)

// death is a way in which a host ends.
type death struct {
	name string
	of   func(m *mob, r *rand.Rand)
}

// The ways: at work, in the start after that, and while it drains. The suite goes through all of them.
var deaths = []death{
	{"killed at work", func(m *mob, r *rand.Rand) {
		pause(m, r, 1200)
		m.ending.Store(true)
		m.h.Kill()
	}},
	{"killed while it drains", func(m *mob, r *rand.Rand) {
		pause(m, r, 800)
		m.ending.Store(true)
		m.h.Cmd.Process.Signal(syscall.SIGTERM)
		pause(m, r, 300)
		m.h.Kill()
	}},
	{"killed at work, and in the starts after it", func(m *mob, r *rand.Rand) {
		pause(m, r, 800)
		m.ending.Store(true)
		m.h.Kill()
		for range 2 {
			m.h.Begin()
			pause(m, r, 250)
			m.h.Kill()
		}
	}},
	{"asked to stop", func(m *mob, r *rand.Rand) {
		pause(m, r, 800)
		m.ending.Store(true)
		if code := m.h.Stop(); code != 0 {
			m.t.Errorf("asked to stop, it ended with %d", code)
		}
	}},
}

// pause is over after at most so many milliseconds, or when the process has ended.
func pause(m *mob, r *rand.Rand, most int) {
	select {
	case <-time.After(time.Duration(r.Intn(most*1000)) * time.Microsecond):
	case <-m.h.Done:
	}
}

// A host that is killed at any moment, under everything that clients may ask for, has lost nothing that it
// acknowledged, has done nothing by halves and nothing twice.
func TestCrashUnderLoad(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("replay with -crash.seed=%d -crash.rounds=%d", seed, *crashRounds)
	r := rand.New(rand.NewSource(seed))
	m := openMob(t, newHost(t))
	var recovery time.Duration
	for n := range *crashRounds {
		d := deaths[n%len(deaths)]
		wrong, took := m.round(n, d, r)
		recovery = max(recovery, took)
		for _, w := range wrong {
			t.Errorf("round %d, %s: %s", n, d.name, w)
		}
		if t.Failed() {
			return
		}
	}
	for _, w := range m.atTheEnd() {
		t.Error(w)
	}
	if text := m.h.faults(); text != "" {
		t.Errorf("the host says: %.3000s", text)
	}
	t.Logf("%s; the slowest start took %v", m.sum(), recovery.Round(time.Millisecond))
}

// round has the mob at work, ends the process, and says what is wrong after that, and how long the next start took.
func (m *mob) round(n int, d death, r *rand.Rand) (wrong []string, recovery time.Duration) {
	m.t.Helper()
	m.ledger, m.release = newLedger(n), newReleases(n)
	m.ledgers = append(m.ledgers, m.ledger)
	m.ending.Store(false)
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	m.link(ctx)
	wait := m.riot(ctx, r.Int63())
	d.of(m, r)
	m.unlink()
	wait()
	m.h.verify()
	begun := time.Now()
	m.h.Start()
	recovery = time.Since(begun)
	m.meet()
	return m.account(), recovery
}

// account says what is wrong when a host was left alone after its start, and then asked again for what it had not
// answered.
func (m *mob) account() []string {
	ctx, cancel := context.WithTimeout(m.t.Context(), 2*time.Minute)
	defer cancel()
	if wrong := m.settled(ctx); len(wrong) > 0 {
		return wrong
	}
	for _, d := range m.ledger.unanswered() {
		if d.end > 0 {
			continue
		}
		answer, err := d.again(ctx)
		if err != nil {
			return []string{fmt.Sprintf("%s, asked for again: %v", d.word, err)}
		}
		d.answer, d.answered = answer, time.Now()
	}
	wrong := m.repeat(ctx)
	wrong = append(wrong, m.settled(ctx)...)
	return append(wrong, m.release.check(ctx, m)...)
}

// settled waits until all that must come is there, and says what is missing or too much.
func (m *mob) settled(ctx context.Context) []string {
	late := time.After(m.patience)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		b, err := m.ledger.read(ctx, m.handle)
		if err != nil {
			return []string{err.Error()}
		}
		missing := m.ledger.missing(b)
		if len(missing) == 0 {
			tick.Stop()
			return append(m.ledger.excess(b), m.agree(ctx, b)...)
		}
		select {
		case <-tick.C:
		case <-late:
			return append(missing, m.ledger.excess(b)...)
		}
	}
}

// agree says which members have a state that was not written by the turn that wrote their newest item.
func (m *mob) agree(ctx context.Context, b books) (wrong []string) {
	for i := range members {
		actor := fmt.Sprint("member", i)
		out, err := client.Call[[]actorstest.Outcome](ctx, m.handle(actor), "do", []actorstest.Step{step("state_get"), step("kv_get", "newest")})
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		log := b[place{actor, m.ledger.item("log")}]
		if out[0].B != out[1].B || len(log) > 0 && log[len(log)-1] != out[0].B {
			wrong = append(wrong, fmt.Sprintf("%s has the state %q, the item %q and the log %q", actor, out[0].B, out[1].B, log))
		}
	}
	return wrong
}

// repeat asks again for some deeds that were answered: they get the same answer, and nothing is done.
func (m *mob) repeat(ctx context.Context) (wrong []string) {
	n := 0
	for _, d := range m.ledger.deeds {
		if d.again == nil || d.answered.IsZero() || d.end > 0 || n >= 20 {
			continue
		}
		n++
		if answer, err := d.again(ctx); err != nil || answer != d.answer {
			wrong = append(wrong, fmt.Sprintf("%s was answered %q, and asked for again %q, %v", d.word, d.answer, answer, err))
		}
	}
	return wrong
}

// atTheEnd says what came too often, later.
func (m *mob) atTheEnd() (wrong []string) {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	for _, l := range m.ledgers {
		b, err := l.read(ctx, m.handle)
		if err != nil {
			return append(wrong, err.Error())
		}
		wrong = append(append(wrong, l.missing(b)...), l.excess(b)...)
	}
	for i := range members {
		wrong = append(wrong, m.ticks(ctx, fmt.Sprint("member", i))...)
	}
	return wrong
}

// ticks says whether a schedule that comes again and again ran twice for one moment.
func (m *mob) ticks(ctx context.Context, actor string) (wrong []string) {
	out, err := client.Call[[]actorstest.Outcome](ctx, m.handle(actor), "do", []actorstest.Step{step("kv_get", "ticks")})
	if err != nil {
		return []string{err.Error()}
	}
	last := int64(0)
	for _, doc := range strings.Fields(out[0].B) {
		var turn actorstest.Seen
		var fire struct{ Due int64 }
		if err := json.Unmarshal([]byte(doc), &turn); err != nil {
			return append(wrong, fmt.Sprintf("%s has the tick %q: %v", actor, doc, err))
		}
		if err := json.Unmarshal([]byte(turn.Head), &fire); err != nil || fire.Due <= last {
			wrong = append(wrong, fmt.Sprintf("%s ticked for %d after %d, %v", actor, fire.Due, last, err))
		}
		last = fire.Due
	}
	return wrong
}

// sum says how much was asked for.
func (m *mob) sum() string {
	asked, answered, heard := 0, 0, 0
	for _, l := range m.ledgers {
		asked += len(l.deeds)
		heard += len(l.heard)
		for _, d := range l.deeds {
			if !d.answered.IsZero() {
				answered++
			}
		}
	}
	return fmt.Sprintf("%d rounds, %d deeds, %d of them answered in the end, %d events heard", len(m.ledgers), asked, answered, heard)
}
