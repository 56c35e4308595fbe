package tenants

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// keyOf is a key for secrets.
func keyOf(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }

func vaultOf(t testing.TB, letters ...string) *Vault {
	t.Helper()
	var old [][]byte
	for _, l := range letters[1:] {
		old = append(old, keyOf(l))
	}
	v, err := NewVault(keyOf(letters[0]), old...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func putSecret(t testing.TB, r *Registry, ns ID, name, value string, modules ...string) Secret {
	t.Helper()
	s, _, err := r.PutSecret(t.Context(), ns, NewSecret{Name: name, Host: "api.example.com", Modules: modules, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valueOf is what guests of the module m send for a secret, or the code of an error.
func valueOf(r *Registry, ns ID, name string) string {
	v, err := r.SecretValue(ns, "m", name, "api.example.com")
	if err != nil {
		return abi.CodeOf(err).String()
	}
	return v
}

// states lists a namespace's secrets as "name version state".
func states(r *Registry, ns ID) (list []string) {
	for _, s := range r.Secrets(ns) {
		list = append(list, fmt.Sprint(s.Name, " ", s.Version, " ", s.State))
	}
	return list
}

func TestSecrets(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	mustNamespace(t, r, "acme")
	value := []byte("sk-123456")
	s, created, err := r.PutSecret(t.Context(), Default, NewSecret{Name: "KEY", Host: "api.example.com", Modules: []string{"m", "b", "m"}, Value: value})
	if err != nil || !created || s.Version != 1 || !slices.Equal(s.Modules, []string{"b", "m"}) {
		t.Fatalf("got %+v, %v, %v", s, created, err)
	}
	if !bytes.Equal(value, make([]byte, len(value))) {
		t.Error("the caller's copy of the value is not wiped")
	}
	putSecret(t, r, Default, "OPEN", "sk-for-all")
	for what, got := range map[string]string{
		"its module":        valueOf(r, Default, "KEY"),
		"any module":        valueOf(r, Default, "OPEN"),
		"another namespace": valueOf(r, "acme", "KEY"),
		"no namespace":      valueOf(r, "absent", "KEY"),
		"another name":      valueOf(r, Default, "key"),
	} {
		want := map[string]string{"its module": "sk-123456", "any module": "sk-for-all", "no namespace": "namespace/not_found"}[what]
		if want == "" {
			want = "api/not_found"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	for _, to := range [][2]string{{"c", "api.example.com"}, {"m", "example.com"}, {"m", "api.example.com.evil.test"}, {"m", ""}} {
		if v, err := r.SecretValue(Default, to[0], "KEY", to[1]); abi.CodeOf(err) != abi.CodeNotFound || v != "" {
			t.Errorf("the module %s to %q: got %q, %v", to[0], to[1], v, err)
		}
	}
	if s = putSecret(t, r, Default, "KEY", "sk-654321"); s.Version != 2 || s.Modules != nil {
		t.Errorf("the second value is %+v", s)
	}
	end()
	r, _ = d.open(t)
	r.SetVault(vaultOf(t, "a"))
	if got := valueOf(r, Default, "KEY"); got != "sk-654321" {
		t.Errorf("after a restart: %s", got)
	}
	if got, want := states(r, Default), []string{"KEY 2 ready", "OPEN 1 ready"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := r.DeleteSecret(t.Context(), Default, "KEY"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, r.DeleteSecret(t.Context(), Default, "KEY"), abi.CodeNotFound)
	wantCode(t, r.DeleteSecret(t.Context(), "acme", "OPEN"), abi.CodeNotFound)
	if got := valueOf(r, Default, "KEY"); got != "api/not_found" {
		t.Errorf("after its end: %s", got)
	}
}

func TestSecretLimits(t *testing.T) {
	d := newDisk(t)
	r, _ := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("m", i))
		}
		return list
	}
	const good, host, long = "sk-123456", "api.example.com", maxSecretName
	tests := []struct {
		name, secret, host, value string
		modules                   []string
		ok                        bool
	}{
		{"longest name", strings.Repeat("A", long), host, good, nil, true},
		{"longer name", strings.Repeat("A", long+1), host, good, nil, false},
		{"no name", "", host, good, nil, false},
		{"small letters", "key", host, good, nil, false},
		{"hyphen", "A-B", host, good, nil, false},
		{"NUL", "A\x00", host, good, nil, false},
		{"digits", "_09", host, good, nil, true},
		{"no host", "A", "", good, nil, false},
		{"space in the host", "A", "a b", good, nil, false},
		{"host that is not canonical", "A", "API.example.com", good, nil, false},
		{"long host", "A", strings.Repeat("a", maxSecretHost+1), good, nil, false},
		{"shortest value", "A", host, "1234", nil, true},
		{"shorter value", "A", host, "123", nil, false},
		{"no value", "A", host, "", nil, false},
		{"longest value", "A", host, strings.Repeat("x", maxSecretValue), nil, true},
		{"longer value", "A", host, strings.Repeat("x", maxSecretValue+1), nil, false},
		{"line feed", "A", host, "sk-123\nx: y", nil, false},
		{"beyond ASCII", "A", host, "sk-123é", nil, false},
		{"a list of no modules", "A", host, good, []string{}, false},
		{"most modules", "A", host, good, names(maxSecretModules), true},
		{"more modules", "A", host, good, names(maxSecretModules + 1), false},
		{"a name that no module has", "A", host, good, []string{"a/b"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := r.PutSecret(t.Context(), Default, NewSecret{Name: tt.secret, Host: tt.host, Modules: tt.modules, Value: []byte(tt.value)})
			if tt.ok && err != nil {
				t.Fatal(err)
			}
			if !tt.ok {
				wantCode(t, err, abi.CodeInvalidRequest)
				if tt.value != "" && strings.Contains(err.Error(), tt.value) {
					t.Error("the error shows the value")
				}
			}
		})
	}
	for i := len(r.Secrets(Default)); i < maxSecrets; i++ {
		putSecret(t, r, Default, fmt.Sprint("N", i), good)
	}
	_, _, err := r.PutSecret(t.Context(), Default, NewSecret{Name: "ONE_MORE", Host: host, Value: []byte(good)})
	wantCode(t, err, abi.CodeInvalidRequest)
	putSecret(t, r, Default, "A", "another value") // in place of one
}

// TestSealedSecretsStayWhereTheyAre has whoever can write to the disk move a sealed value, or write another place
// beside it: it does not open.
func TestSealedSecretsStayWhereTheyAre(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	mustNamespace(t, r, "acme")
	s := putSecret(t, r, Default, "KEY", "sk-123456", "m")
	end()
	tests := map[string]func(*Secret){
		"another host":     func(s *Secret) { s.Host = "evil.test" },
		"other modules":    func(s *Secret) { s.Modules = nil },
		"another version":  func(s *Secret) { s.Version++ },
		"another name":     func(s *Secret) { s.Name = "OTHER" },
		"another key's id": func(s *Secret) { s.Key = "00" },
		"a bit":            func(s *Secret) { s.Sealed = slices.Clone(s.Sealed); s.Sealed[20] ^= 1 },
		"namespace":        func(*Secret) {},
		"nothing":          func(*Secret) {},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			moved, ns := s, Default
			if change(&moved); name == "namespace" {
				ns = "acme"
			}
			b, err := json.Marshal(moved)
			if err != nil {
				t.Fatal(err)
			}
			store := d.store(t)
			put(t, store, kv.NewSpace(string(ns), spaceRegistry), map[string]string{"s" + moved.Name: string(b)})
			r := openRegistry(t, store, d.blobs())
			r.SetVault(vaultOf(t, "a"))
			got, err := r.SecretValue(ns, "m", moved.Name, moved.Host)
			switch {
			case name == "nothing" && got != "sk-123456":
				t.Errorf("got %q, %v", got, err)
			case name != "nothing":
				wantCode(t, err, abi.CodeSecretUnreadable)
			}
			r.Close()
			store.Close()
		})
	}
}

// TestSecretsWithoutTheirKey: a host without a key, or with a wrong one, goes on, says so and overwrites nothing.
func TestSecretsWithoutTheirKey(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	putSecret(t, r, Default, "KEY", "sk-123456")
	end()

	r, end = d.open(t)
	if got := valueOf(r, Default, "KEY"); got != "secret/no_key" {
		t.Errorf("without a key: %s", got)
	}
	_, _, err := r.PutSecret(t.Context(), Default, NewSecret{Name: "KEY", Host: "api.example.com", Value: []byte("sk-654321")})
	wantCode(t, err, abi.CodeNoSecretsKey)
	if n, err := r.Reseal(t.Context()); err != nil || n != (Resealed{Unreadable: 1}) {
		t.Errorf("without a key: %+v, %v", n, err)
	}
	if got := states(r, Default); !slices.Equal(got, []string{"KEY 1 unreadable"}) {
		t.Errorf("without a key: %q", got)
	}
	end()

	r, end = d.open(t)
	r.SetVault(vaultOf(t, "b"))
	if n, err := r.Reseal(t.Context()); err != nil || n != (Resealed{Unreadable: 1}) {
		t.Errorf("with a wrong key: %+v, %v", n, err)
	}
	if got := valueOf(r, Default, "KEY"); got != "secret/unreadable" {
		t.Errorf("with a wrong key: %s", got)
	}
	putSecret(t, r, Default, "NEW", "sk-000000")
	end()

	r, _ = d.open(t)
	r.SetVault(vaultOf(t, "a"))
	if got := valueOf(r, Default, "KEY"); got != "sk-123456" {
		t.Errorf("with the key again: %s", got)
	}
	if got, want := states(r, Default), []string{"KEY 1 ready", "NEW 1 unreadable"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	putSecret(t, r, Default, "NEW", "sk-111111") // the way on when a key is lost
	if got := valueOf(r, Default, "NEW"); got != "sk-111111" {
		t.Errorf("set again: %s", got)
	}
}

// TestReseal changes the key: with the old one beside it nothing stops working, and afterwards the old one is not
// needed.
func TestReseal(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	mustNamespace(t, r, "acme")
	for i := range maxSecrets {
		putSecret(t, r, Default, fmt.Sprint("N", i), strings.Repeat("x", maxSecretValue)) // what one change must hold
	}
	putSecret(t, r, "acme", "KEY", "sk-123456")
	end()

	r, end = d.open(t)
	r.SetVault(vaultOf(t, "b", "a"))
	if got := states(r, "acme"); !slices.Equal(got, []string{"KEY 1 old_key"}) || valueOf(r, "acme", "KEY") != "sk-123456" {
		t.Errorf("before: %q", got)
	}
	putSecret(t, r, Default, "N0", "sk-of-the-new-key")
	if n, err := r.Reseal(t.Context()); err != nil || n != (Resealed{Moved: maxSecrets}) {
		t.Errorf("got %+v, %v", n, err)
	}
	if n, err := r.Reseal(t.Context()); err != nil || n != (Resealed{}) {
		t.Errorf("again: %+v, %v", n, err)
	}
	end()

	r, _ = d.open(t)
	r.SetVault(vaultOf(t, "b"))
	if got := valueOf(r, "acme", "KEY"); got != "sk-123456" {
		t.Errorf("with the new key alone: %s", got)
	}
	for _, s := range r.Secrets(Default) {
		if s.State != SecretReady || s.Version > 2 {
			t.Errorf("with the new key alone: %s %d %s", s.Name, s.Version, s.State)
		}
	}
}

// TestResealGoesOn has the store refuse a namespace's change, as a full disk would: the old key goes on to serve, and
// the next start does the rest.
func TestResealGoesOn(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	mustNamespace(t, r, "acme", "zoo")
	for _, ns := range []ID{"acme", Default, "zoo"} {
		putSecret(t, r, ns, "KEY", "sk-123456")
	}
	end()
	s := d.store(t)
	r = openRegistry(t, s, d.blobs())
	r.SetVault(vaultOf(t, "b", "a"))
	other, err := s.Claim(t.Context(), kv.NewSpace(string(Default), spaceRegistry)) // fences the registry's lease
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.Reseal(t.Context())
	if err == nil || n.Moved != 1 {
		t.Errorf("got %+v, %v", n, err)
	}
	for _, ns := range []ID{"acme", Default, "zoo"} {
		if got := valueOf(r, ns, "KEY"); got != "sk-123456" {
			t.Errorf("%s: %s", ns, got)
		}
	}
	s.Release(other)
	r.Close()
	s.Close()
	r, _ = d.open(t)
	r.SetVault(vaultOf(t, "b", "a"))
	if n, err := r.Reseal(t.Context()); err != nil || n.Moved != 2 {
		t.Errorf("the next start: %+v, %v", n, err)
	}
}

// TestSecretsAtOnce hammers one secret: what is read is one of its values, whole.
func TestSecretsAtOnce(t *testing.T) {
	d := newDisk(t)
	r, _ := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	putSecret(t, r, Default, "KEY", "00000000")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 10 {
				putSecret(t, r, Default, "KEY", strings.Repeat(fmt.Sprint(i), 8))
			}
		})
		all.Go(func() {
			for range 200 {
				v, err := r.SecretValue(Default, "m", "KEY", "api.example.com")
				if err != nil || len(v) != 8 || strings.Trim(v, v[:1]) != "" {
					t.Errorf("got %q, %v", v, err)
				}
			}
		})
	}
	all.Wait()
	if s := r.Secrets(Default)[0]; s.Version != 41 {
		t.Errorf("the version is %d", s.Version)
	}
}

// TestSecretsAreSealedOnDisk looks for the value in each file.
func TestSecretsAreSealedOnDisk(t *testing.T) {
	d := newDisk(t)
	r, end := d.open(t)
	r.SetVault(vaultOf(t, "a"))
	const value = "sk-that-must-not-be-on-disk"
	one := putSecret(t, r, Default, "KEY", value)
	two := putSecret(t, r, Default, "KEY", value)
	if bytes.Equal(one.Sealed[:12], two.Sealed[:12]) {
		t.Error("two values have one nonce")
	}
	end()
	files := 0
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(value)) || bytes.Contains(b, keyOf("a")) {
			t.Errorf("%s has the value, or the key", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestVaultsAreStrict(t *testing.T) {
	for _, keys := range [][][]byte{{nil}, {make([]byte, 31)}, {keyOf("a"), nil}} {
		if _, err := NewVault(keys[0], keys[1:]...); err == nil {
			t.Errorf("%d keys, the first of %d bytes, were taken", len(keys), len(keys[0]))
		}
	}
}
