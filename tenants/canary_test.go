package tenants

import (
	"context"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// A canary has about its percentage of the actors, always the same ones, more of them with a higher one, over
// a restart too; it ends when the version is live.
func TestCanary(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	r, closeAll := d.open(t)
	mustPublish(t, r, "one", sdk(Default, "m", "a"), true)
	mustPublish(t, r, "two", sdk(Default, "m", "a", "b"), false)
	ids := make([]ActorID, 2000)
	for i := range ids {
		ids[i] = NewActorID(Default)
	}
	part := func(r *Registry) map[ActorID]bool {
		t.Helper()
		in := map[ActorID]bool{}
		for _, id := range ids {
			v, err := r.ResolveFor(id, "a")
			if err != nil {
				t.Fatal(err)
			}
			if v.Number == 2 {
				in[id] = true
			}
		}
		return in
	}
	set := func(c *Canary) {
		t.Helper()
		if _, err := r.SetCanary(ctx, Default, "m", c); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(part(r)); n != 0 {
		t.Errorf("without a canary %d actors run it", n)
	}
	set(&Canary{2, 10})
	ten := part(r)
	if n := len(ten); n < 130 || n > 280 {
		t.Errorf("a canary of 10%% has %d of 2,000", n)
	}
	set(&Canary{2, 50})
	half := part(r)
	if n := len(half); n < 850 || n > 1150 {
		t.Errorf("a canary of 50%% has %d of 2,000", n)
	}
	for id := range ten {
		if !half[id] {
			t.Fatal("an actor left the canary though the percentage grew")
		}
	}
	closeAll()
	r, _ = d.open(t)
	for id := range part(r) {
		if !half[id] {
			t.Fatal("a restart changed who is in the canary")
		}
	}
	if _, err := r.ResolveFor(ids[0], "b"); err != nil && abi.CodeOf(err) != abi.CodeActorNoVersion {
		t.Error(err)
	}
	m, err := r.SetLive(ctx, Default, "m", 2)
	if err != nil || m.Canary != nil {
		t.Errorf("the canary is live and still one: %+v, %v", m, err)
	}
	for name, c := range map[string]*Canary{"nobody": {1, 0}, "all": {1, 100}, "the live one": {2, 10}} {
		if _, err := r.SetCanary(ctx, Default, "m", c); abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = r.SetCanary(ctx, Default, "m", &Canary{7, 10})
	wantCode(t, err, abi.CodeModuleNotFound)
	set(nil)
}
