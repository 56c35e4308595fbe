package tenants

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func ptr[T any](v T) *T { return &v }

func TestReopenSeesEverything(t *testing.T) {
	d := newDisk(t)
	ctx := context.Background()
	r, closeAll := d.open(t)
	if _, err := r.CreateNamespace(ctx, "acme", "Acme <Inc.> ü"); err != nil {
		t.Fatal(err)
	}
	v := sdk("acme", "shop", "cart", "stock")
	v.Labels, v.Note, v.Report = map[string]string{"git": "<abc>"}, "first\nnote", []byte(`{"size": 1, "x": "<"}`)
	mustPublish(t, r, "shop 1", v, true)
	mustPublish(t, r, "shop 2", sdk("acme", "shop", "cart"), false)
	mustPublish(t, r, "plain", Version{Namespace: "acme", Module: "count", Plain: true, Input: InputValue}, true)
	mustPublish(t, r, "gone", sdk("acme", "gone", "gone"), true)
	if err := r.DeleteModule(ctx, "acme", "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetConfig(ctx, "acme", "shop", map[string]*string{"a": ptr("1"), "b": ptr("")}); err != nil {
		t.Fatal(err)
	}
	want := dump(t, r)
	closeAll()

	r, closeAll = d.open(t)
	if got := dump(t, r); got != want {
		t.Errorf("after reopening:\n%s\nwant:\n%s", got, want)
	}
	// And it goes on where it was.
	if v := mustPublish(t, r, "shop 3", sdk("acme", "shop", "cart", "till"), true); v.Number != 3 {
		t.Errorf("the next version is %d, want 3", v.Number)
	}
	want = dump(t, r)
	closeAll()

	r, _ = d.open(t)
	if got := dump(t, r); got != want {
		t.Errorf("after reopening twice:\n%s\nwant:\n%s", got, want)
	}
	if _, err := r.Module("acme", "gone"); abi.CodeOf(err) != abi.CodeModuleNotFound {
		t.Errorf("the deleted module: %v", err)
	}
	if b, err := r.Wasm(mustVersion(t, r, "acme", "shop", 3).Digest); err != nil || string(b) != "shop 3" {
		t.Errorf("Wasm = %q, %v", b, err)
	}
}

func mustVersion(t testing.TB, r *Registry, ns ID, module string, n int) Version {
	t.Helper()
	v, err := r.Version(ns, module, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNamespaces(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	if got := r.Namespaces(); len(got) != 1 || got[0].ID != Default {
		t.Fatalf("a new registry has %v, want %s alone", got, Default)
	}
	ns, err := r.CreateNamespace(ctx, "acme", "Acme")
	if err != nil || ns.DisplayName != "Acme" || ns.Created.IsZero() {
		t.Fatalf("CreateNamespace = %+v, %v", ns, err)
	}
	if got, err := r.Namespace("acme"); err != nil || got != ns {
		t.Errorf("Namespace = %+v, %v, want %+v", got, err, ns)
	}
	_, err = r.CreateNamespace(ctx, "acme", "Other")
	wantCode(t, err, abi.CodeNamespaceExists)
	for _, id := range []ID{"", ".", "A", "a/b", ID(strings.Repeat("a", 64))} {
		_, err := r.CreateNamespace(ctx, id, "")
		wantCode(t, err, abi.CodeInvalidRequest)
	}
	for _, name := range []string{"a\x00", "\xff", strings.Repeat("a", 257)} {
		_, err := r.CreateNamespace(ctx, "other", name)
		wantCode(t, err, abi.CodeInvalidRequest)
	}
	if got := r.Namespaces(); len(got) != 2 || got[0].ID != "acme" || got[1].ID != Default {
		t.Errorf("Namespaces = %v, want acme and default", got)
	}
}

// TestUnknownNamespace holds that every call answers ErrForeign, which is also the answer for a
// namespace that one may not know of.
func TestUnknownNamespace(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	calls := map[string]func(ID) error{
		"Namespace":    func(ns ID) error { _, err := r.Namespace(ns); return err },
		"Publish":      func(ns ID) error { _, _, err := publish(r, "x", sdk(ns, "m", "m"), true); return err },
		"SetLive":      func(ns ID) error { _, err := r.SetLive(ctx, ns, "m", 1); return err },
		"SetConfig":    func(ns ID) error { _, err := r.SetConfig(ctx, ns, "m", nil); return err },
		"DeleteModule": func(ns ID) error { return r.DeleteModule(ctx, ns, "m") },
		"Module":       func(ns ID) error { _, err := r.Module(ns, "m"); return err },
		"Versions":     func(ns ID) error { _, err := r.Versions(ns, "m"); return err },
		"Version":      func(ns ID) error { _, err := r.Version(ns, "m", 1); return err },
		"Resolve":      func(ns ID) error { _, err := r.Resolve(ns, "m"); return err },
	}
	for name, call := range calls {
		for _, ns := range []ID{"nobody", "", ".", "default/", "DEFAULT"} {
			if err := call(ns); !errors.Is(err, ErrForeign) {
				t.Errorf("%s in %q: %v, want %v", name, ns, err, ErrForeign)
			}
		}
	}
	if r.Modules("nobody") != nil || r.Config("nobody", "m") != nil {
		t.Error("an unknown namespace has modules or config")
	}
}

func TestTwoNamespacesNeverMeet(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	r, closeAll := d.open(t)
	mustNamespace(t, r, "acme", "acme-2")
	check := func() {
		t.Helper()
		for ns, want := range map[ID]string{"acme": "one", "acme-2": "two"} {
			v, err := r.Resolve(ns, "room")
			if err != nil || v.Namespace != ns || v.Note != want || r.Config(ns, "m")["of"] != want {
				t.Errorf("%s sees %+v, %v, config %v, want %s", ns, v, err, r.Config(ns, "m"), want)
			}
			if _, err := r.Resolve(ns, "only-"+want); err != nil {
				t.Errorf("%s does not see its own: %v", ns, err)
			}
		}
		_, err := r.Resolve("acme", "only-two")
		wantCode(t, err, abi.CodeActorNoVersion)
		_, err = r.Module("acme", "m2")
		wantCode(t, err, abi.CodeModuleNotFound)
	}
	for ns, note := range map[ID]string{"acme": "one", "acme-2": "two"} {
		v := sdk(ns, "m", "room", "only-"+note)
		v.Note = note
		mustPublish(t, r, "the same bytes", v, true)
		if _, err := r.SetConfig(ctx, ns, "m", map[string]*string{"of": &note}); err != nil {
			t.Fatal(err)
		}
	}
	mustPublish(t, r, "more", sdk("acme-2", "m2", "m2"), true)
	check()
	closeAll()
	r, _ = d.open(t)
	check()

	digest := mustVersion(t, r, "acme", "m", 1).Digest
	if err := r.DeleteModule(ctx, "acme", "m"); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Resolve("acme-2", "room"); err != nil || v.Note != "two" {
		t.Errorf("the delete of one reached the other: %+v, %v", v, err)
	}
	if b, err := r.Wasm(digest); err != nil || string(b) != "the same bytes" {
		t.Errorf("the delete of one took the other's file: %q, %v", b, err)
	}
}

func TestResolveIsFree(t *testing.T) {
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "room"), true)
	if _, err := r.SetConfig(context.Background(), Default, "m", map[string]*string{"a": ptr("1")}); err != nil {
		t.Fatal(err)
	}
	n := testing.AllocsPerRun(100, func() {
		if v, err := r.Resolve(Default, "room"); err != nil || v.Number != 1 || r.Config(Default, "m")["a"] != "1" {
			t.Errorf("Resolve = %v, %v", v, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "room"), true)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := publish(r, "y", sdk(Default, "m", "room"), true)
	wantCode(t, err, abi.CodeUnavailable)
	_, err = r.SetConfig(ctx, Default, "m", map[string]*string{"a": ptr("1")})
	wantCode(t, err, abi.CodeUnavailable)
	wantCode(t, r.DeleteModule(ctx, Default, "m"), abi.CodeUnavailable)
	_, err = r.CreateNamespace(ctx, "acme", "")
	wantCode(t, err, abi.CodeUnavailable)
	if v, err := r.Resolve(Default, "room"); err != nil || v.Number != 1 {
		t.Errorf("Resolve after Close = %v, %v, want version 1", v, err)
	}
}

// TestWaitEndsWithContext holds that a change which waits for another can be called off.
func TestWaitEndsWithContext(t *testing.T) {
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "1", sdk(Default, "m", "a", "b"), true)
	inside, goOn := make(chan struct{}), make(chan struct{})
	r.SetHasActors(func(ID, string) (bool, error) { close(inside); <-goOn; return false, nil })
	var wg sync.WaitGroup
	wg.Go(func() { mustPublish(t, r, "2", sdk(Default, "m", "a"), true) })
	<-inside
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.SetConfig(ctx, Default, "m", map[string]*string{"a": ptr("1")})
	wantCode(t, err, abi.CodeUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v within", err, context.Canceled)
	}
	if v, err := r.Resolve(Default, "b"); err != nil || v.Number != 1 {
		t.Errorf("a reader does not see the state before the change: %v, %v", v, err)
	}
	close(goOn)
	wg.Wait()
}

// TestRegistryHammer has many publishers, deleters and readers in two namespaces that share bytes.
func TestRegistryHammer(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	r, closeAll := d.open(t)
	mustNamespace(t, r, "a", "b")
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				readAll(t, r)
			}
		})
	}
	const rounds = 10
	for w := range 6 {
		ns := []ID{"a", "b"}[w%2]
		writers.Go(func() {
			for i := range rounds {
				// All write one module, and one of their own that they delete again.
				mustPublish(t, r, fmt.Sprint("shared ", w, i), sdk(ns, "shared", "shared"), true)
				own := fmt.Sprint("own-", w)
				mustPublish(t, r, fmt.Sprint("own ", i), sdk(ns, own, own), true)
				if i%2 == 0 {
					if err := r.DeleteModule(ctx, ns, own); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()

	want := dump(t, r)
	closeAll()
	r, _ = d.open(t)
	if got := dump(t, r); got != want {
		t.Errorf("after reopening:\n%s\nwant:\n%s", got, want)
	}
	for _, ns := range []ID{"a", "b"} {
		if m, err := r.Module(ns, "shared"); err != nil || m.Latest != 3*rounds || m.Live != m.Latest {
			t.Errorf("Module = %+v, %v, want %d versions", m, err, 3*rounds)
		}
	}
	readAll(t, r)
	for _, ns := range []ID{"a", "b"} {
		for _, m := range r.Modules(ns) {
			for n := 1; n <= m.Latest; n++ {
				if _, err := r.Wasm(mustVersion(t, r, ns, m.Name, n).Digest); err != nil {
					t.Errorf("%s/%s version %d: %v", ns, m.Name, n, err)
				}
			}
		}
	}
}

// readAll holds that what a reader sees fits together.
func readAll(t *testing.T, r *Registry) {
	for _, ns := range r.Namespaces() {
		for _, m := range r.Modules(ns.ID) {
			if m.Namespace != ns.ID || m.Live < 1 || m.Live > m.Latest {
				t.Errorf("in %s: %+v", ns.ID, m)
			}
		}
		if v, err := r.Resolve(ns.ID, "shared"); err == nil && (v.Namespace != ns.ID || v.Module != "shared") {
			t.Errorf("in %s: %+v", ns.ID, v)
		}
	}
}
