package endure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// churn is a mixed load at a steady rate: things that come and go in several namespaces.
type churn struct {
	h       *host
	outside *httptest.Server // that guests fetch from
	tenants []*tenant
	serial  atomic.Int64
	tally   tally
}

// tenant is a namespace and who acts in it.
type tenant struct {
	name  string
	admin *client.Client
}

// chore is one thing that the load does, as often as its weight says.
type chore struct {
	name   string
	weight int
	do     func(ctx context.Context, c *churn, t *tenant, r *rand.Rand) error
}

// The load writes and overwrites in a fixed number of actors; all others are destroyed again.
const (
	spaces = 3  // namespaces
	stable = 64 // actors of each that stay
)

var chores = []chore{
	{"call", 30, callStable},
	{"overwrite", 14, overwrite},
	{"large value", 1, overwriteLarge},
	{"broadcast", 8, broadcast},
	{"schedule", 5, scheduleSoon},
	{"queue", 6, queueSend},
	{"send", 6, sendBetween},
	{"task", 3, startTasks},
	{"fetch", 2, startFetch},
	{"sleep", 6, fallAsleep},
	{"short life", 8, shortLife},
	{"connection", 3, shortConnection},
	{"raw socket", 2, shortSocket},
	{"raw request", 2, rawRequest},
	{"trap", 1, trapped},
	{"wrong token", 2, wrongToken},
	{"nobody there", 2, nobodyThere},
	{"gave up", 3, givesUp},
}

// openChurn makes namespaces and modules on a host that runs.
func openChurn(t testing.TB, h *host) *churn {
	t.Helper()
	c := &churn{h: h, outside: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "from outside")
	}))}
	t.Cleanup(c.outside.Close)
	h.Args = append(h.Args, "--egress-allow-loopback", strings.TrimPrefix(c.outside.URL, "http://"))
	h.Start()
	operator := h.client(h.Token("operator", ""))
	guest := actorstest.Guest(t, actorstest.ScriptGuest)
	for i := range spaces {
		name := fmt.Sprint("tenant", i)
		one := &tenant{name: name, admin: h.client(h.Token("admin", name))}
		for _, r := range []client.Request{
			{Method: "POST", Path: "/namespaces", Body: fmt.Appendf(nil, `{"name":%q}`, name)},
			{Method: "PUT", Path: "/modules/script", Query: inSpace(name), ContentType: "application/wasm", Body: guest},
			{Method: "PATCH", Path: "/modules/script", Query: inSpace(name), Body: fmt.Appendf(nil, `{"grants":{"egress":[%q]}}`, c.outside.URL)},
		} {
			if err := ask(t.Context(), operator, r); err != nil {
				t.Fatalf("%s %s: %v", r.Method, r.Path, err)
			}
		}
		c.tenants = append(c.tenants, one)
		for k := range stable {
			equip(t, one, k)
		}
	}
	return c
}

func inSpace(name string) map[string][]string { return map[string][]string{"namespace": {name}} }

// equip tells a stable actor what to do with messages, outcomes and sockets. It keeps no account of them.
func equip(t testing.TB, one *tenant, k int) {
	t.Helper()
	forget := step("kv_delete_range", "seen/", "seen0")
	var steps []actorstest.Step
	for kind, then := range map[abi.Kind]actorstest.Step{
		abi.KindQueue: step("kv_put", "queued", "$ARGS"), abi.KindTask: step("kv_put", "outcome", "$CONTEXT"),
		abi.KindRequest: step("return", `pong`), abi.KindMessage: step("socket_send", "$CONN", "pong", 1),
		abi.KindOpen: step("now"), abi.KindClose: step("now"), abi.KindConnect: step("now"), abi.KindDisconnect: step("now"), abi.KindWake: step("now"), abi.KindSleep: step("now"),
	} {
		steps = append(steps, step("kv_put", fmt.Sprintf("on/%d", kind), actorstest.Script(forget, then)))
	}
	if err := do(t.Context(), one.stable(k), steps...); err != nil {
		t.Fatal(err)
	}
}

func step(op string, args ...any) actorstest.Step { return actorstest.S(op, args...) }

// stable addresses an actor that stays. It has every hook.
func (t *tenant) stable(k int) *client.Handle {
	return t.admin.GetOrCreate("hooked", fmt.Sprint(k%stable))
}

func target(k int) abi.Target {
	return abi.Target{Name: "hooked", Key: []string{fmt.Sprint(k % stable)}}
}

// do runs a script, none of whose steps may fail.
func do(ctx context.Context, to client.Caller, steps ...actorstest.Step) error {
	out, err := client.Call[[]actorstest.Outcome](ctx, to, "do", steps)
	for i, o := range out {
		if o.Error != "" {
			return fmt.Errorf("step %s: %d %s", steps[i].Op, o.N, o.Error)
		}
	}
	return err
}

// tally counts what the load did, how long calls took, and what went wrong.
type tally struct {
	mu    sync.Mutex // guards the fields below
	took  []time.Duration
	done  map[string]int
	wrong []string
}

func (y *tally) add(chore string, took time.Duration, timed bool, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.done == nil {
		y.done = map[string]int{}
	}
	y.done[chore]++
	if timed {
		y.took = append(y.took, took)
	}
	if err != nil && len(y.wrong) < 50 {
		y.wrong = append(y.wrong, fmt.Sprintf("%s %s: %v", time.Now().UTC().Format(time.TimeOnly), chore, err))
	}
}

// lap returns the times since the last lap, ascending.
func (y *tally) lap() []time.Duration {
	y.mu.Lock()
	defer y.mu.Unlock()
	took := y.took
	y.took = nil
	slices.Sort(took)
	return took
}

func (y *tally) faults() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.Clone(y.wrong)
}

// workers is how many chores may be under way at one time. What a slow moment leaves undone is not made up for.
const workers = 24

// run does chores at a rate, in chores a second, until ctx ends, and waits for those under way.
func (c *churn) run(ctx context.Context, rate float64, seed int64) {
	turn := make(chan int)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { // ends with the channel
			r := rand.New(rand.NewSource(seed + int64(w)))
			for range turn {
				c.one(r)
			}
		})
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-tick.C:
			select {
			case turn <- n:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
	}
	close(turn)
	wg.Wait()
}

// one does one chore, to its end.
func (c *churn) one(r *rand.Rand) {
	k := drawChore(r)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	t := c.tenants[r.Intn(len(c.tenants))]
	began := time.Now()
	err := k.do(ctx, c, t, r)
	c.tally.add(k.name, time.Since(began), k.name == "call", err)
}

func drawChore(r *rand.Rand) chore {
	total := 0
	for _, k := range chores {
		total += k.weight
	}
	n := r.Intn(total)
	for _, k := range chores {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("not reached")
}

// refused returns nil if err is the refusal that was wanted, by its name.
func refused(err error, names ...string) error {
	for _, name := range names {
		if client.Is(err, name) {
			return nil
		}
	}
	if err == nil {
		return errors.New("it is not refused")
	}
	return err
}

// ask sends a request to the host whose answer does not matter, if it is a good one.
func ask(ctx context.Context, c *client.Client, r client.Request) error {
	resp, err := c.Open(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
