package actors_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// heads returns the documents of an actor's turns of one kind, in order.
func heads(s *actorstest.Stack, id tenants.ActorID, kind abi.Kind) (list []string) {
	for _, one := range s.Seen(id) {
		if one.Kind == int(kind) {
			list = append(list, one.Head)
		}
	}
	return list
}

func asleep(t *testing.T, s *actorstest.Stack) {
	t.Helper()
	kvtest.Eventually(t, "sleep", func() bool { awake, live := s.Host.Awake(); return awake == 0 && live == 0 })
}

// The hook wake runs on every wake with its cause, the hook sleep before each sleep.
func TestWakeAndSleepHooks(t *testing.T) {
	dir := t.TempDir()
	open := func() *actorstest.Stack { return actorstest.Open(t, actorstest.Options{Dir: dir}) }
	s := open()
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "hooked")
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	if _, err := s.Do(id, step("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Fatal(err)
	}
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	s.Close()
	s = open()
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	s.MustDo(id, step("remember", "x"))
	var causes []string
	for _, h := range heads(s, id, abi.KindWake) {
		cause, _, _ := strings.Cut(strings.TrimPrefix(h, `{"cause":"`), `"`)
		causes = append(causes, cause)
	}
	if got := strings.Join(causes, " "); got != "create sleep trap restart sleep" {
		t.Errorf("causes of waking are %s: %+v", got, s.Seen(id))
	}
	if n := len(heads(s, id, abi.KindSleep)); n != 3 {
		t.Errorf("the hook sleep ran %d times", n)
	}
}

// A sleeping actor that a thousand requests hit at once wakes once. Those past its mailbox are told to come again.
func TestCrowdWakesOnce(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "hooked", "a")
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	var served atomic.Int64
	each(1000, func(int) {
		switch _, err := s.Call(id, "nop"); {
		case err == nil:
			served.Add(1)
		case abi.CodeOf(err) != abi.CodeActorOverloaded:
			t.Error(err)
		}
	})
	if served.Load() < 256 { // the mailbox
		t.Errorf("%d were served", served.Load())
	}
	if got := heads(s, id, abi.KindWake); len(got) != 2 || !strings.Contains(got[1], abi.WakeSleep) { // at first, and now
		t.Errorf("it woke as %q", got)
	}
}

// A failing hook wake fails the request that woke the actor; one that traps again and again is left alone for
// a while, others are served, and a reset lets it start.
func TestCrashLoop(t *testing.T) {
	clock := actorstest.NewClock()
	s := openScript(t, func(c *actors.Config) { c.Now = clock.Now })
	id := s.Actor(tenants.Default, "hooked", "bad")
	s.MustDo(id, step("kv_put", "on/3", actorstest.Script(step("user", "not", "now"))), step("sleep"))
	asleep(t, s)
	if _, err := s.Do(id, step("remember", "x")); abi.CodeOf(err) != abi.CodeUser {
		t.Errorf("a wake that refuses: %v", err)
	}
	bad := s.Actor(tenants.Default, "hooked", "worse")
	s.MustDo(bad, step("kv_put", "on/3", actorstest.Script(step("trap"))), step("sleep"))
	kvtest.Eventually(t, "the bad actor to be left alone", func() bool {
		_, err := s.Do(bad, step("remember", "x"))
		return abi.CodeOf(err) == abi.CodeCrashLoop
	})
	_, err := s.Do(bad, step("remember", "x"))
	if e := abi.AsError(err); e.Code != abi.CodeCrashLoop || e.Retry < time.Second {
		t.Errorf("a crashing actor gives %v, retry %v", err, e.Retry)
	}
	if st := s.Host.Stats(); st.CrashLoops != 1 || st.InCrashLoop != 1 {
		t.Errorf("%d loops began and %d go on, want one of each", st.CrashLoops, st.InCrashLoop)
	}
	other := s.Actor(tenants.Default, "hooked", "good")
	if s.Host.CrashLoop(bad).IsZero() || !s.Host.CrashLoop(other).IsZero() {
		t.Error("the wrong actor is left alone")
	}
	s.MustDo(other, step("remember", "x"))
	s.Host.ResetCrashes(bad)
	if _, err := s.Do(bad, step("remember", "x")); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("after a reset: %v", err)
	}
}

// An actor may end itself as soon as it is made: whoever made it is told that it was, and it is gone.
func TestDestroyAtBirth(t *testing.T) {
	s := openScript(t, nil)
	at := actorstest.Address(t, tenants.Default, "hooked", "brief")
	info, err := s.Host.Create(t.Context(), at, actors.CreateOptions{Input: []byte(actorstest.Script(step("destroy")))})
	if err != nil {
		t.Fatal(err)
	}
	kvtest.Eventually(t, "the actor to go", func() bool {
		_, err := s.Host.Get(t.Context(), info.ID)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
	kvtest.Eventually(t, "its key to be free", func() bool {
		_, created, err := s.Host.GetOrCreate(t.Context(), at, actors.CreateOptions{})
		return err == nil && created
	})
}

// A turn may destroy its own actor; the hook destroy runs, what it sends arrives, and the actor is gone
// whatever the hook does.
func TestDestroyHook(t *testing.T) {
	s := openScript(t, nil)
	heir := s.Actor(tenants.Default, "script", "heir")
	for name, last := range map[string][]actorstest.Step{
		"sends":  {step("call", to(heir), "do", do(step("kv_put", "heard", "x")))},
		"fails":  {step("user", "no", "never")},
		"traps":  {step("trap")},
		"nested": {step("destroy")},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.Actor(tenants.Default, "hooked", name)
			s.MustDo(id, step("kv_put", "on/5", actorstest.Script(last...)))
			s.MustDo(id, step("destroy"))
			kvtest.Eventually(t, "the actor to go", func() bool {
				_, err := s.Host.Get(t.Context(), id)
				return abi.CodeOf(err) == abi.CodeActorNotFound
			})
			if _, err := s.Do(id, step("remember", "x")); abi.CodeOf(err) != abi.CodeActorNotFound {
				t.Errorf("a destroyed actor answers %v", err)
			}
		})
	}
	if got := s.MustDo(heir, step("kv_get", "heard")); got[0].B != "x" {
		t.Error("the last words were not heard")
	}
	failed := s.Actor(tenants.Default, "script", "failed")
	if _, err := s.Do(failed, step("destroy"), step("user", "no", "after all")); abi.CodeOf(err) != abi.CodeUser {
		t.Fatal(err)
	}
	s.MustDo(failed, step("remember", "x"))
}

// The hook upgrade runs between two turns with both versions' numbers, also for an actor that slept, and on
// the way back with the higher one. If it fails the actor keeps its version until another is live.
func TestUpgradeHook(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	upload := func(n byte) int {
		return s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, n)).Number
	}
	version := func(id tenants.ActorID) string {
		t.Helper()
		_, rest, _ := strings.Cut(s.MustDo(id, step("self"))[0].B, `"version":`)
		return rest[:1]
	}
	upload(1)
	id := s.Actor(tenants.Default, "hooked")
	s.MustDo(id, step("remember", "x"), step("kv_put", "data", "1"))
	upload(2)
	if v := version(id); v != "2" {
		t.Errorf("the actor runs version %s", v)
	}
	s.MustDo(id, step("sleep"))
	asleep(t, s)
	upload(3)
	s.MustDo(id, step("remember", "x"))
	upload(1) // back to the first
	if v := version(id); v != "1" {
		t.Errorf("after going back the actor runs version %s", v)
	}
	if got := strings.Join(heads(s, id, abi.KindUpgrade), " "); got != `{"from":1,"to":2} {"from":2,"to":3} {"from":3,"to":1}` {
		t.Errorf("upgrades: %s", got)
	}
	s.MustDo(id, step("kv_put", "on/15", actorstest.Script(step("kv_put", "data", "broken"), step("user", "no", "cannot"))))
	upload(2)
	if v := version(id); v != "1" {
		t.Errorf("after a failed upgrade the actor runs version %s", v)
	}
	s.MustDo(id, step("kv_put", "more", "x")) // takes the record along
	s.Close()
	s = actorstest.Open(t, actorstest.Options{Dir: dir})
	if v := version(id); v != "1" {
		t.Errorf("after a restart the actor runs version %s", v)
	}
	if got := s.MustDo(id, step("kv_get", "data"), step("kv_delete", "on/15")); got[0].B != "1" {
		t.Errorf("the failed upgrade left %q", got[0].B)
	}
	upload(3)
	if v := version(id); v != "3" {
		t.Errorf("with another live version the actor runs version %s", v)
	}
}

// An upgrade whose delta the store refuses never was: it is made again.
func TestRefusedUpgrade(t *testing.T) {
	g := openGated(t, "")
	upload := func(n byte) {
		g.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, n))
	}
	upload(1)
	id := g.Actor(tenants.Default, "hooked")
	g.MustDo(id, step("kv_put", "on/15", actorstest.Script(step("kv_put", "shape", "new"))))
	upload(2)
	g.gate.Refuse(1, kv.ErrReadOnly)
	if _, err := g.Do(id, step("kv_put", "x", "y")); err == nil {
		t.Fatal("the turn behind the refused upgrade was taken")
	}
	if got := g.MustDo(id, step("kv_get", "shape"), step("kv_put", "x", "y")); got[0].B != "new" {
		t.Errorf("the data has the shape %q", got[0].B)
	}
	if got := strings.Join(heads(g.Stack, id, abi.KindUpgrade), " "); got != `{"from":1,"to":2}` {
		t.Errorf("upgrades: %s", got)
	}
	if info, err := g.Host.Get(t.Context(), id); err != nil || info.Version != 2 {
		t.Errorf("the actor is %+v, %v", info, err)
	}
}

// Whoever looks an actor up meanwhile finds it as it is on disk.
func TestHammerFindWhileUpgrading(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	upload := func(n byte) {
		s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, n))
	}
	upload(1)
	id := s.Actor(tenants.Default, "hooked")
	s.MustDo(id, step("kv_put", "on/15", actorstest.Script(step("user", "no", "cannot")))) // so that the record goes back and forth
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
			}
			if info, err := s.Host.Find(t.Context(), actorstest.Address(t, tenants.Default, "hooked")); err != nil || info.ID != id {
				t.Errorf("found %+v, %v", info, err)
				return
			}
		}
	}()
	for n := byte(2); n < 5; n++ {
		upload(n)
		s.MustDo(id, step("kv_put", "x", "y"))
	}
	close(end)
	<-ended
	kvtest.Eventually(t, "the version that is kept", func() bool {
		info, err := s.Host.Find(t.Context(), actorstest.Address(t, tenants.Default, "hooked"))
		return err == nil && info.Version == 1 && info.Kept == 4
	})
}

// A batch is done whole or not at all.
func TestKVBatch(t *testing.T) {
	s := openScript(t, nil)
	id := s.Actor(tenants.Default, "script")
	page := func(pairs ...string) []byte {
		b := abi.AppendPageHead(nil, false)
		for i := 0; i < len(pairs); i += 2 {
			b = abi.AppendItem(b, []byte(pairs[i]), []byte(pairs[i+1]))
		}
		return b
	}
	long := strings.Repeat("k", abi.MaxKVKey+1)
	got, err := s.Do(id, step("kv_put_batch", page("a", "1", "b", "2", "c", "3")), step("kv_put_batch", page("d", "4", long, "5")),
		step("kv_put_batch", page("e", "6", "", "7")), step("kv_delete_batch", page("b", "ignored")), step("kv_get_batch", page("c", "", "b", "", "a", "", "d", "")),
		step("kv_put_batch", page()), step("kv_put_batch", "nonsense"))
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{0, -int64(abi.CodeKeyTooLarge), -int64(abi.CodeInvalidArgument), 0, 0, -int64(abi.CodeInvalidArgument), -int64(abi.CodeInvalidArgument)}
	for i, n := range want {
		if i != 4 && got[i].N != n {
			t.Errorf("step %d gives %+v, want %d", i, got[i], n)
		}
	}
	if got[4].B != string(page("c", "3", "a", "1")) {
		t.Errorf("the batch gives %q", got[4].B)
	}
	if all := items(t, s, id, ""); all != "a c seen seen/000001" {
		t.Errorf("the actor has %q", all)
	}
	var many []string
	for i := range abi.MaxKVBatch + 1 {
		many = append(many, fmt.Sprintf("many/%d", i), "v")
	}
	got, err = s.Do(id, step("kv_put_batch", page(many...)))
	if err != nil || got[0].N != -int64(abi.CodeInvalidArgument) {
		t.Errorf("a batch of 129 gives %+v, %v", got, err)
	}
	s.MustDo(id, step("kv_put_batch", page(many[2:]...)), step("kv_get", "many/128"))
}
