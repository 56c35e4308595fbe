package actors_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// slowStore is a store in which reads of one item take longer than anybody waits.
type slowStore struct{ kv.Store }

func (s slowStore) Get(ctx context.Context, space kv.Space, key []byte) ([]byte, error) {
	if bytes.HasSuffix(key, []byte("slow")) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return s.Store.Get(ctx, space, key)
}

// A turn whose time ends within a read fails, even if its guest makes nothing of that and ends well before the
// engine stops it: it would act on what is not so.
func TestCutReadFailsTheTurn(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{
		Store: func(inner kv.Store) kv.Store { return slowStore{inner} },
	})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script", "a")
	s.Host.SetTurnTime(30 * time.Millisecond)
	for range 8 {
		if _, err := s.Do(id, step("kv_get", "slow"), step("kv_put", "k", "v"), step("return", "1")); abi.CodeOf(err) != abi.CodeActionTimedOut {
			t.Fatalf("a turn that was cut off gives %v", err)
		}
	}
	s.Host.SetTurnTime(time.Minute)
	if got := s.MustDo(id, step("kv_get", "k"))[0]; got.N != abi.Absent {
		t.Errorf("it left %q", got.B)
	}
}
