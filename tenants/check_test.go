package tenants

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/kv"
)

// checked returns the codes that a check finds, sorted.
func (d disk) checked(t *testing.T) []string {
	t.Helper()
	s := d.store(t)
	defer s.Close()
	var codes []string
	if _, err := Check(t.Context(), s, d.blobs(), func(f kv.Damage) {
		t.Log(f)
		codes = append(codes, f.Code)
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(codes)
	return codes
}

func TestCheck(t *testing.T) {
	registry := kv.NewSpace("default", spaceRegistry)
	host := kv.NewSpace(hostClass, spaceRegistry)
	put := func(space kv.Space, key, value string) func(*testing.T, disk, kv.Store) {
		return func(t *testing.T, _ disk, s kv.Store) {
			l, err := s.Claim(t.Context(), space)
			if err != nil {
				t.Fatal(err)
			}
			op := kv.Op{Key: []byte(key)}
			if value != "" {
				op.Value = []byte(value)
			}
			done := make(chan error, 1)
			s.Commit(l, &kv.Delta{N: l.Pos + 1, Ops: []kv.Op{op}}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(f func(path string) error) func(*testing.T, disk, kv.Store) {
		return func(t *testing.T, d disk, _ kv.Store) {
			if err := f(filepath.Join(d.blobs(), fileName("x"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	namespace, _ := json.Marshal(Namespace{ID: "acme", Created: now()})
	for _, tt := range []struct {
		name   string
		damage func(*testing.T, disk, kv.Store)
		want   []string
	}{
		{"nothing", func(*testing.T, disk, kv.Store) {}, nil},
		{"a file is gone", file(os.Remove), []string{"module/missing_file"}},
		{"a file is cut off", file(func(p string) error { return os.Truncate(p, 0) }), []string{"module/wrong_file"}},
		{"a file has other bytes", file(func(p string) error { return os.WriteFile(p, []byte("y"), 0o600) }), []string{"module/wrong_file"}},
		{"a folder in place of a file", file(func(p string) error { os.Remove(p); return os.Mkdir(p, 0o700) }), []string{"module/unreadable_file"}},
		{"a file that nobody needs", file(func(p string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(p), fileName("z")), []byte("z"), 0o600)
		}), nil},
		{"a module is gone", put(registry, "mone", ""), []string{"tenants/bad_record", "tenants/bad_record"}},
		{"a module is garbage", put(registry, "mone", "{"), []string{"tenants/bad_record", "tenants/bad_record", "tenants/bad_record"}},
		{"a version is gone", put(registry, string(versionKey("one", 2)), ""), []string{"tenants/bad_catalog"}},
		{"the first version is gone", put(registry, string(versionKey("one", 1)), ""), []string{"tenants/bad_record"}},
		{"a version is garbage", put(registry, string(versionKey("one", 2)), "[]"), []string{"tenants/bad_record"}},
		{"a record of no kind", put(registry, "?", "x"), []string{"tenants/bad_record"}},
		{"a namespace is garbage", put(host, "nacme", "{}"), []string{"tenants/bad_host_record"}},
		{"a namespace under another name", put(host, "nother", string(namespace)), []string{"tenants/bad_host_record"}},
		{"a key is garbage", put(registry, "kcheck", "{}"), []string{"tenants/bad_record"}},
		{"a revocation is garbage", put(registry, "rtx", "{"), []string{"tenants/bad_record"}},
		{"a secret is garbage", put(registry, "sCHECK", `{"name":"CHECK","host":"a.example","version":1,"sealed":"AA=="}`), []string{"tenants/bad_record"}},
		{"a count of uploads is garbage", put(registry, "ux", "{}"), []string{"tenants/bad_record"}},
		{"an operator's revocation is garbage", put(host, "rtx", "{"), []string{"tenants/bad_host_record"}},
		{"a namespace with nothing", put(host, "nacme", string(namespace)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk(t)
			r, end := d.open(t)
			mustPublish(t, r, "x", sdk(Default, "one", "a"), true)
			mustPublish(t, r, "x2", sdk(Default, "one", "a"), true)
			keepTokens(t, r)
			end()
			s := d.store(t)
			tt.damage(t, d, s)
			s.Close()
			if got := d.checked(t); !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// keepTokens has a registry keep one of each thing about tokens.
func keepTokens(t *testing.T, r *Registry) {
	t.Helper()
	until, one := time.Now().Add(time.Hour), 1
	_, _, err := r.PutTokenKey(t.Context(), Default, NewTokenKey{ID: "check", URL: "https://keys.example/set"})
	for _, ns := range []ID{"", Default} {
		if err == nil {
			_, err = r.Revoke(t.Context(), ns, Revocation{TokenID: "gone", Until: until})
		}
	}
	if err == nil {
		err = r.CountUpload(t.Context(), Default, Principal{Namespace: Default, TokenID: "counted", Expires: until, Limits: &Limits{Uploads: &one}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestCheckSpace(t *testing.T) {
	known := Known{Default: InUse}
	actor := NewActorID(Default)
	for _, tt := range []struct {
		name  string
		space kv.Space
		want  string
		is    bool
	}{
		{"an actor's", actor.Space(), "", true},
		{"the post office's", PostOffice(Default).Space(), "", true},
		{"the registry's", kv.NewSpace("default", spaceRegistry), "", false},
		{"the host's", kv.NewSpace(hostClass, spaceRegistry), "", false},
		{"of another namespace", NewActorID("acme").Space(), "tenants/lost_namespace", false},
		{"of what can be none", kv.NewSpace("../x", "a"), "tenants/lost_namespace", false},
		{"of no kind", kv.NewSpace("default", "z123"), "tenants/unknown_space", false},
		{"an actor's that is too short", kv.NewSpace("default", "a123"), "tenants/unknown_space", false},
		{"the host's, of no kind", kv.NewSpace(hostClass, "z"), "tenants/lost_namespace", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			id, is := CheckSpace(tt.space, known, func(d kv.Damage) { got += d.Code })
			if got != tt.want || is != tt.is || is && id.Space() != tt.space {
				t.Errorf("got %q, %v, %t, want %q, %t", got, id, is, tt.want, tt.is)
			}
		})
	}
}
