package tenants

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
)

// leave takes a namespace through all steps of its removal.
func leave(t *testing.T, r *Registry, id ID) {
	t.Helper()
	if _, err := r.DeleteNamespace(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.RemoveFiles(t.Context(), id), r.RemoveRegistry(t.Context(), id)); err != nil {
		t.Fatal(err)
	}
	forget(t, r, id)
}

func forget(t *testing.T, r *Registry, id ID) {
	t.Helper()
	kvtest.Eventually(t, "the name to be free", func() bool {
		err := r.ForgetNamespace(t.Context(), id)
		if err != nil {
			wantCode(t, err, abi.CodeHostBusy)
		}
		return err == nil
	})
}

func TestDeleteNamespace(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	mustNamespace(t, r, "acme", "other")
	mustPublish(t, r, "shared", sdk("acme", "one", "a"), true)
	mustPublish(t, r, "own", sdk("acme", "one", "a"), true)
	mustPublish(t, r, "shared", sdk("other", "one", "a"), true)
	before := dump(t, r)

	for id, code := range map[ID]abi.Code{Default: abi.CodeInvalidRequest, "absent": abi.CodeNamespaceNotFound, "": abi.CodeNamespaceNotFound} {
		_, err := r.DeleteNamespace(t.Context(), id)
		wantCode(t, err, code)
	}
	if dump(t, r) != before {
		t.Error("a refused deletion changed something")
	}
	staged := func() error {
		_, _, err := publish(r, "late", sdk("acme", "two", "b"), true)
		return err
	}
	first, err := r.DeleteNamespace(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	gone := func(when string) {
		t.Helper()
		_, err := r.Resolve("acme", "a")
		for name, err := range map[string]error{
			"resolve": err, "publish": staged(), "set live": second(r.SetLive(t.Context(), "acme", "one", 1)),
			"delete module": r.DeleteModule(t.Context(), "acme", "one"), "namespace": second(r.Namespace("acme")),
			"revoke":     second(r.Revoke(t.Context(), "acme", Revocation{TokenID: "x", Until: time.Now().Add(time.Hour)})),
			"versions":   second(r.Versions("acme", "one")),
			"delete key": r.DeleteTokenKey(t.Context(), "acme", "k"),
		} {
			if abi.CodeOf(err) != abi.CodeNamespaceNotFound {
				t.Errorf("%s: %s: %v", when, name, err)
			}
		}
		if list := r.Namespaces(); len(list) != 2 {
			t.Errorf("%s: namespaces %v", when, list)
		}
		if list := r.Leaving(); len(list) != 1 || list[0].ID != "acme" || !list[0].Since.Equal(first.Since) {
			t.Errorf("%s: leaving %v, want since %v", when, list, first.Since)
		}
		_, err = r.CreateNamespace(t.Context(), "acme", "")
		wantCode(t, err, abi.CodeNamespaceDeleting)
	}
	gone("deleted")
	again, err := r.DeleteNamespace(t.Context(), "acme")
	if err != nil || !again.Since.Equal(first.Since) {
		t.Errorf("deleted twice: %v, %v", again, err)
	}
	wantCode(t, r.ForgetNamespace(t.Context(), "acme"), abi.CodeHostBusy) // something is left
	end()
	if found := d.checked(t); len(found) > 0 {
		t.Errorf("a store with a namespace that is leaving: %q", found)
	}

	r, end = d.open(t)
	gone("after a restart")
	if err := r.RemoveFiles(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d.blobs(), fileName("shared"))
	end() // killed between the files and the records that name them
	if found := d.checked(t); len(found) > 0 {
		t.Errorf("a store whose leaving namespace has no files: %q", found)
	}
	r, end = d.open(t)
	if err := errors.Join(r.RemoveFiles(t.Context(), "acme"), r.RemoveRegistry(t.Context(), "acme")); err != nil {
		t.Fatal(err)
	}
	end() // killed before the mark went
	r, end = d.open(t)
	if err := errors.Join(r.RemoveFiles(t.Context(), "acme"), r.RemoveRegistry(t.Context(), "acme")); err != nil {
		t.Fatal(err)
	}
	forget(t, r, "acme")
	wantFiles(t, d.blobs(), fileName("shared"))
	if got, err := r.Wasm(mustVersion(t, r, "other", "one", 1).Digest); err != nil || string(got) != "shared" {
		t.Errorf("the other namespace's module is %q, %v", got, err)
	}
	if _, err := r.DeleteNamespace(t.Context(), "acme"); abi.CodeOf(err) != abi.CodeNamespaceNotFound {
		t.Errorf("deleted when it is gone: %v", err)
	}
	mustNamespace(t, r, "acme")
	if list := r.Modules("acme"); len(list) != 0 {
		t.Errorf("a namespace of the name has modules of the one before: %v", list)
	}
	if v := mustPublish(t, r, "own", sdk("acme", "one", "a"), true); v.Number != 1 {
		t.Errorf("its first version is %d", v.Number)
	}
	end()
	if found := d.checked(t); len(found) > 0 {
		t.Errorf("in the end: %q", found)
	}
}

func second[T any](_ T, err error) error { return err }

// A copy of the store that is being made may refer to the files.
func TestDeletedFilesWaitForABackup(t *testing.T) {
	d := newDisk(t)
	r, _ := d.open(t)
	mustNamespace(t, r, "acme")
	mustPublish(t, r, "own", sdk("acme", "one", "a"), true)
	_, release := r.HoldFiles()
	if _, err := r.DeleteNamespace(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantCode(t, r.RemoveFiles(t.Context(), "acme"), abi.CodeHostBusy)
		wantFiles(t, d.blobs(), fileName("own"))
	}
	release()
	if err := r.RemoveFiles(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d.blobs())
}

// Changes that race a deletion are done before it or never: no file is left without a record.
func TestDeleteNamespaceHammer(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	for range 5 {
		mustNamespace(t, r, "acme")
		done := make(chan struct{})
		go func() { // ends with the namespace
			defer close(done)
			for i := 0; ; i++ {
				_, _, err := publish(r, string(rune('a'+i%20)), sdk("acme", "one", "a"), true)
				if err == nil {
					err = r.DeleteModule(context.Background(), "acme", "one")
				}
				if abi.CodeOf(err) == abi.CodeNamespaceNotFound {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		}()
		leave(t, r, "acme")
		<-done
		wantFiles(t, d.blobs())
	}
	end()
	if found := d.checked(t); len(found) > 0 {
		t.Errorf("in the end: %q", found)
	}
}

// A token of a namespace does not work in another one that has its name.
func TestTokensOfADeletedNamespace(t *testing.T) {
	g := newGatehouse(t)
	now := time.Now()
	at := func(p Principal, issued time.Time) error {
		p.Issued = issued
		return g.stands(p, time.Now(), g.known)
	}
	p := Principal{Namespace: "acme", Role: RoleAdmin}
	if err := at(p, now); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	operator := make(chan struct{})
	defer g.Watch(p, "acme", func() { close(ended) })()
	defer g.Watch(Principal{Role: RoleOperator}, "acme", func() { close(operator) })()
	defer g.Watch(Principal{Role: RoleOperator}, "umbrella", func() { t.Error("what goes on elsewhere has ended") })()
	leave(t, g.reg, "acme")
	<-ended
	<-operator
	mustNamespace(t, g.reg, "acme")
	for name, issued := range map[string]time.Time{"none": {}, "before": now, "whole seconds before": now.Truncate(time.Second)} {
		if at(p, issued) == nil {
			t.Errorf("iat %s: it stands", name)
		}
	}
	if err := at(p, time.Now().Truncate(time.Second)); err != nil {
		t.Errorf("a token of the new namespace: %v", err)
	}
}

func TestLeavingRecords(t *testing.T) {
	for name, op := range map[string]kv.Op{
		"another's name": {Key: leavingKey("other"), Value: []byte(`{"id":"acme","since":"2026-01-01T00:00:00Z"}`)},
		"no time":        {Key: leavingKey("other"), Value: []byte(`{"id":"other"}`)},
		"garbage":        {Key: leavingKey("other"), Value: []byte(`{`)},
		"no name":        {Key: leavingKey(""), Value: []byte(`{"since":"2026-01-01T00:00:00Z"}`)},
		"in use as well": {Key: namespaceKey("acme"), Value: []byte(`{"id":"acme"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDisk(t).store(t)
			l, err := s.Claim(t.Context(), kv.NewSpace(hostClass, spaceRegistry))
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			ops := []kv.Op{{Key: leavingKey("acme"), Value: []byte(`{"id":"acme","since":"2026-01-01T00:00:00Z"}`)}, op}
			s.Commit(l, &kv.Delta{N: 1, Ops: ops}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			s.Release(l)
			if _, err := OpenRegistry(t.Context(), s, filepath.Join(t.TempDir(), "modules")); !errors.Is(err, kv.ErrCorrupt) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}
