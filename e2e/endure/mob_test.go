package endure

import (
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// mob is the clients of a host that is killed again and again.
type mob struct {
	t        testing.TB
	h        *host
	outside  *httptest.Server // that guests fetch from
	client   *client.Client   // of the process that runs now
	ledger   *ledger
	release  *releases
	ledgers  []*ledger                        // of all rounds
	patience time.Duration                    // until what is not there is taken for lost
	ending   atomic.Bool                      // the process is about to go, and who asks may get no answer
	refused  func(format string, args ...any) // takes an answer that a whole host would not give; fails the test

	mu    sync.Mutex // guards conns
	conns []linked
}

type linked struct {
	*client.Conn
	actor string
}

// openMob starts a host with the members and their equipment.
func openMob(t testing.TB, h *host) *mob {
	t.Helper()
	m := &mob{t: t, h: h, patience: time.Minute, refused: t.Errorf, outside: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "from outside")
	}))}
	t.Cleanup(m.outside.Close)
	h.Args = append(h.Args, "--egress-allow-loopback", strings.TrimPrefix(m.outside.URL, "http://"))
	h.Start()
	m.meet()
	for _, r := range []client.Request{
		{Method: "PUT", Path: "/modules/script", ContentType: "application/wasm", Body: actorstest.Guest(t, actorstest.ScriptGuest)},
		{Method: "PATCH", Path: "/modules/script", Body: fmt.Appendf(nil, `{"grants":{"egress":[%q]}}`, m.outside.URL)},
	} {
		if err := ask(t.Context(), m.client, r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range members {
		m.equip(fmt.Sprint("member", i))
	}
	return m
}

// equip tells a member what to do in turns that no client asks for, and gives it a schedule that comes again and again.
func (m *mob) equip(actor string) {
	m.t.Helper()
	forget := step("kv_delete_range", "seen/", "seen0") // of what the guest notes by itself
	on := func(kind abi.Kind, steps ...actorstest.Step) actorstest.Step {
		return step("kv_put", fmt.Sprintf("on/%d", kind), actorstest.Script(append(steps, forget)...))
	}
	steps := []actorstest.Step{
		on(abi.KindQueue, step("append", queued, "$ARGS")), on(abi.KindTask, step("append", tasked, "$CONTEXT")),
		on(abi.KindRequest, step("append", "raw", "$ARGS"), forget, step("return", "ok")),
		step("schedule_set", abi.Schedule{Name: "tick", Action: "do", Every: abi.MinInterval}, [][]actorstest.Step{{step("turn"), step("append", "ticks", "$LAST")}}),
	}
	if _, err := m.call(m.t.Context(), m.member(actor), steps); err != nil {
		m.t.Fatal(err)
	}
}

// meet makes a client for the process that runs now.
func (m *mob) meet() { m.client = m.h.client(m.h.Token("admin", "default")) }

func (m *mob) member(actor string) *client.Handle { return m.client.GetOrCreate("hooked", actor) }

// handle addresses the actor of a place.
func (m *mob) handle(actor string) *client.Handle {
	if strings.HasPrefix(actor, "new ") {
		return m.client.Get("script", actor)
	}
	return m.client.Get("hooked", actor)
}

// link opens connections that hear what members broadcast.
func (m *mob) link(ctx context.Context) {
	l := m.ledger
	for i := range 4 {
		actor := fmt.Sprint("member", i%members)
		c, err := m.member(actor).Connect(ctx, client.ConnOptions{})
		if err != nil {
			m.t.Fatalf("connect: %v", err)
		}
		c.On("word", func(e client.Event) {
			var word string
			if err := e.Decode(&word); err != nil {
				m.t.Error(err)
			}
			if strings.HasPrefix(word, fmt.Sprint(l.round, "-")) {
				l.hear(word, place{actor, l.item("log")})
			}
		})
		m.conns = append(m.conns, linked{c, actor})
	}
}

func (m *mob) unlink() {
	m.mu.Lock()
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// connection returns one that is open, and whose actor it is to.
func (m *mob) connection(r *rand.Rand) (*client.Conn, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.conns) == 0 {
		return nil, ""
	}
	c := m.conns[r.Intn(len(m.conns))]
	return c.Conn, c.actor
}

// mobSize is how many clients ask at one time.
const mobSize = 12

// riot has clients ask for deeds until the process goes, and returns when none of them waits any more.
func (m *mob) riot(ctx context.Context, seed int64) (wait func()) {
	var wg sync.WaitGroup
	for i := range mobSize {
		wg.Go(func() {
			r := rand.New(rand.NewSource(seed + int64(i)))
			for m.one(ctx, r) {
			}
		})
	}
	wg.Go(func() { m.release.run(ctx, m) })
	return wg.Wait
}

// one asks for one deed. It reports whether to go on: a refusal while the process goes is the end.
func (m *mob) one(ctx context.Context, r *rand.Rand) bool {
	total := 0
	for _, a := range acts {
		total += a.weight
	}
	n := r.Intn(total)
	for _, a := range acts {
		if n -= a.weight; n >= 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		err := a.do(m, ctx, r)
		if err != nil && !m.ending.Load() {
			m.refused("%s: %v", a.name, err)
		}
		return err == nil && ctx.Err() == nil
	}
	panic("not reached")
}
