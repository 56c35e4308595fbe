package actors_test

import (
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/tenants"
)

// A module's guests read what was set for it, and nothing of another module or namespace, whatever name they ask for: also
// one that looks like a path, or a name of how it is stored.
func TestConfigIsOfOneModule(t *testing.T) {
	s := openScript(t, nil)
	s.Upload(tenants.Default, "mod", hostile)
	s.Upload("other", "script", actorstest.ScriptGuest)
	set := func(ns tenants.ID, module, value string) {
		t.Helper()
		if _, err := s.Registry.SetConfig(t.Context(), ns, module, map[string]*string{"key": &value, module: &value}); err != nil {
			t.Fatal(err)
		}
	}
	set(tenants.Default, "script", "ours")
	set(tenants.Default, "mod", "of the module")
	set("other", "script", "of the namespace")
	ours, theirs := s.Actor(tenants.Default, "script", "a"), s.Actor("other", "script", "a")
	config := func(id tenants.ActorID, name string) string { return s.MustDo(id, step("config", name))[0].B }
	if got := config(ours, "key"); got != "ours" {
		t.Errorf("our guest reads %q", got)
	}
	if got := config(theirs, "key"); got != "of the namespace" {
		t.Errorf("theirs reads %q", got)
	}
	var got *string
	if s.MustCall(s.Actor(tenants.Default, "hostile", "a"), &got, "config", "key"); got == nil || *got != "of the module" {
		t.Errorf("the other module's reads %v", got)
	}
	for _, name := range []string{"mod", "mod/key", "mod\x00key", "mmod", "../mod/key", "other/script/key", "KEY", "key\x00", "sKEY", ""} {
		if out := s.MustDo(ours, step("config", name))[0]; out.N != -1 || out.B != "" {
			t.Errorf("%q is %+v", name, out)
		}
	}
	// A change is seen by the next turn, in its own module alone.
	set("other", "script", "changed")
	if a, b := config(ours, "key"), config(theirs, "key"); a != "ours" || b != "changed" {
		t.Errorf("after a change: %q and %q", a, b)
	}
}
