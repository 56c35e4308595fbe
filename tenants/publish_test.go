package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func TestPublish(t *testing.T) {
	r, _ := newDisk(t).open(t)
	labels := map[string]string{"git": "abc"}
	in := sdk(Default, "m", "room")
	in.Labels, in.Number, in.Digest, in.Bytes = labels, 7, Digest{1}, 99
	v, created, err := publish(r, "one", in, true)
	if err != nil || !created || v.Number != 1 || v.Bytes != 3 || v.Digest == in.Digest || v.Created.IsZero() {
		t.Fatalf("Publish = %+v, %v, %v", v, created, err)
	}
	labels["git"], in.Actors["evil"] = "changed by the caller", abi.ActorManifest{}
	if got := mustVersion(t, r, Default, "m", 1); got.Labels["git"] != "abc" || len(got.Actors) != 1 {
		t.Errorf("the registry shares memory with its caller: %+v", got)
	}

	steps := []struct {
		name, wasm  string
		live        bool
		wantNumber  int
		wantCreated bool
		wantLive    int
	}{
		{"second, not live", "two", false, 2, true, 1},
		{"third", "three", true, 3, true, 3},
		{"old bytes, not live", "one", false, 1, false, 3},
		{"old bytes", "one", true, 1, false, 1},
		{"live bytes again", "one", true, 1, false, 1},
		{"newest bytes again", "three", true, 3, false, 3},
	}
	for _, tt := range steps {
		v := sdk(Default, "m", "room")
		v.Labels = map[string]string{"step": tt.name}
		got, created, err := publish(r, tt.wasm, v, tt.live)
		if err != nil || got.Number != tt.wantNumber || created != tt.wantCreated {
			t.Fatalf("%s: %+v, %v, %v", tt.name, got, created, err)
		}
		if !created && got.Labels["step"] == tt.name {
			t.Errorf("%s: the old version took new labels", tt.name)
		}
		if m, _ := r.Module(Default, "m"); m.Live != tt.wantLive {
			t.Errorf("%s: version %d is live, want %d", tt.name, m.Live, tt.wantLive)
		}
		if live, err := r.Resolve(Default, "room"); err != nil || live.Number != tt.wantLive {
			t.Errorf("%s: Resolve = %+v, %v, want version %d", tt.name, live, err, tt.wantLive)
		}
	}
	if all, err := r.Versions(Default, "m"); err != nil || len(all) != 3 {
		t.Errorf("%d versions, %v, want 3", len(all), err)
	}
}

func TestPublishFirstNotLive(t *testing.T) {
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "room"), false)
	if m, _ := r.Module(Default, "m"); m.Live != 0 || m.Latest != 1 {
		t.Errorf("module %+v, want none live of 1", m)
	}
	_, err := r.Resolve(Default, "room")
	wantCode(t, err, abi.CodeActorNoVersion)
	if m, err := r.SetLive(context.Background(), Default, "m", 1); err != nil || m.Live != 1 {
		t.Errorf("SetLive = %+v, %v", m, err)
	}
}

func TestPublishPlain(t *testing.T) {
	r, _ := newDisk(t).open(t)
	plain := Version{Namespace: Default, Module: "count", Plain: true}
	v := mustPublish(t, r, "x", plain, true)
	if _, ok := v.Actors["count"]; !ok || len(v.Actors) != 1 || v.Input != InputArgs || v.Codec != abi.JSON {
		t.Errorf("version %+v, want the defaults of a plain module", v)
	}
	plain.Input = InputValue
	if v := mustPublish(t, r, "x", plain, true); v.Number != 2 || v.Input != InputValue {
		t.Errorf("the same bytes in another form are %+v, want version 2", v)
	}
	plain.Input = InputArgs
	if v := mustPublish(t, r, "x", plain, true); v.Number != 1 {
		t.Errorf("the same bytes in the first form are %+v, want version 1", v)
	}
}

func TestPublishRefuses(t *testing.T) {
	r, _ := newDisk(t).open(t)
	many := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(i)] = "x"
		}
		return m
	}
	actors := func(n int) map[string]abi.ActorManifest {
		m := map[string]abi.ActorManifest{}
		for i := range n {
			m[fmt.Sprint("a", i)] = abi.ActorManifest{}
		}
		return m
	}
	label := func(k, v string) func(*Version) {
		return func(o *Version) { o.Labels = map[string]string{k: v} }
	}
	tests := []struct {
		name   string
		change func(*Version)
		want   abi.Code // 0 means success
	}{
		{"nothing wrong", func(v *Version) {}, 0},
		{"no module name", func(v *Version) { v.Module = "" }, abi.CodeInvalidRequest},
		{"malformed module name", func(v *Version) { v.Module = "a/b" }, abi.CodeInvalidRequest},
		{"module name with NUL", func(v *Version) { v.Module = "a\x00b" }, abi.CodeInvalidRequest},
		{"no actors", func(v *Version) { v.Actors = nil }, abi.CodeModuleLimit},
		{"256 actors", func(v *Version) { v.Actors = actors(256) }, 0},
		{"257 actors", func(v *Version) { v.Actors = actors(257) }, abi.CodeModuleLimit},
		{"malformed actor name", func(v *Version) { v.Actors = map[string]abi.ActorManifest{"a/b": {}} }, abi.CodeModuleInvalid},
		{"no codec", func(v *Version) { v.Codec = "" }, abi.CodeModuleInvalid},
		{"unknown codec", func(v *Version) { v.Codec = "xml" }, abi.CodeModuleInvalid},
		{"input form with a manifest", func(v *Version) { v.Input = InputArgs }, abi.CodeInvalidRequest},
		{"unknown input form", func(v *Version) { *v = Version{Namespace: Default, Module: "p", Plain: true, Input: "x"} }, abi.CodeInvalidRequest},
		{"plain with another name", func(v *Version) { v.Plain = true }, abi.CodeModuleInvalid},
		{"16 labels", func(v *Version) { v.Labels = many(16) }, 0},
		{"17 labels", func(v *Version) { v.Labels = many(17) }, abi.CodeInvalidRequest},
		{"empty label", label("", "x"), abi.CodeInvalidRequest},
		{"longest label", label(strings.Repeat("k", 64), strings.Repeat("v", 256)), 0},
		{"label too long", label(strings.Repeat("k", 65), "x"), abi.CodeInvalidRequest},
		{"label value too long", label("k", strings.Repeat("v", 257)), abi.CodeInvalidRequest},
		{"label with a line break", label("k\n", "x"), abi.CodeInvalidRequest},
		{"label value is not UTF-8", label("k", "\xff"), abi.CodeInvalidRequest},
		{"longest note", func(v *Version) { v.Note = strings.Repeat("n", 4096) }, 0},
		{"note too long", func(v *Version) { v.Note = strings.Repeat("n", 4097) }, abi.CodeInvalidRequest},
		{"note is not UTF-8", func(v *Version) { v.Note = "\xff" }, abi.CodeInvalidRequest},
		{"large report", func(v *Version) { v.Report = json.RawMessage(`"` + strings.Repeat("r", 400<<10) + `"`) }, 0},
		{"report too large", func(v *Version) { v.Report = json.RawMessage(`"` + strings.Repeat("r", 512<<10) + `"`) }, abi.CodeModuleLimit},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := sdk(Default, fmt.Sprint("m", i), fmt.Sprint("actor", i))
			tt.change(&v)
			before := dump(t, r)
			got, _, err := publish(r, tt.name, v, true)
			if tt.want == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := r.DeleteModule(context.Background(), Default, got.Module); err != nil {
					t.Fatal(err)
				}
				return
			}
			wantCode(t, err, tt.want)
			if after := dump(t, r); after != before {
				t.Errorf("a refused publish changed the registry from\n%s\nto\n%s", before, after)
			}
		})
	}
	wantFiles(t, r.blobs.dir) // refused and deleted alike
}

func TestNameTaken(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "1", sdk(Default, "shop", "cart", "stock"), true)
	_, _, err := publish(r, "2", sdk(Default, "other", "other", "stock"), true)
	wantCode(t, err, abi.CodeModuleNameTaken)
	wantMetadata(t, err, `{"actor":"stock","module":"shop"}`)
	_, _, err = publish(r, "3", Version{Namespace: Default, Module: "cart", Plain: true}, false)
	wantCode(t, err, abi.CodeModuleNameTaken)
	wantMetadata(t, err, `{"actor":"cart","module":"shop"}`)

	// A name stays with the module when no live version has it, for the old one may come back.
	mustPublish(t, r, "4", sdk(Default, "shop", "cart"), true)
	_, _, err = publish(r, "2", sdk(Default, "other", "stock"), true)
	wantCode(t, err, abi.CodeModuleNameTaken)
	// And it is taken by a version that was never live.
	mustPublish(t, r, "5", sdk(Default, "shop", "cart", "till"), false)
	_, _, err = publish(r, "2", sdk(Default, "other", "till"), true)
	wantCode(t, err, abi.CodeModuleNameTaken)

	mustNamespace(t, r, "acme")
	mustPublish(t, r, "2", sdk("acme", "other", "stock"), true)
	if err := r.DeleteModule(ctx, Default, "shop"); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, r, "2", sdk(Default, "other", "stock", "till"), true)
	if v := mustPublish(t, r, "1", sdk(Default, "shop", "cart"), true); v.Number != 1 {
		t.Errorf("a module made again begins with version %d, want 1", v.Number)
	}
}

func TestModuleInUse(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustNamespace(t, r, "acme")
	used := map[string]bool{}
	var broken error
	r.SetHasActors(func(ns ID, actor string) (bool, error) { return ns == "acme" && used[actor], broken })
	mustPublish(t, r, "abc", sdk("acme", "m", "a", "b", "c"), true)
	mustPublish(t, r, "a", sdk("acme", "m", "a"), false)
	maps.Copy(used, map[string]bool{"b": true, "c": true})

	_, err := r.SetLive(ctx, "acme", "m", 2)
	wantCode(t, err, abi.CodeModuleInUse)
	wantMetadata(t, err, `{"actors":["b","c"]}`)
	_, _, err = publish(r, "a", sdk("acme", "m", "a"), true) // identical bytes
	wantCode(t, err, abi.CodeModuleInUse)
	_, _, err = publish(r, "ab", sdk("acme", "m", "a", "b"), true)
	wantCode(t, err, abi.CodeModuleInUse)
	wantMetadata(t, err, `{"actors":["c"]}`)
	if m, _ := r.Module("acme", "m"); m.Live != 1 || m.Latest != 2 {
		t.Errorf("a refused change left %+v", m)
	}
	err = r.DeleteModule(ctx, "acme", "m")
	wantCode(t, err, abi.CodeModuleInUse)
	wantMetadata(t, err, `{"actors":["b","c"]}`)

	mustPublish(t, r, "bc", sdk("acme", "m", "b", "c"), true) // lacks a, which has no actors
	if v := mustPublish(t, r, "ab", sdk("acme", "m", "a", "b"), true, Force); v.Number != 4 {
		t.Errorf("version %d, want 4", v.Number)
	}
	_, err = r.Resolve("acme", "c")
	wantCode(t, err, abi.CodeActorNoVersion)
	if m, err := r.SetLive(ctx, "acme", "m", 2, Force); err != nil || m.Live != 2 {
		t.Errorf("SetLive = %+v, %v", m, err)
	}
	_, err = r.SetLive(ctx, "acme", "m", 4) // better than before, and still lacks c
	wantCode(t, err, abi.CodeModuleInUse)

	clear(used)
	broken = errors.New("disk on fire")
	if err := r.DeleteModule(ctx, "acme", "m"); !errors.Is(err, broken) {
		t.Errorf("DeleteModule = %v, want %v", err, broken)
	}
	broken = nil
	if err := r.DeleteModule(ctx, "acme", "m"); err != nil {
		t.Error(err)
	}
}

func TestSetLiveRefuses(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "a"), true)
	for n, want := range map[int]abi.Code{0: abi.CodeInvalidRequest, -1: abi.CodeInvalidRequest, 2: abi.CodeModuleNotFound, 1 << 40: abi.CodeModuleNotFound} {
		_, err := r.SetLive(ctx, Default, "m", n)
		wantCode(t, err, want)
	}
	_, err := r.SetLive(ctx, Default, "none", 1)
	wantCode(t, err, abi.CodeModuleNotFound)
	_, err = r.Version(Default, "m", 0)
	wantCode(t, err, abi.CodeModuleNotFound)
	wantCode(t, r.DeleteModule(ctx, Default, "none"), abi.CodeModuleNotFound)
}

func TestSetConfig(t *testing.T) {
	ctx := context.Background()
	r, _ := newDisk(t).open(t)
	mustPublish(t, r, "x", sdk(Default, "m", "a"), true)
	full := map[string]*string{}
	for i := range 64 {
		full[fmt.Sprint(i)] = ptr("v")
	}
	none := map[string]*string{}
	for name := range full {
		none[name] = nil
	}
	one := func(name string, value *string) map[string]*string { return map[string]*string{name: value} }
	steps := []struct {
		name    string
		changes map[string]*string
		want    abi.Code // 0 means success
		wantLen int      // entries afterwards
	}{
		{"one", one("a", ptr("1")), 0, 1},
		{"no change", nil, 0, 1},
		{"replace", one("a", ptr("2")), 0, 1},
		{"delete what is not there", one("b", nil), 0, 1},
		{"delete", one("a", nil), 0, 0},
		{"64 entries", full, 0, 64},
		{"65 entries", one("a", ptr("1")), abi.CodeInvalidRequest, 64},
		{"one for another", map[string]*string{"a": ptr("1"), "0": nil}, 0, 64},
		{"delete all", none, 0, 1},
		{"longest", one(strings.Repeat("n", 128), ptr(strings.Repeat("v", 4096))), 0, 2},
		{"name too long", one(strings.Repeat("n", 129), ptr("")), abi.CodeInvalidRequest, 2},
		{"value too long", one("n", ptr(strings.Repeat("v", 4097))), abi.CodeInvalidRequest, 2},
		{"empty name", one("", ptr("")), abi.CodeInvalidRequest, 2},
		{"name with a control character", one("\x00", nil), abi.CodeInvalidRequest, 2},
		{"value is not UTF-8", one("n", ptr("\xff")), abi.CodeInvalidRequest, 2},
		{"empty value, line breaks", map[string]*string{"e": ptr(""), "n": ptr("a\nb\x00")}, 0, 4},
	}
	for _, tt := range steps {
		before := r.Config(Default, "m")
		kept := maps.Clone(before)
		m, err := r.SetConfig(ctx, Default, "m", tt.changes)
		if abi.CodeOf(err) != tt.want {
			t.Fatalf("%s: %v, want %v", tt.name, err, tt.want)
		}
		got := r.Config(Default, "m")
		if len(got) != tt.wantLen || err == nil && !reflect.DeepEqual(m.Config, got) {
			t.Errorf("%s: config %v, answered %v, want %d entries", tt.name, got, m.Config, tt.wantLen)
		}
		if !maps.Equal(before, kept) {
			t.Errorf("%s: a reader's config changed under it", tt.name)
		}
	}
	_, err := r.SetConfig(ctx, Default, "none", one("a", ptr("1")))
	wantCode(t, err, abi.CodeModuleNotFound)

	bomb := map[string]*string{}
	for i := range 50 {
		bomb[fmt.Sprint(i)] = ptr(strings.Repeat("\x01", 4096)) // six bytes each as JSON
	}
	_, err = r.SetConfig(ctx, Default, "m", bomb)
	wantCode(t, err, abi.CodeInvalidRequest)
}

// TestCatalogLimits fills a namespace without the disk, which would take minutes.
func TestCatalogLimits(t *testing.T) {
	p := &program{Module: Module{Name: "m"}}
	var err error
	for n := 1; n <= maxVersions; n++ {
		if p, err = p.add(&Version{Module: "m", Number: n, Actors: map[string]abi.ActorManifest{"a": {}}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = p.add(&Version{Module: "m", Number: maxVersions + 1})
	wantCode(t, err, abi.CodeModuleLimit)

	c, _ := newCatalog(map[string]*program{})
	for n := range maxModules {
		if c, err = c.with(&program{Module: Module{Name: fmt.Sprint("m", n)}}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.with(p)
	wantCode(t, err, abi.CodeModuleLimit)
	if _, err := c.with(&program{Module: Module{Name: "m7"}}); err != nil {
		t.Errorf("a change of a module in a full namespace: %v", err)
	}
}
