package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
)

// A deletion that was answered goes on after a kill, a deleted namespace leaves no byte, and its name is free again.
func TestDeletedNamespaceIsGone(t *testing.T) {
	s := serve(t)
	operator := s.token("operator", "default")
	guest := actorstest.Guest(t, "examples/wasm/extism-as")
	create := func() {
		t.Helper()
		if a := s.request("POST", "/namespaces", operator, `{"name":"shop"}`); a.status != 200 {
			t.Fatalf("create: %s", a)
		}
	}
	create()
	admin := s.token("admin", "shop")
	if a := s.request("PUT", "/modules/plugin", admin, guest); a.status != 201 {
		t.Fatalf("upload: %s", a)
	}
	for _, key := range []string{"a", "b", "c"} {
		s.output(admin, s.actor(admin, "plugin", key), "count", "[]")
	}
	if a := s.request("DELETE", "/namespaces/shop?confirm=shop", operator, nil); a.status != 202 || !strings.Contains(string(a.body), `"deleting":{"since_ts":`) {
		t.Fatalf("delete: %s", a)
	}
	s.Kill()
	if exit, codes := verified(t, s.data); exit != 0 || codes != nil {
		t.Errorf("killed within a deletion: exit code %d and %q", exit, codes)
	}
	s.restart()
	if a := s.request("GET", "/modules", admin, nil); a.status != 404 {
		t.Errorf("after a restart its admin is answered %s", a)
	}
	s.await("the namespace to be gone", func() bool { return s.request("GET", "/namespaces/shop", operator, nil).status == 404 })
	s.Kill()
	if exit, codes := verified(t, s.data); exit != 0 || codes != nil {
		t.Errorf("after a deletion: exit code %d and %q", exit, codes)
	}
	if files, err := os.ReadDir(filepath.Join(s.data, moduleFolder)); len(files) > 0 || err != nil {
		t.Errorf("%d module files are left, %v", len(files), err)
	}
	s.restart()
	create()
	if a := s.request("GET", "/modules", admin, nil); a.status != 401 {
		t.Errorf("a token of the namespace before: %s", a)
	}
	if a := s.request("GET", "/modules", s.token("admin", "shop"), nil); a.status != 200 || string(a.body) != `{"modules":[]}` {
		t.Errorf("a new one: %s", a)
	}
}

// What a namespace that is not there has left is found, whatever kind of row it is.
func TestVerifyFindsRemains(t *testing.T) {
	whole, _ := takeBackup(t)
	data := filepath.Join(t.TempDir(), "data")
	if err := restoreAgain(whole, data); err != nil {
		t.Fatal(err)
	}
	s, err := badgerkv.Open(badgerkv.Config{Dir: filepath.Join(data, storeFolder)})
	if err != nil {
		t.Fatal(err)
	}
	var items []kv.Item
	for it, err := range s.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, kv.Item{Key: append([]byte(nil), it.Key...), Value: append([]byte(nil), it.Value...)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A name row of a class that nobody knows, in the place where it sorts.
	lost := kv.Item{Key: []byte("c\x04gonenx"), Value: append([]byte{0}, "aaaaaaaaaaaaaaaaa"...)}
	bad := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(bad, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := badgerkv.Load(badgerkv.Config{Dir: filepath.Join(bad, storeFolder)})
	if err != nil {
		t.Fatal(err)
	}
	placed := false
	for _, it := range items {
		if !placed && string(it.Key) > string(lost.Key) {
			placed = true
			if err := l.Put(lost); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Put(it); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(bad, moduleFolder), os.DirFS(filepath.Join(data, moduleFolder))); err != nil {
		t.Fatal(err)
	}
	if exit, codes := verified(t, bad); exit != 1 || strings.Join(codes, " ") != "store/name_of_nobody tenants/remains" {
		t.Errorf("exit code %d and %q", exit, codes)
	}
}
