//go:build attack

package attack

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attackers is how many attacks of a row run at one time.
const attackers = 4

var moduleNumber atomic.Int64

// launch does one attack and returns how many verdicts were as wanted, and the others.
func (h *host) launch(a *attack) (right int, wrong []string) {
	say := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("row %d, %s: ", a.row, a.name)+fmt.Sprintf(format, args...))
	}
	module := fmt.Sprintf("m%d", moduleNumber.Add(1))
	got := h.upload(h.attacker, module, a.wasm())
	switch {
	case a.known != "" && matches(a.known, got):
		h.t.Logf("known to be wrong: row %d, %s: upload: got %s, want %s", a.row, a.name, got, a.upload)
		return right + 1, wrong
	case !matches(a.upload, got):
		say("upload: got %s, want %s", got, a.upload)
		if got.status != 201 && got.status != 200 {
			return right, wrong
		}
	case len(a.calls) == 0:
		right++
	}
	for i := range a.calls {
		c := &a.calls[i]
		if c.long && !*long {
			continue
		}
		if text := h.one(module, i, c); text != "" {
			say("%s: %s", c.title(), text)
		} else {
			right++
		}
	}
	if got.status == 201 {
		if d := h.must("DELETE", "/modules/"+module, h.attacker, nil); d.status != 200 {
			say("delete: %s", d)
		}
	}
	return right, wrong
}

func (c *call) title() string {
	if c.name != "" {
		return c.name
	}
	return c.action
}

// one makes an actor, calls it and destroys it. It returns what was not as wanted.
func (h *host) one(module string, i int, c *call) string {
	name := c.actor
	if name == "" {
		name = module
	}
	id, made := h.actor(h.attacker, name, fmt.Sprintf("%s-%d", module, i), c.input)
	want := c.create
	if want == "" {
		want = fine
	}
	if id != "" {
		defer h.must("DELETE", "/actors/"+id, h.attacker, nil)
	}
	if !matches(want, made) {
		return fmt.Sprintf("creation: got %s, want %s", made, want)
	}
	if c.action == "" || id == "" {
		return ""
	}
	got := h.call(h.attacker, id, c.action)
	if got.took > 2*time.Second {
		h.t.Logf("slow: %s: %v", c.title(), got.took.Round(time.Millisecond))
	}
	switch {
	case c.known != "" && matches(c.known, got):
		h.t.Logf("known to be wrong: %s: got %s, want %s", c.title(), got, c.want)
	case !matches(c.want, got):
		return fmt.Sprintf("got %s, want %s", got, c.want)
	}
	return ""
}

// TestAttack sends the corpus, row by row, and looks at the host after each.
func TestAttack(t *testing.T) {
	h := startHost(t)
	v := h.watch()
	warm(h)
	before := h.holds()
	rows := map[int][]*attack{}
	list := corpus()
	for i := range list {
		if !list[i].long || *long {
			rows[list[i].row] = append(rows[list[i].row], &list[i])
		}
	}
	total := 0
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		t.Run(fmt.Sprintf("row %d", row), func(t *testing.T) {
			began := time.Now()
			right := h.volley(t, rows[row])
			h.alive(t)
			v.check(t)
			h.givenBack(t, before)
			total += right
			verdicts.add(row, right)
			t.Logf("%d verdicts in %v, %d MiB", right, time.Since(began).Round(time.Millisecond), h.holds().rss>>20)
		})
		h.alive(t)
	}
	t.Run("together", func(t *testing.T) { h.together(t, v, before) })
	t.Run("memory", func(t *testing.T) { h.memoryBack(t, before) })
	t.Logf("%d attacks, %d verdicts as wanted", len(list), total)
	t.Run("count", func(t *testing.T) {
		if total < 200 {
			t.Errorf("only %d verdicts", total)
		}
	})
	if *long {
		h.measure(t, v)
	}
}

// volley runs attacks, some at a time.
func (h *host) volley(t *testing.T, list []*attack) (right int) {
	t.Helper()
	var mu sync.Mutex // guards right
	var wg sync.WaitGroup
	next := make(chan *attack)
	for range attackers {
		wg.Go(func() {
			for a := range next {
				n, wrong := h.launch(a)
				mu.Lock()
				right += n
				mu.Unlock()
				for _, text := range wrong {
					t.Error(text)
					if strings.Contains(text, "core/internal_error") || strings.Contains(text, `"internal_error"`) {
						t.Logf("the host's own words: %s", h.faults())
					}
				}
			}
		})
	}
	for _, a := range list {
		if h.ended() {
			break
		}
		next <- a
	}
	close(next)
	wg.Wait()
	return right
}

// warm lets the host do each kind of thing once, so that what it keeps for good is there.
func warm(h *host) {
	h.t.Helper()
	a := attack{name: "warm", wasm: plain(nil), upload: taken, calls: []call{{action: "go", want: fine}}}
	if _, wrong := h.launch(&a); len(wrong) > 0 {
		h.t.Fatalf("a harmless module: %s", strings.Join(wrong, "; "))
	}
	time.Sleep(500 * time.Millisecond)
}

// together lets 16 attackers at the host at once, with all kinds of things, and wants no wrong answer
// for the victim.
func (h *host) together(t *testing.T, v *victim, before holding) {
	v.check(t)
	mixed := storm()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := i; j < len(mixed); j += 16 {
				if _, wrong := h.launch(&mixed[j]); len(wrong) > 0 {
					t.Error(strings.Join(wrong, "\n"))
				}
			}
		})
	}
	wg.Wait()
	h.alive(t)
	v.check(t)
	h.givenBack(t, before)
}

// Slack of the host's memory after everything. Above slackRSS is against the budget and told; as long
// as the cause is not found, only mostRSS fails.
const (
	slackRSS = 64 << 20
	mostRSS  = 512 << 20
)

// memoryBack wants the host's memory back near what it was.
func (h *host) memoryBack(t *testing.T, before holding) {
	var now holding
	for deadline := time.Now().Add(4 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if now = h.holds(); now.rss <= before.rss+slackRSS {
			t.Logf("%d MiB before, %d MiB after", before.rss>>20, now.rss>>20)
			return
		}
	}
	text := fmt.Sprintf("the host has %d MiB:%s; before the attacks it had %d MiB:%s", now.rss>>20, now.kinds, before.rss>>20, before.kinds)
	if now.rss > before.rss+mostRSS {
		t.Error(text)
	}
	t.Log("known to be wrong: " + text)
	if os.Getenv("GODEBUG") != "" {
		t.Log(tail(h.printed(), 1500))
	}
}
