package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/client"
	"github.com/vivarium-run/vivarium/tenants"
)

// input is what kitchens are made with.
type input struct {
	Start int    `json:"start"`
	List  []any  `json:"list"`
	Name  string `json:"name"`
}

func TestHandles(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx, key := within(t), newKey()
		if err := client.Do(ctx, c.Get("kitchen", key), "get"); !client.Is(err, "actor/not_found") {
			t.Errorf("an actor that is not there: %v", err)
		}
		if _, err := c.Get("kitchen", key).Resolve(ctx); !client.Is(err, "actor/not_found") {
			t.Errorf("resolve an actor that is not there: %v", err)
		}
		if n, err := client.Call[int](ctx, c.GetOrCreate("kitchen", key), "inc", 2); n != 2 || err != nil {
			t.Fatalf("inc(2) is %d, %v", n, err)
		}
		id := must[string](t)(c.Get("kitchen", key).Resolve(ctx))
		if again := must[string](t)(c.GetOrCreate("kitchen", key).Resolve(ctx)); again != id {
			t.Errorf("the ids are %s and %s", id, again)
		}
		if n, err := client.Call[int](ctx, c.ByID(id), "get"); n != 2 || err != nil {
			t.Errorf("get by id is %d, %v", n, err)
		}

		want := input{5, []any{nil, true, "ü"}, "<&>"}
		made, err := c.Create(ctx, want, "kitchen", key+"made")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := client.Call[input](ctx, made, "input"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("the input is %+v, %v", got, err)
		}
		var e *client.Error
		if _, err := c.Create(ctx, nil, "kitchen", key+"made"); !errors.As(err, &e) || !client.Is(err, "actor/duplicate_key") || e.Status != http.StatusConflict || !strings.Contains(string(e.Metadata), "existing_actor_id") || e.RequestID == "" {
			t.Errorf("made twice: %+v", err)
		}
		want.Name = strings.Repeat("n", 10_000) // too long for a URL
		for _, in := range []input{{}, want} {
			h := c.GetOrCreate("kitchen", newKey()).WithInput(in)
			if got, err := client.Call[input](ctx, h, "input"); err != nil || !reflect.DeepEqual(got, in) {
				t.Errorf("the input is %.100v, %v", got, err)
			}
		}
	})
}

// Every key is one actor, whichever way it goes: also those that the gateway's form cannot say.
func TestKeys(t *testing.T) {
	c := newClient(t, client.Options{})
	ctx, salt := within(t), newKey()
	seen := map[string][]string{}
	for _, key := range [][]string{{}, {""}, {"", ""}, {salt, "a/b", `c\d`}, {salt, "ü", " "}, {salt + "a,b"}, {salt + "a", "b"}, {salt + "x", "y"}, {salt + "x/y"}, {salt + "@t"}, {salt + "?&=#%"}, {salt + "."}} {
		h := c.GetOrCreate("kitchen", key...)
		id := must[string](t)(h.Resolve(ctx))
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q are one actor", key, other)
		}
		seen[id] = key
		before := must[int](t)(client.Call[int](ctx, c.ByID(id), "get"))
		if n, err := client.Call[int](ctx, h, "inc", 1); n != before+1 || err != nil {
			t.Errorf("%q: its own id has %d, it has %d, %v", key, before, n, err)
		}
		canonical := must[tenants.Key](t)(tenants.NewKey(key...))
		var list struct {
			Actors []struct {
				Key tenants.Key
			}
		}
		if err := c.Fetch(ctx, client.Request{Path: "/actors", Query: map[string][]string{"actor_ids": {id}}}, &list); err != nil || len(list.Actors) != 1 || list.Actors[0].Key != canonical {
			t.Errorf("%q is %+v on the host, %v, want %s", key, list, err, canonical)
		}
	}
}

// What may come from a stranger names nothing else than it says.
func TestNamesOfStrangers(t *testing.T) {
	c := newClient(t, client.Options{})
	ctx := within(t)
	id := must[string](t)(c.GetOrCreate("kitchen", newKey()).Resolve(ctx))
	for name, h := range map[string]*client.Handle{
		"a token in an id": c.ByID(id + "@" + token), "a path in an id": c.ByID(id + "/action/get?"), "a query in an id": c.ByID(id + "?rvt-method=get"),
		"a name with a token": c.GetOrCreate("kitchen@x"), "dots": c.ByID(".."), "nothing": c.ByID(""), "no name": c.Get(""), "a path": c.ByID("../actors/" + id),
	} {
		if out, err := client.Call[client.Raw](ctx, h, "get"); err == nil {
			t.Errorf("%s: answered %s", name, out)
		}
	}
	for _, action := range []string{"..", ".", "", "../../../metadata", "get/../inc", "get?x", "nested.a.b/"} {
		if out, err := client.Call[client.Raw](ctx, c.ByID(id), action, 1); err == nil {
			t.Errorf("the action %q answered %s", action, out)
		}
	}
	if n := must[int](t)(client.Call[int](ctx, c.ByID(id), "get")); n != 0 {
		t.Errorf("one of them counted: %d", n)
	}
}

func TestValues(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx := within(t)
		h := c.GetOrCreate("kitchen", newKey())
		conn := must[*client.Conn](t)(h.Connect(ctx, client.ConnOptions{}))
		defer conn.Close()
		for _, to := range []client.Caller{h, conn} {
			for _, v := range []any{
				nil, true, 0.0, -1.0, 1.5, 1e300, float64(1 << 52), "", "ü\n\U0001f600<&>", []any{}, map[string]any{}, []any{[]any{"deep"}},
				map[string]any{"a": map[string]any{"b": []any{1.0, nil}}}, []any{"$x", 1.0}, []any{"$$x", 1.0}, []any{"$", "$$"}, []any{"$x", 1.0, 2.0},
			} {
				if got, err := client.Call[any](ctx, to, "echo", v); err != nil || !reflect.DeepEqual(got, v) {
					t.Errorf("%v came back as %v, %v", v, got, err)
				}
			}
			binary := []byte{9, 0, 255}
			if got, err := client.Call[[]byte](ctx, to, "echo", client.Bytes(binary)); err != nil || string(got) != string(binary) {
				t.Errorf("bytes came back as %q, %v", got, err)
			}
			if got, err := client.Call[[]byte](ctx, to, "echo", binary); err != nil || string(got) != string(binary) {
				t.Errorf("bytes as text came back as %q, %v", got, err)
			}
			large := new(big.Int).Lsh(big.NewInt(-7), 70)
			if got, err := client.Call[*big.Int](ctx, to, "echo", client.Raw(`["$BigInt","`+large.String()+`"]`)); err != nil || got.Cmp(large) != 0 {
				t.Errorf("a bigint came back as %v, %v", got, err)
			}
			if got, err := client.Call[client.Raw](ctx, to, "echo", client.Raw(`{"a":["$BigInt","5"]}`)); err != nil || string(got) != `{"a":["$BigInt","5"]}` {
				t.Errorf("a raw value came back as %s, %v", got, err)
			}
			if got, err := client.Call[*int](ctx, to, "nothing"); err != nil || got != nil {
				t.Errorf("nothing is %v, %v", got, err)
			}
			if got, err := client.Call[client.Raw](ctx, to, "nothing"); err != nil || len(got) != 0 {
				t.Errorf("nothing is %s, %v", got, err)
			}
			if got, err := client.Call[int](ctx, to, "echo", "text"); err == nil || !strings.Contains(err.Error(), "decode the result of echo") {
				t.Errorf("text as a number is %d, %v", got, err)
			}
			const odd = 1<<53 + 1
			got, err := client.Call[int64](ctx, to, "echo", odd)
			if isJSON := encodingOf(t) == "json"; isJSON && (got != odd || err != nil) || !isJSON && (err == nil || !strings.Contains(err.Error(), "beyond 2^53")) {
				t.Errorf("2^53+1 came back as %d, %v", got, err)
			}
			if err := client.Do(ctx, to, "echo", func() {}); err == nil || !strings.Contains(err.Error(), "encode the arguments") {
				t.Errorf("a function: %v", err)
			}
			deep := client.Raw(strings.Repeat("[", 600) + strings.Repeat("]", 600))
			if err := client.Do(ctx, to, "echo", deep); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
				t.Errorf("nested 600 deep: %v", err)
			}
		}
		script := c.GetOrCreate("script", newKey())
		for _, args := range [][]any{{"$AAPL", 2.0}, {"$$x", 1.0, "$"}, {}} {
			if got, err := client.Call[[]any](ctx, script, "echo", args...); err != nil || len(got) != len(args) || len(args) > 0 && !reflect.DeepEqual(got, args) {
				t.Errorf("the arguments %v arrived as %v, %v", args, got, err)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx := within(t)
		h := c.GetOrCreate("kitchen", newKey())
		conn := must[*client.Conn](t)(h.Connect(ctx, client.ConnOptions{}))
		defer conn.Close()
		for _, to := range []client.Caller{h, conn} {
			var e *client.Error
			err := client.Do(ctx, to, "fail")
			if !errors.As(err, &e) || e.Group != "user" || e.Code != "bad_name" || e.Message != "bad name" || string(e.Metadata) != `{"min":3}` {
				t.Errorf("a user error is %+v", err)
			}
			if err := client.Do(ctx, to, "boom"); !client.Is(err, "rivetkit/internal_error") || strings.Contains(err.Error(), "secret") {
				t.Errorf("a hidden error is %v", err)
			}
			if err := client.Do(ctx, to, "nobody"); !client.Is(err, "actor/action_not_found") {
				t.Errorf("an action that is not there: %v", err)
			}
			if err := client.Do(ctx, to, "inc", "x"); !client.Is(err, "user/invalid_arguments") {
				t.Errorf("a wrong argument: %v", err)
			}
			if err := client.Do(ctx, h, "echo", strings.Repeat("x", 1<<20)); !client.Is(err, "message/incoming_too_long") {
				t.Errorf("a long argument: %v", err)
			}
			if out, err := client.Call[string](ctx, to, "nested.a.b"); out != "deep" || err != nil {
				t.Errorf("a nested action is %q, %v", out, err)
			}
		}
		for what, wrong := range map[string]string{"a wrong token": "nonsense", "a token of another role": host.Token("read", "default")} {
			other := stranger(t, client.Options{Token: wrong, Encoding: "json"})
			err := client.Do(ctx, other.GetOrCreate("kitchen", newKey()), "inc", 1)
			if _, connErr := other.GetOrCreate("kitchen", newKey()).Connect(ctx, client.ConnOptions{}); err == nil || connErr == nil || !strings.Contains(err.Error(), "(auth/") || !strings.Contains(connErr.Error(), "(auth/") {
				t.Errorf("%s: %v, connected: %v", what, err, connErr)
			}
		}
		done, cancel := context.WithCancel(ctx)
		cancel()
		if err := client.Do(done, h, "get"); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}

func TestParams(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx, key := within(t), newKey()
		type params struct {
			Name string `json:"name"`
		}
		for _, name := range []string{"zoë, ü", "\U0001f600 +%\"", "stays"} {
			h := c.GetOrCreate("kitchen", key).WithParams(params{name})
			conn := must[*client.Conn](t)(h.Connect(ctx, client.ConnOptions{}))
			for _, to := range []client.Caller{h, conn} {
				if got, err := client.Call[params](ctx, to, "whoami"); err != nil || got.Name != name {
					t.Errorf("%q is seen as %q, %v", name, got.Name, err)
				}
			}
			conn.Close()
		}
		for name, want := range map[string]string{"stranger": "user/forbidden", "boom": "rivetkit/internal_error"} {
			h := stranger(t, client.Options{Encoding: encodingOf(t)}).GetOrCreate("kitchen", key).WithParams(params{name})
			_, err := h.Connect(ctx, client.ConnOptions{})
			if called := client.Do(ctx, h, "get"); !client.Is(err, want) || !client.Is(called, want) {
				t.Errorf("%s: connected %v, called %v, want %s", name, err, called, want)
			}
			var e *client.Error
			if errors.As(err, &e); name == "stranger" && string(e.Metadata) != `{"why":"test"}` {
				t.Errorf("the metadata is %s", e.Metadata)
			}
		}
		if err := client.Do(ctx, c.GetOrCreate("kitchen", key).WithParams(func() {}).WithInput(1), "get"); err == nil || !strings.Contains(err.Error(), "encode the params") {
			t.Errorf("params that cannot be: %v", err)
		}
	})
}

func TestOnce(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx := within(t)
		h := c.GetOrCreate("kitchen", newKey())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if n, err := client.Call[int](ctx, h.Once("first"), "inc", 5); n != 5 || err != nil {
					t.Errorf("once: %d, %v", n, err)
				}
			})
		}
		wg.Wait()
		if n, err := client.Call[int](ctx, h.Once("second"), "inc", 1); n != 6 || err != nil {
			t.Errorf("another key: %d, %v", n, err)
		}
		if err := client.Do(ctx, h.Once("first"), "inc", 6); !client.Is(err, "actor/idempotency_mismatch") {
			t.Errorf("other arguments: %v", err)
		}
	})
}

func TestQueues(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx := within(t)
		h := c.GetOrCreate("kitchen", newKey())
		if err := h.Send(ctx, "done", map[string]int{"n": 1}); err != nil {
			t.Fatal(err)
		}
		type echoed struct{ Echoed []any }
		for _, wait := range []time.Duration{0, time.Minute} {
			got, err := client.SendAndWait[echoed](ctx, h, "done", []any{"$x", 2.0}, wait)
			if err != nil || !reflect.DeepEqual(got.Echoed, []any{"$x", 2.0}) {
				t.Errorf("the answer is %v, %v", got, err)
			}
		}
		if _, err := client.SendAndWait[client.Raw](ctx, h, "never", "x", 50*time.Millisecond); err != client.ErrNotHandled {
			t.Errorf("a message that nobody handles: %v", err)
		}
		if err := h.Send(ctx, "done", strings.Repeat("x", 100_000)); !client.Is(err, "queue/message_too_large") {
			t.Errorf("a long message: %v", err)
		}
		if err := h.Send(ctx, "..", 1); err == nil {
			t.Error("a queue of dots was taken")
		}
	})
}

// A program calls in parallel, and each answer is that of its call.
func TestParallelCalls(t *testing.T) {
	inEach(t, func(t *testing.T, c *client.Client) {
		ctx := within(t)
		h := c.GetOrCreate("kitchen", newKey())
		conn := must[*client.Conn](t)(h.Connect(ctx, client.ConnOptions{}))
		defer conn.Close()
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for n := range 10 {
					to, want := client.Caller(conn), i*100+n
					if n%2 == 0 {
						to = h
					}
					if got, err := client.Call[int](ctx, to, "echo", want); got != want || err != nil {
						t.Errorf("%d came back as %d, %v", want, got, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Of an actor that a test has told nothing, the script's own words arrive.
func TestScriptAnswers(t *testing.T) {
	c := newClient(t, client.Options{})
	h := c.GetOrCreate("script", newKey())
	steps := []actorstest.Step{actorstest.S("kv_put", "a", "1"), actorstest.S("kv_get", "a")}
	got, err := client.Call[[]actorstest.Outcome](within(t), h, "do", steps)
	if err != nil || len(got) != 2 || got[1].B != "1" {
		t.Errorf("the outcomes are %+v, %v", got, err)
	}
	var raw json.RawMessage
	if raw, err = client.Call[json.RawMessage](within(t), h, "echo", 1, "two"); err != nil || string(raw) != `[1,"two"]` {
		t.Errorf("the arguments are %s, %v", raw, err)
	}
}
