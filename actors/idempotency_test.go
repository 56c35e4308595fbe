package actors_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// once calls the action do with an idempotency key.
func once(s *actorstest.Stack, id tenants.ActorID, caller, key string, steps ...actorstest.Step) (string, error) {
	args, err := json.Marshal([]any{steps})
	if err != nil {
		return "", err
	}
	r, err := s.Host.Call(context.Background(), id, actors.Request{Action: "do", Args: args, Caller: caller, Once: key})
	return string(r.Output), err
}

// A request with an idempotency key is done once, and repeated it gives what it gave, over a restart too.
func TestIdempotency(t *testing.T) {
	dir := t.TempDir()
	clock := actorstest.NewClock()
	open := func() *actorstest.Stack {
		return actorstest.Open(t, actorstest.Options{Dir: dir, Config: func(c *actors.Config) { c.Now = clock.Now }})
	}
	s := open()
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script")
	count := step("remember", "n") // in guest memory: a second run would show
	first, err := once(s, id, "ada", "k1", count, step("kv_put", "k", "v"))
	if err != nil || !strings.Contains(first, `{"n":1}`) {
		t.Fatalf("%s, %v", first, err)
	}
	same := func(what, caller, key, want string, steps ...actorstest.Step) {
		t.Helper()
		got, err := once(s, id, caller, key, steps...)
		if err != nil {
			got = abi.AsError(err).Code.String() + " " + abi.AsError(err).PublicName()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	same("again", "ada", "k1", first, count, step("kv_put", "k", "v"))
	same("other arguments", "ada", "k1", "actor/idempotency_mismatch idempotency_mismatch", count)
	same("another caller", "bob", "k1", `[{"n":2},{"n":0}]`, count, step("kv_put", "k", "v"))
	same("another key", "ada", "k2", `[{"n":3},{"n":0}]`, count, step("kv_put", "k", "v"))
	same("a user error", "ada", "k3", "user/user_error no", count, step("user", "no", "never"))
	same("the error again", "ada", "k3", "user/user_error no", count, step("user", "no", "never"))
	same("a count", "ada", "", `[{"n":5}]`, count)
	same("a hidden error", "ada", "k4", "rivetkit/internal_error internal_error", count, step("hidden", "no"))
	same("a hidden error again", "ada", "k4", "rivetkit/internal_error internal_error", count, step("hidden", "no"))
	same("a count", "ada", "", `[{"n":8}]`, count) // both ran
	large := strings.Repeat("x", abi.MaxIdempotencyBody)
	if _, err := once(s, id, "ada", "k5", step("return", `"`+large+`"`)); err != nil {
		t.Error(err)
	}
	same("a large answer again", "ada", "k5", "actor/already_done already_done", step("return", `"`+large+`"`))
	if _, err := once(s, id, "ada", strings.Repeat("k", abi.MaxIdempotencyKey+1)); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("a long key: %v", err)
	}
	s.Close()
	s = open()
	same("after a restart", "ada", "k1", first, count, step("kv_put", "k", "v"))
	clock.Advance(25 * time.Hour)
	same("after a day", "ada", "k1", `[{"n":1},{"n":0}]`, count, step("kv_put", "k", "v"))
	if n := rows(t, s, id)["x"]; n > 9 {
		t.Errorf("%d rows of idempotency keys are left", n)
	}
}

// Of many at once one is done, and all get its answer.
func TestIdempotencyAtOnce(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := once(s, id, "ada", "k", step("remember", "n")); err != nil || got != `[{"n":1}]` {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// There is a bound on live records; what has expired makes room.
func TestIdempotencyBound(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script")
	actors.SetOnceCount(t, s.Host, id, abi.MaxIdempotencyKeys-1)
	for i, want := range []abi.Code{0, abi.CodeIdempotencyFull} {
		if _, err := once(s, id, "", fmt.Sprint(i), step("remember", "n")); abi.CodeOf(err) != want {
			t.Errorf("record %d: %v", i, err)
		}
	}
	clock.Advance(25 * time.Hour)
	if _, err := once(s, id, "", "later", step("remember", "n")); err != nil {
		t.Error(err)
	}
}

// A repetition adds no record, whatever the answer was, and a key that is used again after its day is not ended
// with the record of the day before.
func TestIdempotencyRecordsOnce(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "script")
	refuse, count := step("user", "no", "never"), step("remember", "n")
	for range 4 {
		if _, err := once(s, id, "ada", "error", refuse); abi.CodeOf(err) != abi.CodeUser {
			t.Fatal(err)
		}
		clock.Advance(time.Hour)
	}
	if n := rows(t, s, id)["x"]; n != 3 { // the record, its time, and the count
		t.Errorf("one error has %d rows", n)
	}
	for i := range 4 {
		clock.Advance(time.Second)
		if _, err := once(s, id, "ada", fmt.Sprint(i), count); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(25 * time.Hour)
	again, err := once(s, id, "ada", "3", count) // the youngest: others expired before it
	if err != nil || again != `[{"n":5}]` {
		t.Fatalf("after a day: %s, %v", again, err)
	}
	for i := range 4 {
		if _, err := once(s, id, "bob", fmt.Sprint(i), count); err != nil { // each lets two go
			t.Fatal(err)
		}
	}
	if got, err := once(s, id, "ada", "3", count); err != nil || got != again {
		t.Errorf("the repetition gives %s, %v; want %s", got, err, again)
	}
	if n := rows(t, s, id)["x"]; n != 1+2*5 {
		t.Errorf("five records have %d rows", n)
	}
}

// Whoever repeats a request that is still open gets its answer, and is then no reason to stay awake.
func TestRepetitionOfAnOpenRequest(t *testing.T) {
	s := openScript(t, func(c *actors.Config) { c.IdleTime = time.Millisecond })
	id := s.Actor(tenants.Default, "script")
	answers := make(chan string, 2)
	ask := func() { // ends with the answer
		out, err := once(s, id, "ada", "k", step("turn"), step("kv_put", "turn", "$LAST"), step("open"))
		answers <- fmt.Sprint(out, err)
	}
	go ask()
	var turn struct{ Request int64 }
	kvtest.Eventually(t, "an open request", func() bool {
		b, err := s.Host.KVGet(t.Context(), id, []byte("turn"))
		return err == nil && json.Unmarshal(b, &turn) == nil
	})
	posted := s.Host.Posted(id)
	go ask()
	kvtest.Eventually(t, "the repetition", func() bool { return s.Host.Posted(id) > posted && s.Host.Waiting(id) == 0 })
	s.MustDo(id, step("envelope", `"done"`), step("reply", turn.Request, "$LAST"))
	for range 2 {
		if got := <-answers; got != `"done"<nil>` {
			t.Errorf("the answer is %s", got)
		}
	}
	asleep(t, s)
}
