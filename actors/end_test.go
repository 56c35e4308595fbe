package actors_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// An actor whose child cannot be destroyed now is not destroyed either: nobody would come for the child later.
func TestChildThatCannotEnd(t *testing.T) {
	var gate *kvtest.Gate
	s := actorstest.Open(t, actorstest.Options{Store: func(s kv.Store) kv.Store { gate = kvtest.NewGate(s); return gate }})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	parent := s.Actor(tenants.Default, "script", "parent")
	a := child(t, s, parent, "a", abi.ChildLimits{})
	gate.RefuseDestroy(1, kv.ErrReadOnly)
	if err := s.Host.Destroy(t.Context(), parent); abi.CodeOf(err) != abi.CodeStorageFull {
		t.Fatalf("while the child's end is refused: %v", err)
	}
	for _, id := range []tenants.ActorID{parent, a} {
		s.MustDo(id, step("now"))
	}
	if err := s.Host.Destroy(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tenants.ActorID{parent, a} {
		if _, err := s.Host.Get(t.Context(), id); abi.CodeOf(err) != abi.CodeActorNotFound {
			t.Errorf("after it: %v", err)
		}
	}
}

// An actor is asked to sleep as soon as it is there, as a host does that stops. It is born all the same.
func TestHammerBirthsWhileAsleep(t *testing.T) {
	s := openScript(t, nil)
	done := make(chan struct{})
	var nudgers sync.WaitGroup
	for range 16 { // so many that who lets go of the lock also has to let others run
		nudgers.Go(func() { // ends with done
			for {
				select {
				case <-done:
					return
				default:
					s.Host.Nudge()
				}
			}
		})
	}
	for n := range 50 {
		if _, err := s.Host.Create(t.Context(), actorstest.Address(t, tenants.Default, "script", fmt.Sprint(n)), actors.CreateOptions{}); err != nil {
			t.Errorf("birth %d: %v", n, err)
			break
		}
	}
	close(done)
	nudgers.Wait()
}

// An actor that ends itself goes although the store refuses its end at first: the turn that decided it is durable.
func TestEndOfItselfIsDurable(t *testing.T) {
	var gate *kvtest.Gate
	clock := actorstest.NewClock()
	s := actorstest.Open(t, actorstest.Options{
		Store:  func(s kv.Store) kv.Store { gate = kvtest.NewGate(s); return gate },
		Config: func(c *actors.Config) { c.Now = clock.Now },
	})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script", "a")
	gate.RefuseDestroy(1, kv.ErrReadOnly)
	s.MustDo(id, step("destroy"))
	kvtest.Eventually(t, "the end of the actor", func() bool {
		clock.Advance(time.Second)
		s.Host.Look()
		_, err := s.Host.Get(t.Context(), id)
		return abi.CodeOf(err) == abi.CodeActorNotFound
	})
}
