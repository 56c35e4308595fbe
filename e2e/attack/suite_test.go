package attack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// attackers is how many attacks of a row run at one time.
const attackers = 4

var moduleNumber atomic.Int64

// outcome is one verdict of the host.
type outcome struct {
	row     int // of the threat table
	verdict string
	wrong   string // empty means that it is as wanted
}

// launch does one attack.
func (h *host) launch(a *attack) (list []outcome) {
	add := func(row int, got answer, wrong string) {
		if wrong != "" {
			wrong = fmt.Sprintf("row %d, %s: %s", row, a.name, wrong)
		}
		list = append(list, outcome{row, got.verdict(), wrong})
	}
	module := fmt.Sprintf("m%d", moduleNumber.Add(1))
	wait := patience
	if a.burns {
		wait = 0 // beside others of its kind it may be told to come again for as long as it does
	}
	got := h.within(wait, "PUT", "/modules/"+module, h.attacker, a.wasm())
	switch {
	case a.fits(got):
		add(a.row, got, "")
	default:
		add(a.row, got, fmt.Sprintf("upload: got %s, want %s", got, a.upload))
	}
	if got.status != 201 && got.status != 200 {
		return list
	}
	for i := range a.calls {
		c := &a.calls[i]
		if c.long && !*long {
			continue
		}
		row := a.row
		if c.row > 0 {
			row = c.row
		}
		got, wrong := h.one(module, i, c, a.again)
		if wrong != "" {
			wrong = c.title() + ": " + wrong
		}
		add(row, got, wrong)
	}
	if d := h.must("DELETE", "/modules/"+module, h.attacker, nil); d.status != 200 {
		add(a.row, d, "delete: "+d.String())
	}
	return list
}

func (c *call) title() string {
	if c.name != "" {
		return c.name
	}
	return c.action
}

// one makes an actor, calls it, calls again if that is not empty, and destroys it. It returns the answer
// to the attack and what was not as wanted.
func (h *host) one(module string, i int, c *call, again string) (got answer, wrong string) {
	name := c.actor
	if name == "" {
		name = module
	}
	id, got := h.actor(h.attacker, name, fmt.Sprintf("%s-%d", module, i), c.input)
	want := c.create
	if want == "" {
		want = fine
	}
	if id != "" {
		defer h.must("DELETE", "/actors/"+id, h.attacker, nil)
	}
	if !matches(want, got) {
		return got, fmt.Sprintf("creation: got %s, want %s", got, want)
	}
	if c.action == "" || id == "" {
		return got, ""
	}
	for range max(1, c.times) {
		if got = h.call(h.attacker, id, c.action); !matches(c.want, got) {
			return got, fmt.Sprintf("got %s, want %s", got, c.want)
		}
	}
	if again == "" {
		return got, ""
	}
	if next := h.call(h.attacker, id, again); !matches(fine, next) {
		return got, fmt.Sprintf("the call after it: got %s, want %s", next, fine)
	}
	return got, ""
}

// TestAttack sends the corpus, row by row, and looks at the host after each.
func TestAttack(t *testing.T) {
	h := startHost(t)
	v := h.watch()
	h.warm()
	before := h.settled()
	rows := map[int][]*attack{}
	list := corpus()
	for i := range list {
		if !list[i].long || *long {
			rows[list[i].row] = append(rows[list[i].row], &list[i])
		}
	}
	row := func(name string, f func(t *testing.T) []outcome) {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			got := f(t)
			h.alive(t)
			v.check(t)
			h.givenBack(t, before)
			h.count(t, got)
			t.Logf("%d verdicts in %v, %d MiB", len(got), time.Since(began).Round(time.Millisecond), h.holds().RSS()>>20)
		})
		h.alive(t)
	}
	for _, n := range slices.Sorted(maps.Keys(rows)) {
		row(fmt.Sprintf("row %d", n), func(*testing.T) []outcome { return h.volley(rows[n], attackers) })
	}
	row("requests", h.requests)
	row("logs", func(t *testing.T) []outcome { return []outcome{h.logsAreBounded(t, bombNamed("loop of logs"))} })
	row("sixteen uploads", func(*testing.T) []outcome { return h.volley(storm(), 16) })
	row("sixteen equal uploads", h.equalUploads)
	row("sixteen actors", h.sixteenActors)
	t.Run("memory", func(t *testing.T) { h.memoryBack(t, before) })
	t.Run("count", func(t *testing.T) {
		if n := verdicts.sum(); n < 200 {
			t.Errorf("only %d verdicts", n)
		} else {
			t.Logf("%d attacks, %d verdicts", len(list), n)
		}
	})
	if *long {
		h.measure(t, v)
	}
}

// count keeps verdicts for the table, and tells the wrong ones.
func (h *host) count(t *testing.T, list []outcome) {
	t.Helper()
	ours := false
	for _, o := range list {
		if o.wrong != "" {
			t.Error(o.wrong)
			missed++
		} else {
			verdicts.add(o.row, o.verdict)
		}
		ours = ours || strings.HasPrefix(o.verdict, "500")
	}
	if ours {
		t.Logf("the host's own words: %s", h.faults())
	}
}

// volley runs attacks, n at a time.
func (h *host) volley(list []*attack, n int) (all []outcome) {
	var mu sync.Mutex // guards all
	var wg sync.WaitGroup
	next := make(chan *attack)
	for range n {
		wg.Go(func() {
			for a := range next {
				got := h.launch(a)
				mu.Lock()
				all = append(all, got...)
				mu.Unlock()
			}
		})
	}
	for _, a := range list {
		if h.Ended() {
			break
		}
		next <- a
	}
	close(next)
	wg.Wait()
	return all
}

// warm lets the host do each kind of thing once, so that what it keeps for good is there.
func (h *host) warm() {
	h.t.Helper()
	a := attack{name: "warm", wasm: plain(nil), upload: taken, calls: []call{{action: "go", want: fine}}}
	for _, o := range h.launch(&a) {
		if o.wrong != "" {
			h.t.Fatalf("a harmless module: %s", o.wrong)
		}
	}
}

// storm returns some of everything that is not slow, for sixteen attackers.
func storm() (some []*attack) {
	var list []attack
	for _, a := range corpus() {
		if !a.long && !a.burns && len(a.calls) == 0 {
			list = append(list, a)
		}
	}
	for i := 0; i < len(list); i += max(1, len(list)/32) {
		some = append(some, &list[i])
	}
	return some
}

// equalUploads sends the same bytes sixteen times at once: each gets the verdict of its own, though one
// preparation serves them all.
func (h *host) equalUploads(*testing.T) (all []outcome) {
	for _, a := range []attack{
		{row: 13, name: "a start function that traps, sixteen times", upload: invalid, wasm: plain(func(m *wt.Module) { m.Start(m.Func(nil, nil, nil, wt.Code{wt.Unreachable})) })},
		{row: 13, name: "a start function that is refused a call, sixteen times", upload: invalid, wasm: plain(func(m *wt.Module) { m.Start(bombFunc("Extism block of 2^63 bytes")(newGround(m))) })},
		{row: 23, name: "a manifest with an unknown field, sixteen times", upload: invalid + "; root", wasm: sdkModule(`{"abi":1,"codec":"json","root":true,"actors":{"a":{}}}`, nil)},
		{row: 11, name: "no module, sixteen times", upload: malformed, wasm: bytesOf([]byte("no module"))},
		{row: 13, name: "a harmless module, sixteen times", upload: taken, wasm: plain(func(m *wt.Module) { m.Func(nil, nil, nil, nil) })},
	} {
		list := make([]*attack, 16)
		for i := range list {
			list[i] = &a
		}
		all = append(all, h.volley(list, 16)...)
	}
	return all
}

// sixteenActors lets sixteen actors of a module go wrong at once, in the same way.
func (h *host) sixteenActors(*testing.T) (all []outcome) {
	names := []string{"recursion", "unreachable", "load outside the memory", "loop of kv_put", "loop of Extism blocks", "memory.grow to the limit, all written"}
	if *long {
		names = append(names, "call tree of 2^44", "loop of memory.fill")
	}
	a := actionAttacks()[0]
	module := fmt.Sprintf("m%d", moduleNumber.Add(1))
	if got := h.upload(h.attacker, module, a.wasm()); !matches(taken, got) {
		return []outcome{{row: 1, wrong: "upload: " + got.String()}}
	}
	var mu sync.Mutex // guards all
	for _, name := range names {
		action := bombNamed(name)
		b := bombs()[bombIndex(name)]
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				got, wrong := h.one(module, i, &call{action: action, want: b.want, input: `" "`}, "ok")
				if wrong != "" {
					wrong = fmt.Sprintf("sixteen at once, %s: %s", name, wrong)
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, outcome{b.row, got.verdict(), wrong})
			})
		}
		wg.Wait()
	}
	h.must("DELETE", "/modules/"+module, h.attacker, nil)
	return all
}
