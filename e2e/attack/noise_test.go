package attack

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// noisy is a plain module with actions that are all within the limits of a turn, and much.
func noisy() []byte {
	return plain(func(m *wt.Module) {
		put := m.ImportFunc("vivarium", "kv_put", wt.T(wt.I32, wt.I32, wt.I32, wt.I32), wt.T(wt.I64))
		broadcast := m.ImportFunc("vivarium", "broadcast", wt.T(wt.I32, wt.I32, wt.I32, wt.I32), wt.T(wt.I64))
		log := m.ImportFunc("vivarium", "log", wt.T(wt.I64, wt.I32, wt.I32), wt.T(wt.I64))
		m.Memory = wt.Limits(16)
		m.Export("memory", 2, 0)
		times := func(name string, n int32, body wt.Code) {
			m.Export(name, 0, m.Func(nil, wt.T(wt.I32), wt.T(wt.I32), wt.Code{}.I32Const(n).LocalSet(0).
				Loop(wt.Empty).Then(body).LocalGet(0).I32Const(1).Op(wt.I32Sub).LocalTee(0).BrIf(0).Op(wt.End).I32Const(0)))
		}
		times("overwrite", 1, wt.Code{}.I32Const(0).I32Const(4).I32Const(64).I32Const(100_000).Call(put).Op(wt.Drop))
		times("flood", 4000, wt.Code{}.I32Const(0).LocalGet(0).I32Store(0).I32Const(0).I32Const(4).I32Const(64).I32Const(1_000).Call(put).Op(wt.Drop))
		times("shout", 900, wt.Code{}.I32Const(16).I32Const(1).I32Const(20).I32Const(2).Call(broadcast).Op(wt.Drop))
		times("chatter", 2000, wt.Code{}.I64Const(2).I32Const(64).I32Const(100).Call(log).Op(wt.Drop))
		m.Data(16, "e   []")
	})()
}

// Budgets of the neighbours of noise.
const (
	noiseTime    = time.Minute
	holdTime     = 5 * time.Second // for which a refused socket is held
	budgetVictim = 250 * time.Millisecond
)

// noise is what one attacker does, again and again: it returns the verdict.
type noise struct {
	name string
	make func(ctx context.Context, h *host, n int) string
}

func noises() []noise {
	act := func(name, module, action string) noise {
		return noise{name, func(ctx context.Context, h *host, n int) string {
			return h.once(ctx, h.attacker, "POST", fmt.Sprintf("/gateway/%s/action/%s?rvt-method=getOrCreate&rvt-key=%s%d", module, action, action, n%8), `{"args":[" "]}`)
		}}
	}
	var list []noise
	for _, name := range []string{"loop", "loop of memory.fill", "memory.grow to the limit, all written", "loop of kv_put", "recursion"} {
		list = append(list, act(name, "bombs", bombNamed(name)))
	}
	list = append(list, act("a flood of items", "noisy", "flood"), act("one item overwritten", "noisy", "overwrite"), act("a flood of events", "noisy", "shout"), act("a flood of lines", "noisy", "chatter"))
	var mixed [][]byte // made beforehand, or the making would take the processors from the host
	for _, a := range storm() {
		mixed = append(mixed, a.wasm())
	}
	return append(list,
		noise{"uploads", func(ctx context.Context, h *host, n int) string {
			return h.once(ctx, h.attacker, "PUT", fmt.Sprintf("/modules/u%d", n%64), mixed[(n*7)%len(mixed)])
		}},
		noise{"creations", func(ctx context.Context, h *host, n int) string {
			return h.once(ctx, h.attacker, "PUT", "/actors", fmt.Sprintf(`{"name":"noisy","key":"new%d","runner_name_selector":"default","crash_policy":"sleep"}`, n))
		}},
		noise{"sockets that come and go", func(_ context.Context, h *host, n int) string { return h.churn(n) }},
	)
}

// once sends a request and returns its verdict.
func (h *host) once(ctx context.Context, token, method, path string, body any) string {
	a, err := h.try(ctx, method, path, token, body)
	if err != nil {
		return "no answer"
	}
	return a.verdict()
}

// churn opens a WebSocket and drops it.
func (h *host) churn(n int) string {
	c, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		return "no connection"
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /gateway/noisy/connect?rvt-method=getOrCreate&rvt-key=shout%d&rvt-token=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: rivet, rivet_encoding.json\r\n\r\n", n%8, h.attacker)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "no answer"
	}
	return fmt.Sprint(resp.StatusCode)
}

// TestNoisyNeighbours has sixteen attackers of one namespace do everything at once, while another is watched: attackers
// without quotas, whom fairness alone holds, and such of the plan for strangers that comes with the host.
func TestNoisyNeighbours(t *testing.T) {
	for _, plan := range []string{"", "free"} {
		t.Run("plan "+plan, func(t *testing.T) { testNoise(t, plan) })
	}
}

func testNoise(t *testing.T, plan string) {
	h := newHost(t)
	h.Args = []string{"--plans", filepath.Join(actorstest.Root(), "deploy", "plans.json")}
	h.serve()
	if *long {
		h.fillStore(t)
	}
	v := h.watchEvery(50 * time.Millisecond)
	h.warm()
	bombs := actionAttacks()[0]
	for module, wasm := range map[string][]byte{"bombs": bombs.wasm(), "noisy": noisy()} {
		if a := h.upload(h.attacker, module, wasm); a.status != 201 {
			t.Fatalf("upload: %s", a)
		}
	}
	d := 3 * time.Second
	if *long {
		d = noiseTime
	}
	before := h.settled()
	v.taken()
	h.pass(d / 3)
	idle, wrong := v.taken()
	if len(idle) == 0 || len(wrong) > 0 {
		t.Fatalf("at idle: %d answers, wrong: %v", len(idle), wrong)
	}
	if a := h.must("PUT", "/namespaces/attacker/quotas", h.operator, terms(plan)); a.status != 200 {
		t.Fatalf("quotas: %s", a)
	}
	verdicts := h.makeNoise(t, d)
	h.alive(t)
	took, wrong := v.taken()
	if len(wrong) > 0 || len(took) == 0 {
		t.Errorf("the victim got %d right answers and %d wrong ones: %.1000s", len(took), len(wrong), strings.Join(wrong, "; "))
	}
	if refused := refusals(verdicts); plan != "" && refused == 0 {
		t.Error("no attacker was refused by a quota")
	}
	n := noiseFigures{plan: plan, time: d, idle: idle, took: took, verdicts: verdicts}
	t.Log(n.summary(), verdicts)
	h.givenBackWithin(t, before, giveBackTime()+holdTime)
	if *long { // in the suite TestAttack waits for that
		n.memory = h.memoryAfter(t, before)
	}
	noiseMeasured = append(noiseMeasured, &n)
}

// fillStore has the victim's own namespace write as much as the store gathers in memory, and more: what that comes to has
// bounds of its own, and is there after any work. A store that is new has none of it.
func (h *host) fillStore(t *testing.T) {
	t.Helper()
	if a := h.upload(h.victim, "writer", noisy()); a.status != 201 {
		t.Fatalf("upload: %s", a)
	}
	for n := range 64 {
		path := fmt.Sprintf("/gateway/writer/action/flood?rvt-method=getOrCreate&rvt-key=%d", n%8)
		if v := h.once(t.Context(), h.victim, "POST", path, `{"args":[" "]}`); v != "200" {
			t.Fatalf("a write of the victim's: %s", v)
		}
	}
}

// terms are what the attackers have agreed with the operator: a plan, or nothing that bounds them.
func terms(plan string) string {
	if plan != "" {
		return `{"plan":"` + plan + `"}`
	}
	lifted := tenants.Quotas{}
	for _, q := range tenants.AllQuotas {
		lifted[q] = 0
	}
	b, _ := json.Marshal(map[string]any{"overrides": lifted}) // numbers always encode
	return string(b)
}

// refusals counts what quotas refused.
func refusals(verdicts map[string]map[string]int) (n int) {
	for _, kind := range verdicts {
		for v, times := range kind {
			if strings.HasPrefix(v, "429 quota/") {
				n += times
			}
		}
	}
	return n
}

// makeNoise lets sixteen attackers go on for a time, and returns the verdicts that each kind got. One of our own faults
// is an error.
func (h *host) makeNoise(t *testing.T, d time.Duration) map[string]map[string]int {
	list := noises()
	var mu sync.Mutex // guards all
	all := map[string]map[string]int{}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 16 {
		kind := list[i%len(list)]
		wg.Go(func() {
			for n := i; ctx.Err() == nil && !h.Ended(); n += 16 {
				verdict := kind.make(ctx, h, n)
				if ctx.Err() != nil {
					return // it left before its answer
				}
				mu.Lock()
				if all[kind.name] == nil {
					all[kind.name] = map[string]int{}
				}
				all[kind.name][verdict]++
				mu.Unlock()
				if strings.HasPrefix(verdict, "500") || strings.HasPrefix(verdict, "no ") {
					t.Errorf("%s: %s; %s", kind.name, verdict, h.faults())
				}
			}
		})
	}
	wg.Wait()
	return all
}

// pass lets time go by.
func (h *host) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-h.Done:
	}
}

// noiseFigures are what a run of all noise came to.
type noiseFigures struct {
	plan       string // of the attackers; empty for none
	time       time.Duration
	idle, took []time.Duration
	verdicts   map[string]map[string]int
	memory     memoryFigures
}

// noiseMeasured is for docs/attack.md.
var noiseMeasured []*noiseFigures

// who says who makes the noise.
func (n *noiseFigures) who() string {
	if n.plan == "" {
		return "without quotas"
	}
	return "of the plan " + n.plan
}

func (n *noiseFigures) summary() string {
	round := func(list []time.Duration, p float64) time.Duration {
		return quantile(list, p).Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("the victim's %d answers beside all noise: p50 %v, p99 %v; alone: p50 %v, p99 %v", len(n.took), round(n.took, 0.5), round(n.took, 0.99), round(n.idle, 0.5), round(n.idle, 0.99))
}

// falls returns what has missed its budget.
func (n *noiseFigures) falls() (list []string) {
	p99, idle := quantile(n.took, 0.99), quantile(n.idle, 0.99)
	if p99 > budgetTimes*idle || p99 > budgetVictim {
		list = append(list, fmt.Sprintf("Beside all noise at once, "+n.who()+", the victim's p99 is %v, %.1f times that of idle; the budget is %v and %d times", p99.Round(100*time.Microsecond), float64(p99)/float64(max(1, idle)), budgetVictim, budgetTimes))
	}
	if more := n.memory.after - n.memory.before; more > budgetRSS {
		list = append(list, fmt.Sprintf("After all noise at once, %s, the host holds %d MiB more than before; the budget is %d", n.who(), more>>20, budgetRSS>>20))
	}
	return list
}

// write adds the run to the page.
func (n *noiseFigures) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Everything at once, %s\n\nSixteen attackers of one namespace %s for %v, while the victim is called 20 times a second: %s. The host's own memory, behind 256 MB of writes, %d MiB before, %d MiB %v after.\n\n| noise | verdicts |\n|---|---|\n",
		n.who(), n.who(), n.time, n.summary(), n.memory.before>>20, n.memory.after>>20, n.memory.took)
	for _, name := range slices.Sorted(maps.Keys(n.verdicts)) {
		var list []string
		for _, v := range slices.Sorted(maps.Keys(n.verdicts[name])) {
			list = append(list, fmt.Sprintf("%d × %s", n.verdicts[name][v], v))
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.Join(list, ", "))
	}
}
