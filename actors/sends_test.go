package actors_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// appendTo is a script that adds a letter to the item "log" of its actor: order and number show.
func appendTo(key string) [][]actorstest.Step {
	return do(step("kv_put", key, "x"))
}

// items returns the KV keys of an actor that begin with a prefix.
func items(t *testing.T, s *actorstest.Stack, id tenants.ActorID, prefix string) string {
	t.Helper()
	list, _, err := s.Host.KVList(t.Context(), id, []byte(prefix), nil, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, it := range list {
		keys = append(keys, string(it.Key))
	}
	return strings.Join(keys, " ")
}

// rows counts an actor's rows in the store by their first byte.
func rows(t *testing.T, s *actorstest.Stack, id tenants.ActorID) map[string]int {
	t.Helper()
	n := map[string]int{}
	for it, err := range s.Store.Scan(t.Context(), id.Space(), kv.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		n[string(it.Key[:1])]++
	}
	return n
}

// noted reports whether an actor knows that its sends are done, and keeps but the end of their pair.
func noted(t *testing.T, s *actorstest.Stack, id tenants.ActorID) bool {
	t.Helper()
	kinds := ""
	for it, err := range s.Store.Scan(t.Context(), id.Space(), kv.PrefixRange([]byte("g"))) {
		if err != nil {
			t.Fatal(err)
		}
		kinds += string(it.Key[1:2])
	}
	return kinds == "f"
}

// Sends arrive once each, in order, after the turn that made them, and not at all if it fails.
func TestSend(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	if _, err := s.Do(a, step("send", to(b), "do", appendTo("never")), step("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	var steps []actorstest.Step
	for i := range 20 {
		// Each finds what the one before it left, or fails for good.
		steps = append(steps, step("send", to(b), "run", []string{fmt.Sprint(i)}))
		next := []actorstest.Step{step("kv_put", fmt.Sprintf("got/%02d", i), "x")}
		s.MustDo(b, step("kv_put", fmt.Sprint(i), actorstest.Script(next...)))
	}
	s.MustDo(a, steps...)
	want := make([]string, 20)
	for i := range want {
		want[i] = fmt.Sprintf("got/%02d", i)
	}
	kvtest.Eventually(t, "sends to arrive", func() bool { return items(t, s, b, "got/") == strings.Join(want, " ") })
	if got := items(t, s, b, "never"); got != "" {
		t.Errorf("a failed turn sent %s", got)
	}
}

// Once a pair of actors is quiet, neither keeps a row of it.
func TestSendsLeaveNothing(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, step("send", to(b), "do", appendTo("got")))
	kvtest.Eventually(t, "the send to arrive", func() bool { return items(t, s, b, "got") == "got" && noted(t, s, a) })
	if n := rows(t, s, b); n["R"] != 1 {
		t.Errorf("the receiver has %v, want its number", n)
	}
	clock.Advance(time.Minute)
	s.Host.Look()
	kvtest.Eventually(t, "the pair to be forgotten", func() bool {
		return rows(t, s, a)["g"] == 0 && rows(t, s, a)["S"] == 0 && rows(t, s, b)["R"] == 0
	})
}

// Sends outlive the process.
func TestSendsSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, step("send", to(b), "do", appendTo("got/1")), step("send", to(b), "do", appendTo("got/2")))
	s.Close()
	s = actorstest.Open(t, actorstest.Options{Dir: dir})
	kvtest.Eventually(t, "sends to arrive", func() bool { return items(t, s, b, "got/") == "got/1 got/2" })
}

// A send that fails is tried five times, one to nobody once; then it is given up, and those behind it go on.
func TestSendsThatFail(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	nobody := tenants.NewActorID(tenants.Default)
	s.MustDo(a, step("send", to(b), "do", do(step("user", "no", "never"))), step("send", to(b), "do", appendTo("after")), step("send", to(nobody), "nop", "[]"))
	kvtest.Eventually(t, "the failing send to be given up", func() bool {
		clock.Advance(time.Minute)
		s.Host.Look()
		return items(t, s, b, "after") == "after"
	})
	log := s.Log(a)
	if strings.Count(log, "was given up") != 2 {
		t.Errorf("the log says\n%s", log)
	}
}

// A pair is forgotten as a whole also when its last send was given up: what comes after begins at one again.
func TestSendAfterOneGivenUp(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	settle := func() {
		t.Helper()
		kvtest.Eventually(t, "the pair to be forgotten", func() bool {
			clock.Advance(10 * time.Second)
			s.Host.Look()
			return rows(t, s, a)["g"] == 0 && rows(t, s, a)["S"] == 0
		})
	}
	s.MustDo(a, step("send", to(b), "do", appendTo("first")), step("send", to(b), "do", do(step("user", "no", "never"))))
	settle()
	if n := rows(t, s, b); n["R"] != 0 {
		t.Errorf("the receiver has %v, want no number", n)
	}
	s.MustDo(a, step("send", to(b), "do", appendTo("second")))
	settle()
	if got := items(t, s, b, "second"); got != "second" {
		t.Error("the send after the forgotten ones did not arrive")
	}
}

// The end of a pair may come late, when there has been another send whose end is still to come.
func TestLateEndOfPair(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	for i := range 2 {
		key := fmt.Sprint("got/", i)
		s.MustDo(a, step("send", to(b), "do", appendTo(key)))
		kvtest.Eventually(t, "the send to be noted", func() bool { return items(t, s, b, key) == key && noted(t, s, a) })
	}
	actors.ForgetPair(s.Host, a, b, 1)
	clock.Advance(time.Minute)
	s.Host.Look()
	kvtest.Eventually(t, "the pair to be forgotten", func() bool {
		return rows(t, s, a)["g"] == 0 && rows(t, s, a)["S"] == 0 && rows(t, s, b)["R"] == 0
	})
}

// After a crash in the middle of a sender's end both it and the post office have its sends. The office then
// leaves the pair's numbers alone, or the sender could deliver again what is done.
func TestPostOfficeOfLivingSender(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, step("send", to(b), "do", appendTo("got")))
	kvtest.Eventually(t, "the send to be noted", func() bool { return items(t, s, b, "got") == "got" && noted(t, s, a) })
	if err := actors.PostEnd(s.Host, a, b, 1); err != nil {
		t.Fatal(err)
	}
	office := tenants.PostOffice(tenants.Default)
	kvtest.Eventually(t, "the office to be done", func() bool { return len(rows(t, s, office)) == 0 })
	if n := rows(t, s, b)["R"]; n != 1 {
		t.Errorf("the receiver has %d numbers, want that of the sender", n)
	}
}

// There is a bound on sends that wait.
func TestTooManySends(t *testing.T) {
	s := openScript(t, nil)
	a := s.Actor(tenants.Default, "script", "a")
	nobody := tenants.NewActorID(tenants.Default)
	var steps []actorstest.Step
	for range abi.MaxSends + 1 {
		steps = append(steps, step("send", to(nobody), "nop", "[]"))
	}
	got, err := s.Do(a, steps...)
	if err != nil {
		t.Fatal(err)
	}
	if got[abi.MaxSends-1].N != 0 || got[abi.MaxSends].N != -int64(abi.CodeTooManyCalls) && got[abi.MaxSends].N != -int64(abi.CodeTooManySends) {
		t.Errorf("the last sends gave %+v and %+v", got[abi.MaxSends-1], got[abi.MaxSends])
	}
}

// What an actor sent is delivered after it was destroyed, once and in order, over a restart too; and nothing of
// it stays anywhere.
func TestSendsOutliveTheirSender(t *testing.T) {
	dir := t.TempDir()
	clock := actorstest.NewClock()
	open := func() *actorstest.Stack {
		return actorstest.Open(t, actorstest.Options{Dir: dir, Config: func(c *actors.Config) { c.Now = clock.Now }})
	}
	s := open()
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	var steps []actorstest.Step
	for i := range 10 {
		steps = append(steps, step("send", to(b), "do", appendTo(fmt.Sprintf("got/%d", i))))
	}
	s.MustDo(a, append(steps, step("destroy"))...)
	kvtest.Eventually(t, "the sender to go", func() bool {
		_, err := s.Host.Get(t.Context(), a)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
	s.Close()
	s = open()
	want := "got/0 got/1 got/2 got/3 got/4 got/5 got/6 got/7 got/8 got/9"
	kvtest.Eventually(t, "sends to arrive", func() bool { clock.Advance(time.Second); s.Host.Look(); return items(t, s, b, "got/") == want })
	kvtest.Eventually(t, "the pair to be forgotten", func() bool {
		clock.Advance(time.Minute)
		s.Host.Look()
		return len(rows(t, s, tenants.PostOffice(tenants.Default))) == 0 && rows(t, s, b)["R"] == 0
	})
	office := tenants.PostOffice(tenants.Default)
	if _, err := s.Do(office, step("kv_put", "k", "v")); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("the post office answers %v", err)
	}
	if err := s.Host.Destroy(t.Context(), office); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("the post office is destroyed: %v", err)
	}
}

// A sender that is busy for longer than a request may wait learns in the end how its send went.
func TestBusySenderIsTold(t *testing.T) {
	s := openScript(t, nil)
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	freeB := actors.Occupy(t, s.Host, b)
	defer freeB()
	s.MustDo(a, step("send", to(b), "do", appendTo("first")), step("send", to(b), "do", appendTo("second")))
	kvtest.Eventually(t, "the courier", func() bool { return s.Host.Waiting(b) == 1 })
	freeA := actors.Occupy(t, s.Host, a)
	defer freeA()
	s.Host.SetTurnTime(200 * time.Millisecond)
	posted := s.Host.Posted(a)
	freeB()
	kvtest.Eventually(t, "the sender to be told again", func() bool { return s.Host.Posted(a) >= posted+2 })
	freeA()
	kvtest.Eventually(t, "both sends", func() bool { return strings.HasPrefix(items(t, s, b, ""), "first second") })
}

// A receiver that does not get to a send has not failed it.
func TestSendWaitsForABusyReceiver(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	a, b := s.Actor(tenants.Default, "script", "a"), s.Actor(tenants.Default, "script", "b")
	s.MustDo(a, step("remember", "x"))
	free := actors.Occupy(t, s.Host, b)
	defer free()
	posted := s.Host.Posted(b)
	s.Host.SetTurnTime(200 * time.Millisecond)
	s.MustDo(a, step("send", to(b), "do", appendTo("got")))
	kvtest.Eventually(t, "more tries than a send has attempts", func() bool {
		clock.Advance(time.Minute)
		s.Host.Look()
		return s.Host.Posted(b) > posted+abi.MaxAttempts
	})
	free()
	kvtest.Eventually(t, "the send", func() bool { clock.Advance(time.Minute); s.Host.Look(); return items(t, s, b, "got") == "got" })
}
