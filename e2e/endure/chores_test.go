package endure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// What the load does. Each chore leaves nothing behind that was not there before, but newer values.

func callStable(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(stable)), step("kv_put", "last", fmt.Sprint(r.Int63())), step("state_set", fmt.Sprint(r.Int63())), step("kv_get", "last"))
}

// overwrite replaces values of some KiB that no compression makes smaller.
func overwrite(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(stable)), step("kv_put", fmt.Sprint("item/", r.Intn(32)), noise(r, 4<<10)))
}

// overwriteLarge replaces a value that the store keeps in chunks.
func overwriteLarge(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(8)), step("kv_put", "large", noise(r, 700<<10)))
}

const letters = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

func noise(r *rand.Rand, n int) string {
	b := make([]byte, n)
	r.Read(b)
	for i := range b {
		b[i] = letters[b[i]%64]
	}
	return string(b)
}

func broadcast(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(8)), step("broadcast", "news", `["x"]`))
}

func scheduleSoon(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	s := abi.Schedule{Action: "do", After: 1 + r.Int63n(5000)}
	return do(ctx, t.stable(r.Intn(stable)), step("schedule_set", s, [][]actorstest.Step{{step("kv_put", "ran", "x")}}))
}

func queueSend(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	if r.Intn(2) == 0 {
		return t.stable(r.Intn(stable)).Send(ctx, "jobs", "x")
	}
	return do(ctx, t.stable(r.Intn(stable)), step("queue_send", target(r.Intn(stable)), "jobs", `"x"`))
}

func sendBetween(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	put := [][]actorstest.Step{{step("kv_put", "sent", fmt.Sprint(r.Int63()))}}
	return do(ctx, t.stable(r.Intn(stable)), step("send", target(r.Intn(stable)), "do", put), step("send", target(r.Intn(stable)), "do", put))
}

func startTasks(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(stable)), step("task_timer", r.Intn(3000), "timer"), step("task_call", target(r.Intn(stable)), "nop", "[]", "call"))
}

func startFetch(ctx context.Context, c *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(stable)), step("task_fetch", abi.FetchRequest{URL: c.outside.URL}, "", "fetch"))
}

func fallAsleep(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return do(ctx, t.stable(r.Intn(stable)), step("sleep"))
}

// shortLife makes an actor, uses it, and destroys it.
func shortLife(ctx context.Context, c *churn, t *tenant, r *rand.Rand) error {
	a := t.admin.GetOrCreate("script", "short", fmt.Sprint(c.serial.Add(1)))
	id, err := a.Resolve(ctx)
	if err != nil {
		return err
	}
	after := abi.Schedule{Action: "nop", After: 60_000}
	if err := do(ctx, a, step("kv_put", "k", noise(r, 500)), step("state_set", noise(r, 500)), step("schedule_set", after, "[]")); err != nil {
		return err
	}
	return ask(ctx, t.admin, client.Request{Method: "DELETE", Path: "/actors/" + id})
}

// shortConnection connects, hears one event, calls, and leaves.
func shortConnection(ctx context.Context, c *churn, t *tenant, r *rand.Rand) error {
	conn, err := t.stable(r.Intn(8)).Connect(ctx, client.ConnOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	heard := make(chan struct{}, 1)
	conn.On("news", func(client.Event) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	if err := do(ctx, conn, step("kv_put", "visit", "x"), step("broadcast", "news", `["x"]`)); err != nil {
		return err
	}
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return errors.New("it heard nothing")
	}
}

func shortSocket(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	s, err := t.stable(r.Intn(stable)).Dial(ctx, "/")
	if err != nil {
		return err
	}
	defer s.Close(1000, "")
	if err := s.Write(ctx, client.Frame{Text: true, Data: []byte("ping")}); err != nil {
		return err
	}
	f, err := s.Read(ctx)
	if err == nil && string(f.Data) != "pong" {
		err = fmt.Errorf("it says %q", f.Data)
	}
	return err
}

func rawRequest(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	req, err := http.NewRequestWithContext(ctx, "POST", "http://actor/path", strings.NewReader("body"))
	if err != nil {
		return err
	}
	resp, err := t.stable(r.Intn(stable)).RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "pong" {
		return fmt.Errorf("answered %d %.200q, %v", resp.StatusCode, b, err)
	}
	return nil
}

func trapped(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return refused(do(ctx, t.stable(r.Intn(stable)), step("kv_put", "never", "x"), step("trap")), "actor/trapped")
}

func wrongToken(ctx context.Context, c *churn, _ *tenant, r *rand.Rand) error {
	stranger, err := client.New(c.h.URL, client.Options{Token: "no.such." + noise(r, 40), HTTP: c.h.http})
	if err != nil {
		return err
	}
	return refused(ask(ctx, stranger, client.Request{Path: "/modules"}), "auth/unauthenticated")
}

func nobodyThere(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	return refused(client.Do(ctx, t.admin.Get("script", "nobody", fmt.Sprint(r.Int63())), "nop"), "actor/not_found")
}

// givesUp is a client that does not wait for its answer.
func givesUp(ctx context.Context, _ *churn, t *tenant, r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.Intn(4000))*time.Microsecond)
	defer cancel()
	err := do(ctx, t.stable(r.Intn(stable)), step("pause", 2), step("kv_put", "gave up", noise(r, 100)))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// uploads has modules come and go, one after the other, until ctx ends: each with an actor, a second version and
// its end. One in twenty is a Go program, whose code and image are large. every is from one to the next.
func (c *churn) uploads(ctx context.Context, every time.Duration, small, large []byte) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		began, guest := time.Now(), small
		if n%20 == 19 {
			guest = large
		}
		err := c.oneModule(n, guest)
		c.tally.add("module", time.Since(began), false, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// oneModule uploads two versions of a module that nobody has had before, uses them, and deletes it.
func (c *churn) oneModule(n int, guest []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	t := c.tenants[n%len(c.tenants)]
	name := fmt.Sprint("brief", n)
	var id string
	for v := range 2 {
		wasm := append(bytes.Clone(guest), 0, 9, 1, 'v', byte(v), byte(n), byte(n>>8), byte(n>>16), 0, 0, 0)
		r := client.Request{Method: "PUT", Path: "/modules/" + name, ContentType: "application/wasm", Body: wasm}
		if err := ask(ctx, t.admin, r); err != nil {
			return fmt.Errorf("upload: %w", err)
		}
		actor, action := name, "count" // of a plain module, which gives its name to its actors
		if len(guest) > 1<<20 {
			actor, action = "counter", "get"
		}
		a := t.admin.GetOrCreate(actor, "k")
		if err := client.Do(ctx, a, action); err != nil {
			return fmt.Errorf("call: %w", err)
		}
		var err error
		if id, err = a.Resolve(ctx); err != nil {
			return err
		}
	}
	for _, path := range []string{"/actors/" + id, "/modules/" + name} {
		if err := ask(ctx, t.admin, client.Request{Method: "DELETE", Path: path}); err != nil {
			return fmt.Errorf("DELETE %s: %w", path, err)
		}
	}
	return nil
}
