package actors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// awaitRemoval returns when nothing of a namespace is left.
func awaitRemoval(t *testing.T, s *actorstest.Stack, ns tenants.ID) {
	t.Helper()
	kvtest.Eventually(t, "the namespace to be gone", func() bool {
		_, err := s.Host.Removal(t.Context(), ns)
		if err != nil && !errors.Is(err, tenants.ErrForeign) {
			t.Fatal(err)
		}
		return err != nil
	})
	if n, err := s.Store.Remains(t.Context(), string(ns), 10); n != 0 || err != nil {
		t.Errorf("%d rows are left, %v", n, err)
	}
}

// modules returns the module files of a host.
func moduleFiles(t *testing.T, s *actorstest.Stack) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir, "modules"))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Whatever a namespace's actors are busy with ends with it, and what it kept is gone.
func TestDeleteNamespace(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.UploadBytes("acme", actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, 7))
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	mine := s.Actor(tenants.Default, "script", "a")
	s.MustDo(mine, step("kv_put", "k", "mine"))

	looper, waiter, worker, events := s.Actor("acme", "script", "looper"), s.Actor("acme", "script", "waiter"), s.Actor("acme", "script", "worker"), s.Actor("acme", "events", "e")
	spec := func(key string) any {
		return abi.ActorSpec{Name: "script", Key: []string{key}, Child: true, Limits: &abi.ChildLimits{}}
	}
	s.MustDo(worker,
		step("actor_create", spec("child")),
		step("schedule_set", map[string]any{"every": 5000, "name": "n", "action": "nop"}, ""),
		step("kv_put", "large", strings.Repeat("x", 900_000)),
		step("task_timer", 3_600_000, "ctx"),
		step("send", abi.Target{ID: looper.String()}, "nop", "[]")) // which the looper never gets to
	if _, err := s.Host.Enqueue(t.Context(), worker, actors.Message{Queue: "jobs", Body: json.RawMessage("1")}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s, events, abi.ConnEvents)
	cut := make(chan error, 2)
	go func() {
		_, err := s.Do(looper, step("log", 2, "busy"), step("loop"))
		cut <- err
	}()
	kvtest.Eventually(t, "the guest to loop", func() bool { return strings.Contains(s.Log(looper), "busy") })
	go func() {
		_, err := s.Do(waiter, step("log", 2, "busy"), step("call", abi.Target{ID: looper.String()}, "nop", "[]"))
		cut <- err
	}()
	kvtest.Eventually(t, "another to wait for it", func() bool { return strings.Contains(s.Log(waiter), "busy") })

	begun := time.Now()
	if _, err := s.Host.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-cut; abi.CodeOf(err) != abi.CodeNamespaceNotFound {
			t.Errorf("a turn that was cut off: %v", err)
		}
	}
	conn.sink.want(t, "open, close 1011 actor.destroyed")
	conn.Closed(1011, "actor.destroyed", true)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("turns were cut off after %v", took)
	}
	for name, err := range map[string]error{
		"call": second(s.Do(worker, step("nop"))), "create": second(s.Host.Create(t.Context(), actorstest.Address(t, "acme", "script", "new"), actors.CreateOptions{})),
		"destroy": s.Host.Destroy(t.Context(), worker),
		"upload": func() error {
			_, _, _, err := s.Host.Upload(t.Context(), "acme", strings.NewReader(string(actorstest.ScriptVariant(t, 8))), actors.UploadOptions{Module: "script", Live: true})
			return err
		}(),
		"connect": second(connecting(s, events, abi.ConnEvents, "{}")),
	} {
		if abi.CodeOf(err) != abi.CodeNamespaceNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	awaitRemoval(t, s, "acme")
	if n := moduleFiles(t, s); n != 1 {
		t.Errorf("%d module files are left, want that of the other namespace", n)
	}
	if lines, _ := s.Host.Logs(t.Context(), looper, 0); len(lines) > 0 {
		t.Errorf("its log is there: %v", lines)
	}
	if n := s.Host.ConnSets(); n != 0 {
		t.Errorf("%d sets of connections are left", n)
	}

	// A namespace of the same name shares nothing with it.
	s.UploadBytes("acme", actors.UploadOptions{Module: "script", Live: true}, actorstest.ScriptVariant(t, 7))
	again := s.Actor("acme", "script", "worker")
	if got := s.MustDo(again, step("kv_get", "large"), step("schedule_get", "n")); got[0].N != -1 || got[1].N != -1 {
		t.Errorf("it has of the one before: %+v", got)
	}
	if _, err := s.Do(worker, step("nop")); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("an id of before: %v", err)
	}
	// Its post office begins anew, too.
	s.MustDo(again, step("send", abi.Target{Name: "script", Key: []string{"b"}, Create: true}, "do", do(step("kv_put", "got", "it"))))
	kvtest.Eventually(t, "a send to arrive", func() bool {
		info, err := s.Host.Find(t.Context(), actorstest.Address(t, "acme", "script", "b"))
		if err != nil {
			return false
		}
		v, err := s.Host.KVGet(t.Context(), info.ID, []byte("got"))
		return err == nil && string(v) == "it"
	})
	if got := s.MustDo(mine, step("kv_get", "k")); got[0].B != "mine" {
		t.Errorf("the other namespace has lost %+v", got)
	}
	s.Close()
	if err := actorstest.CheckData(dir); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// What was sent by actors that are no more waits in the post office, and goes with it.
func TestDeleteNamespaceWithAPostOffice(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload("acme", "script", actorstest.ScriptGuest)
	a, b := s.Actor("acme", "script", "a"), s.Actor("acme", "script", "b")
	blocked := make(chan error, 1)
	go func() {
		_, err := s.Do(b, step("log", 2, "busy"), step("loop"))
		blocked <- err
	}()
	kvtest.Eventually(t, "the receiver to be busy", func() bool { return strings.Contains(s.Log(b), "busy") })
	s.MustDo(a, step("send", abi.Target{ID: b.String()}, "nop", "[]"))
	if err := s.Host.Destroy(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, tenants.PostOffice("acme"))["g"]; n == 0 {
		t.Fatal("the post office has nothing")
	}
	if _, err := s.Host.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	<-blocked
	awaitRemoval(t, s, "acme")
}

// A restart goes on with what is left, whatever there is of it.
func TestRemovalGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	s.Upload("acme", "script", actorstest.ScriptGuest)
	for i := range 20 {
		s.Actor("acme", "script", fmt.Sprint(i))
	}
	// The registry alone marks it: as if the process had ended right after that.
	if _, err := s.Registry.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := actorstest.CheckData(dir); err != nil {
		t.Error(err)
	}
	s = actorstest.Open(t, actorstest.Options{Dir: dir})
	awaitRemoval(t, s, "acme")
	if n := moduleFiles(t, s); n != 0 {
		t.Errorf("%d module files are left", n)
	}
}

// A full disk delays a removal, and no failure of the store ends it for good.
func TestRemovalMeetsFaults(t *testing.T) {
	var gate *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(inner kv.Store) kv.Store { gate = kvtest.NewGate(inner); return gate }})
	s.Upload("acme", "script", actorstest.ScriptGuest)
	id := s.Actor("acme", "script", "a")
	gate.Fill(true)
	if _, err := s.Host.DeleteNamespace(t.Context(), "acme"); abi.CodeOf(err) != abi.CodeStorageFull {
		t.Errorf("on a full disk: %v", err)
	}
	gate.Fill(false)
	if _, err := s.Do(id, step("nop")); err != nil {
		t.Errorf("a deletion that was refused changed something: %v", err)
	}
	if _, err := s.Host.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	gate.Fill(true)
	kvtest.Eventually(t, "its actors to go, which a full disk allows", func() bool {
		for range s.Store.Spaces(t.Context(), "acme", "") {
			return false
		}
		return true
	})
	gate.Fill(false)
	awaitRemoval(t, s, "acme")
}

// Many actors go in bounded steps, while another namespace is served.
func TestDeleteNamespaceOfMany(t *testing.T) {
	const many = 2_000
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload("acme", "script", actorstest.ScriptGuest)
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	mine := s.Actor(tenants.Default, "script", "a")
	fill(t, s, "acme", many)
	begun := time.Now()
	if _, err := s.Host.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	calls, worst := 0, time.Duration(0)
	for {
		at := time.Now()
		s.MustDo(mine, step("kv_put", "k", "v"))
		worst = max(worst, time.Since(at))
		calls++
		if r, err := s.Host.Removal(t.Context(), "acme"); err != nil {
			break
		} else if r.Actors > many+1 {
			t.Fatalf("%d actors were removed, of %d", r.Actors, many)
		}
	}
	t.Logf("%d actors were gone after %v; meanwhile %d turns elsewhere, the slowest %v", many, time.Since(begun), calls, worst)
	awaitRemoval(t, s, "acme")
}

// fill makes actors in the store, each with some rows, a name and a moment: faster than by their guests.
func fill(t *testing.T, s *actorstest.Stack, ns tenants.ID, many int) {
	t.Helper()
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	due := time.Now().Add(time.Hour)
	for i := range many {
		id := tenants.NewActorID(ns)
		l, err := s.Store.Claim(context.Background(), id.Space())
		if err != nil {
			t.Fatal(err)
		}
		d := &kv.Delta{N: 1, Bind: actorstest.Address(t, ns, "script", fmt.Sprint(i)).Binding(), Due: &due}
		for k := range 5 {
			d.Ops = append(d.Ops, kv.Op{Key: fmt.Appendf(nil, "k%d", k), Value: make([]byte, 200)})
		}
		wg.Add(1)
		s.Store.Commit(l, d, func(err error) {
			defer wg.Done()
			if err != nil {
				failed.Store(&err)
			}
			s.Store.Release(l)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
}
