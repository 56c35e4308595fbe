package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// put writes items behind the registry's back.
func put(t *testing.T, s kv.Store, space kv.Space, items map[string]string) {
	t.Helper()
	l, err := s.Claim(context.Background(), space)
	if err != nil {
		t.Fatal(err)
	}
	d := &kv.Delta{N: l.Pos + 1}
	for key, value := range items {
		d.Ops = append(d.Ops, kv.Op{Key: []byte(key), Value: []byte(value)})
	}
	done := make(chan error, 1)
	s.Commit(l, d, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.Release(l)
}

// TestCorruptRecords has records that no registry wrote. Opening fails, with the key, and never
// panics: a host that goes on without them would give their names away.
func TestCorruptRecords(t *testing.T) {
	host, own := kv.NewSpace(hostClass, spaceRegistry), kv.NewSpace("default", spaceRegistry)
	module := `{"namespace":"default","name":"m","live":1,"latest":1}`
	version := `{"namespace":"default","module":"m","number":1,"digest":"` + strings.Repeat("0", 64) + `","codec":"json","actors":{"a":{}}}`
	secret := `{"name":"A","host":"a.example","modules":["m"],"version":1,"sealed":"` + strings.Repeat("AAAA", 11) + `"}`
	key := string(versionKey("m", 1))
	good := map[string]string{"mm": module, key: version}
	edit := func(old, new string) map[string]string {
		out := map[string]string{}
		for k, v := range good {
			out[k] = strings.ReplaceAll(v, old, new)
		}
		return out
	}
	tests := []struct {
		name  string
		space kv.Space
		items map[string]string
		ok    bool
	}{
		{"good", own, good, true},
		{"unknown kind", own, map[string]string{"x": "{}"}, false},
		{"module is not JSON", own, map[string]string{"mm": "{"}, false},
		{"module is null", own, map[string]string{"mm": "null"}, false},
		{"module without versions", own, map[string]string{"mm": module}, false},
		{"module with too many versions", own, edit(`"latest":1`, `"latest":2`), false},
		{"module with no versions at all", own, map[string]string{"mm": `{"namespace":"default","name":"m"}`}, false},
		{"module of another name", own, map[string]string{"mn": module, key: version}, false},
		{"module of another namespace", own, edit(`"default"`, `"acme"`), false},
		{"module with a malformed name", own, map[string]string{"m/": `{"namespace":"default","name":"/","latest":1}`}, false},
		{"live version beyond", own, edit(`"live":1`, `"live":2`), false},
		{"live version below", own, edit(`"live":1`, `"live":-1`), false},
		{"live version is text", own, edit(`"live":1`, `"live":"1"`), false},
		{"version without module", own, map[string]string{key: version}, false},
		{"version is not JSON", own, map[string]string{"mm": module, key: ""}, false},
		{"version with another number", own, edit(`"number":1`, `"number":2`), false},
		{"version zero", own, map[string]string{"mm": module, string(versionKey("m", 0)): strings.Replace(version, `"number":1`, `"number":0`, 1)}, false},
		{"a gap", own, map[string]string{"mm": module, string(versionKey("m", 2)): strings.Replace(version, `"number":1`, `"number":2`, 1)}, false},
		{"malformed digest", own, edit(`"digest":"0`, `"digest":"g`), false},
		{"no actors", own, edit(`{"a":{}}`, `{}`), false},
		{"malformed actor", own, edit(`"a":{}`, `"/":{}`), false},
		{"unknown codec", own, edit(`"codec":"json"`, `"codec":"x"`), false},
		{"one actor of two modules", own, map[string]string{
			"mm": module, key: version,
			"mn": strings.Replace(module, `"m"`, `"n"`, 1), string(versionKey("n", 1)): strings.Replace(version, `"m"`, `"n"`, 1),
		}, false},
		{"good secret", own, map[string]string{"sA": secret}, true},
		{"secret of another name", own, map[string]string{"sB": secret}, false},
		{"secret for no host", own, map[string]string{"sA": strings.Replace(secret, "a.example", "", 1)}, false},
		{"secret for a host in another spelling", own, map[string]string{"sA": strings.Replace(secret, "a.example", "A.example", 1)}, false},
		{"secret with a malformed name", own, map[string]string{"sa": strings.Replace(secret, `"A"`, `"a"`, 1)}, false},
		{"secret for a malformed module", own, map[string]string{"sA": strings.Replace(secret, `"m"`, `"/"`, 1)}, false},
		{"secret that is too short to be sealed", own, map[string]string{"sA": strings.Replace(secret, "AAAA", "", 2)}, false},
		{"secret of version 0", own, map[string]string{"sA": strings.Replace(secret, `"version":1`, `"version":0`, 1)}, false},
		{"good namespace", host, map[string]string{"nacme": `{"id":"acme"}`}, true},
		{"namespace is not JSON", host, map[string]string{"nacme": `x`}, false},
		{"namespace of another name", host, map[string]string{"nacme": `{"id":"umbrella"}`}, false},
		{"namespace as the host", host, map[string]string{"n.": `{"id":"."}`}, false},
		{"namespace without a name", host, map[string]string{"n": `{}`}, false},
		{"unknown kind in the host's space", host, map[string]string{"x": `{"id":"acme"}`}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk(t)
			s := d.store(t)
			openRegistry(t, s, d.blobs()).Close() // so that there is a default
			put(t, s, tt.space, tt.items)
			r, err := OpenRegistry(context.Background(), s, d.blobs())
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				r.Close()
				return
			}
			if !errors.Is(err, kv.ErrCorrupt) {
				t.Fatalf("OpenRegistry = %v, want %v", err, kv.ErrCorrupt)
			}
			wantCode(t, err, abi.CodeInternal)
		})
	}
}

// FuzzReader holds that any two items give a catalog that fits together, or an error.
func FuzzReader(f *testing.F) {
	module := `{"namespace":"acme","name":"m","live":1,"latest":1,"config":{"a":"b"}}`
	version := `{"namespace":"acme","module":"m","number":1,"digest":"` + strings.Repeat("0", 64) + `","codec":"json","actors":{"a":{}}}`
	f.Add([]byte("mm"), []byte(module), versionKey("m", 1), []byte(version))
	f.Add([]byte("mm"), []byte(module), []byte("mm"), []byte(module))
	f.Add([]byte("vm"), []byte(version), []byte(""), []byte("null"))
	f.Add([]byte("ka"), []byte(`{"id":"a","url":"https://a.example/k","issuer":"a","audience":"b","role":"admin"}`), []byte("rtx"), []byte(`{"token_id":"x"}`))
	f.Add([]byte("sA"), []byte(`{"name":"A","host":"a.example","version":1,"sealed":"`+strings.Repeat("A", 48)+`"}`), []byte("sB"), []byte(`{"name":"B","host":"A"}`))
	f.Add([]byte("ux"), []byte(`{"token":"x","used":1}`), []byte("kb"), []byte(`{}`))
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 []byte) {
		rd := newReader("acme")
		if rd.add(kv.Item{Key: k1, Value: v1}) != nil || rd.add(kv.Item{Key: k2, Value: v2}) != nil {
			return
		}
		c, err := rd.catalog()
		if err != nil {
			return
		}
		for _, m := range c.list() {
			if m.Namespace != "acme" || !ValidName(m.Name) || m.Latest != len(c.modules[m.Name].versions) {
				t.Errorf("module %+v", m)
			}
		}
		for actor, v := range c.live {
			if c.owners[actor] != v.Module || c.modules[v.Module].Live != v.Number {
				t.Errorf("%s is served by %+v, owned by %s", actor, v, c.owners[actor])
			}
			if _, err := json.Marshal(v); err != nil {
				t.Error(err)
			}
		}
	})
}
