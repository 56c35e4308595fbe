package tenants

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

// disk is a data folder that can be opened again and again.
type disk struct {
	dir string
}

func newDisk(t testing.TB) disk { return disk{t.TempDir()} }

func (d disk) blobs() string { return filepath.Join(d.dir, "modules") }

func (d disk) store(t testing.TB) kv.Store {
	t.Helper()
	s, err := badgerkv.Open(badgerkv.Config{
		Dir: filepath.Join(d.dir, "kv"), MemTableSize: 16 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// open opens the store and the registry in it; both close with the test, or by the function.
func (d disk) open(t testing.TB) (*Registry, func()) {
	t.Helper()
	s := d.store(t)
	r := openRegistry(t, s, d.blobs())
	return r, func() {
		t.Helper()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func openRegistry(t testing.TB, s kv.Store, dir string) *Registry {
	t.Helper()
	r, err := OpenRegistry(context.Background(), s, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func mustNamespace(t testing.TB, r *Registry, ids ...ID) {
	t.Helper()
	for _, id := range ids {
		if _, err := r.CreateNamespace(context.Background(), id, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// sdk describes a module with a manifest that defines actors.
func sdk(ns ID, module string, actors ...string) Version {
	v := Version{Namespace: ns, Module: module, Codec: abi.JSON, Actors: map[string]abi.ActorManifest{}}
	for _, a := range actors {
		v.Actors[a] = abi.ActorManifest{Key: []string{"org"}}
	}
	return v
}

func publish(r *Registry, wasm string, v Version, live bool, opts ...Option) (Version, bool, error) {
	st, err := r.Stage(strings.NewReader(wasm), 1<<20)
	if err != nil {
		return Version{}, false, err
	}
	return r.Publish(context.Background(), st, v, live, opts...)
}

func mustPublish(t testing.TB, r *Registry, wasm string, v Version, live bool, opts ...Option) Version {
	t.Helper()
	got, _, err := publish(r, wasm, v, live, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	if got := abi.CodeOf(err); got != want {
		t.Fatalf("error %v with code %v, want %v", err, got, want)
	}
}

// wantMetadata holds that err tells clients exactly want, as JSON.
func wantMetadata(t testing.TB, err error, want string) {
	t.Helper()
	got, _ := json.Marshal(abi.AsError(err).Metadata)
	if string(got) != want {
		t.Errorf("metadata %s, want %s", got, want)
	}
}

// dump returns all that a registry says, but for module bytes, in one comparable text.
func dump(t testing.TB, r *Registry) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	say := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	for _, ns := range r.Namespaces() {
		say(ns, nil)
		for _, m := range r.Modules(ns.ID) {
			say(m, nil)
			say(r.Versions(ns.ID, m.Name))
			for n := 1; n <= m.Latest; n++ {
				v, err := r.Version(ns.ID, m.Name, n)
				say(v, err)
				for actor := range v.Actors {
					live, err := r.Resolve(ns.ID, actor)
					if abi.CodeOf(err) != abi.CodeActorNoVersion {
						say(live, err)
					}
				}
			}
		}
	}
	return b.String()
}
