package actors_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/kvtest"
	"github.com/vivarium-run/vivarium/tenants"
)

// parcel is the export of a namespace.
type parcel struct {
	rows    []kv.Item
	modules [][]byte
}

// departed exports a namespace.
func departed(t *testing.T, s *actorstest.Stack, ns tenants.ID) (p parcel) {
	t.Helper()
	modules, err := s.Host.ExportNamespace(t.Context(), ns, func(it kv.Item) error {
		p.rows = append(p.rows, kv.Item{Key: bytes.Clone(it.Key), Value: append([]byte{}, it.Value...)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range modules {
		wasm, err := s.Registry.Wasm(d)
		if err != nil {
			t.Fatal(err)
		}
		p.modules = append(p.modules, wasm)
	}
	return p
}

// arrive imports a namespace.
func arrive(t *testing.T, s *actorstest.Stack, as tenants.ID, p parcel) (actors.ImportedNamespace, error) {
	t.Helper()
	im, err := s.Host.BeginNamespaceImport(t.Context(), as)
	if err != nil {
		return actors.ImportedNamespace{}, err
	}
	defer im.Discard()
	for _, it := range p.rows {
		if err := im.Put(it); err != nil {
			return actors.ImportedNamespace{}, err
		}
	}
	for _, wasm := range p.modules {
		if err := im.Module(tenants.Digest(sha256.Sum256(wasm)), bytes.NewReader(wasm)); err != nil {
			return actors.ImportedNamespace{}, err
		}
	}
	return im.Finish()
}

// busyNamespace is the default namespace of a host that has ended, with two versions, one of them a canary, and actors with
// one of everything.
func busyNamespace(t *testing.T) (dir string, id tenants.ActorID) {
	t.Helper()
	dir, id = busyActor(t)
	s := actorstest.Open(t, actorstest.Options{Dir: dir, Config: whenNothingIsDue})
	second := append(slices.Clone(actorstest.Guest(t, actorstest.ScriptGuest)), 0, 3, 1, 'v', 2) // a custom section
	v := s.UploadBytes(tenants.Default, actors.UploadOptions{Module: "script", Labels: map[string]string{"commit": "abc"}, Note: "second"}, second)
	_, err := s.Registry.SetCanary(t.Context(), tenants.Default, "script", &tenants.Canary{Version: v.Number, Percent: 10})
	value, most := "value", int64(1000)
	_, err2 := s.Registry.SetConfig(t.Context(), tenants.Default, "script", map[string]*string{"name": &value})
	err3 := s.Registry.SetQuotas(t.Context(), tenants.Default, "", tenants.Quotas{tenants.QuotaActors: most})
	_, err4 := s.Registry.Revoke(t.Context(), tenants.Default, tenants.Revocation{TokenID: "gone", Until: time.Now().Add(time.Hour)})
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	child(t, s, id, "kid", abi.ChildLimits{Lifetime: 3_600_000})
	s.MustDo(id, step("task_timer", 3_600_000, "ctx"))
	s.Close()
	return dir, id
}

// whenNothingIsDue stops a host's clock before all that busyActor has left to do.
func whenNothingIsDue(c *actors.Config) {
	c.Now = actorstest.ClockAt(time.Now().Add(-12 * time.Hour)).Now
}

// kinds counts the rows of each table, those of actors by theirs.
func (p parcel) kinds() map[string]int {
	kinds := map[string]int{}
	for _, it := range p.rows {
		kinds[string(it.Key[:min(2, len(it.Key))])]++
		if it.Key[0] == 'i' && len(it.Key) > 2 {
			kinds[string(it.Key[:3])]++
		}
	}
	return kinds
}

// comparable returns the rows without what an import changes: the name, and where spaces stand.
func (p parcel) comparable() (rows []kv.Item) {
	for _, it := range p.rows {
		switch it.Key[0] {
		case 'n', 'u':
			continue
		case 'a':
			it.Value = nil
		case 'r':
			it.Value = bytes.Replace(it.Value, []byte(`"namespace":"default"`), []byte(`"namespace":"moved"`), 1)
		}
		rows = append(rows, it)
	}
	return rows
}

// A namespace goes to another host as a whole: its export there has the same rows, but for where its spaces stand.
func TestNamespaceDepartsAndArrives(t *testing.T) {
	dir, id := busyNamespace(t)
	s := actorstest.Open(t, actorstest.Options{Dir: dir, Config: whenNothingIsDue})
	p := departed(t, s, tenants.Default)
	kinds := p.kinds()
	for _, table := range []string{"n", "rm", "rq", "rr", "rv", "un", "is", "ik", "iq", "id", "ix", "im", "igc", "igt", "igq", "igl", "iC"} {
		if kinds[table] == 0 {
			t.Errorf("the export has no row %q: %v", table, kinds)
		}
	}
	if len(p.modules) != 2 {
		t.Errorf("%d modules", len(p.modules))
	}
	if _, err := s.Host.ExportNamespace(t.Context(), "none", func(kv.Item) error { return nil }); abi.CodeOf(err) != abi.CodeNamespaceNotFound {
		t.Errorf("an export of no namespace: %v", err)
	}

	other := actorstest.Open(t, actorstest.Options{Config: whenNothingIsDue})
	if _, err := arrive(t, other, "", p); abi.CodeOf(err) != abi.CodeNamespaceExists {
		t.Fatalf("where there is one: %v", err)
	}
	got, err := arrive(t, other, "moved", p)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "moved" || got.From != tenants.Default || got.Actors < 3 || got.Modules != 1 || got.Versions != 2 {
		t.Errorf("it made %+v", got)
	}
	back := departed(t, other, "moved")
	if diff := sameRows(p.comparable(), back.comparable()); diff != "" {
		t.Error(diff)
	}
	if !slices.EqualFunc(p.modules, back.modules, bytes.Equal) {
		t.Error("the modules are others")
	}
	if _, err := arrive(t, other, "moved", p); abi.CodeOf(err) != abi.CodeNamespaceExists {
		t.Errorf("a second time: %v", err)
	}
	there, _ := tenants.ParseActorID("moved", id.String())
	found, err := other.Host.Find(t.Context(), actorstest.Address(t, "moved", "script", "a"))
	if err != nil || found.ID != there {
		t.Errorf("its address finds %v, %v", found.ID, err)
	}
	_, state, _, err := other.Host.State(t.Context(), there)
	if string(state) != "state" || err != nil {
		t.Errorf("its state is %q, %v", state, err)
	}
	if list, _, err := other.Host.ListSchedules(t.Context(), there, "", 10); len(list) != 1 || list[0].Name != "hourly" || err != nil {
		t.Errorf("its schedules are %+v, %v", list, err)
	}
	m, err := other.Registry.Module("moved", "script")
	if err != nil || m.Live != 1 || m.Canary == nil || m.Canary.Percent != 10 || m.Config["name"] != "value" {
		t.Errorf("its module is %+v, %v", m, err)
	}
	if terms, _, err := other.Registry.Terms("moved"); terms.Overrides[tenants.QuotaActors] != 1000 || err != nil {
		t.Errorf("its terms are %+v, %v", terms, err)
	}
	// It works, and what it makes comes behind what it brought.
	if _, err := other.Host.Enqueue(t.Context(), there, actors.Message{Queue: "jobs", Body: json.RawMessage(`"new"`)}); err != nil {
		t.Error(err)
	}
	other.MustDo(there, step("state_set", "again"))
	other.Close()
	if err := actorstest.CheckData(other.Dir); err != nil {
		t.Error(err)
	}
}

// Whoever made it: what no host could have written is refused with its code, and leaves nothing.
func TestArrivalRefuses(t *testing.T) {
	dir, id := busyNamespace(t)
	s := actorstest.Open(t, actorstest.Options{Dir: dir, Config: whenNothingIsDue})
	good := departed(t, s, tenants.Default)
	row := func(key, value string) kv.Item { return kv.Item{Key: []byte(key), Value: []byte(value)} }
	at := func(prefix string) int {
		i := slices.IndexFunc(good.rows, func(it kv.Item) bool { return strings.HasPrefix(string(it.Key), prefix) })
		if i < 0 {
			t.Fatalf("no row %q", prefix)
		}
		return i
	}
	replaced := func(prefix string, by ...kv.Item) parcel {
		i := at(prefix)
		return parcel{slices.Concat(good.rows[:i], by, good.rows[i+1:]), good.modules}
	}
	after := func(prefix string, more ...kv.Item) parcel {
		i := at(prefix)
		return replaced(prefix, append([]kv.Item{good.rows[i]}, more...)...)
	}
	edited := func(prefix, old, new string) parcel {
		it := good.rows[at(prefix)]
		value := strings.Replace(string(it.Value), old, new, 1)
		if value == string(it.Value) {
			t.Fatalf("%q is not in %s", old, value)
		}
		return replaced(prefix, kv.Item{Key: it.Key, Value: []byte(value)})
	}
	due := func(body string) string {
		return string(binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli()))) + body
	}
	low, high := tenants.ActorID{Namespace: tenants.Default}, strings.Repeat("z", 26)
	tests := map[string]parcel{
		"nothing":                        {},
		"no namespace first":             {good.rows[1:], good.modules},
		"two namespaces":                 after("n", good.rows[0]),
		"a namespace of garbage":         replaced("n", row("n", "{")),
		"a namespace with more":          replaced("n", row("n", `{"namespace":"x","evil":1}`)),
		"a namespace of a path":          replaced("n", row("n", `{"namespace":"../x"}`)),
		"a key behind the table":         replaced("n", row("nx", `{"namespace":"x"}`)),
		"a secret that is no name":       replaced("n", row("n", `{"namespace":"x","secrets":["\u001b[31m"]}`)),
		"an unknown table":               after("n", row("z", "x")),
		"an empty key":                   after("n", row("", "x")),
		"records behind actors":          {append(slices.Clone(good.rows), row("rq", "{}")), good.modules},
		"a record twice":                 after("rq", good.rows[at("rq")]),
		"an empty record":                after("n", row("r", "{}")),
		"a record of no kind":            after("rv", row("rz", "{}")),
		"a secret":                       after("rr", row("rsTOKEN", `{"name":"TOKEN"}`)),
		"a module of garbage":            replaced("rm", row("rmscript", "{")),
		"a module of another name":       edited("rm", `"name":"script"`, `"name":"other"`),
		"a module of a path":             replaced("rm", row("rm../x", `{"namespace":"default","name":"../x","live":1,"latest":1}`)),
		"a live version that is not":     edited("rm", `"live":1`, `"live":9`),
		"more versions than there are":   edited("rm", `"latest":2`, `"latest":3`),
		"fewer versions than there are":  edited("rm", `"latest":2`, `"latest":1`),
		"a canary of all":                edited("rm", `"percent":10`, `"percent":100`),
		"a config with a long name":      edited("rm", `"name":"value"`, `"`+strings.Repeat("x", 1000)+`":"value"`),
		"a grant of no host":             edited("rm", `"config"`, `"grants":{"egress":["http://"]},"config"`),
		"a version of garbage":           replaced("rv", row("rvscript\x00\x00\x00\x00\x01", "{")),
		"a version of other actors":      edited("rv", `"script"`, `"scripts"`),
		"a version that asks for all":    edited("rv", `"report"`, `"egress":["evil.example"],"report"`),
		"a version that is plain":        edited("rv", `"codec"`, `"plain":true,"input":"args","codec"`),
		"a version of other bytes":       edited("rv", `"bytes":`, `"bytes":1`),
		"terms of garbage":               replaced("rq", row("rq", `{"overrides":{"actors":-1}}`)),
		"a key that is none":             after("n", row("rkx", `{"id":"x","public":"AAAA"}`)),
		"usage of no hour":               replaced("un", row("unx", "x")),
		"usage twice":                    after("un", good.rows[at("un")]),
		"an item of no actor":            {append(slices.Clone(good.rows[:at("a")]), row("is", "x")), good.modules},
		"an actor of no id":              replaced("a", row("a../x", `{"pos":1}`)),
		"an actor out of order":          {append(slices.Clone(good.rows), row("a"+low.String(), `{"pos":1}`)), good.modules},
		"an actor without a position":    replaced("a", kv.Item{Key: good.rows[at("a")].Key, Value: []byte(`{"pos":0}`)}),
		"an actor far ahead":             replaced("a", kv.Item{Key: good.rows[at("a")].Key, Value: []byte(`{"pos":18446744073709551615}`)}),
		"an actor with more":             replaced("a", kv.Item{Key: good.rows[at("a")].Key, Value: []byte(`{"pos":1,"epoch":7}`)}),
		"an actor without a record":      {append(slices.Clone(good.rows), row("a"+high[:25]+"w", `{"pos":1}`), row("is", "x")), good.modules},
		"an actor of nothing":            {append(slices.Clone(good.rows), row("a"+high[:25]+"w", `{"pos":1}`)), good.modules},
		"an actor that is never woken":   edited("a"+id.String(), `,"due"`, `,"due":null,"x"`),
		"a record of a path":             edited("im", `"name":"script"`, `"name":"../../etc"`),
		"a record with more":             edited("im", `"name":"script"`, `"evil":1,"name":"script"`),
		"a child without limits":         replaced("im", row("im", `{"name":"script","key":"x","created":1,"module":"script","parent":"`+id.String()+`"}`)),
		"a child of nobody":              replaced("im", row("im", `{"name":"script","key":"x","created":1,"module":"script","parent":"x","limits":{}}`)),
		"what an import left":            after("im", row("imi", "")),
		"a record of no kind in a space": after("im", row("imz", "")),
		"an item out of order":           after("im", row("ika", "x")),
		"a table of nobody":              after("is", row("iz", "x")),
		"a large value":                  replaced("ik", kv.Item{Key: good.rows[at("ik")].Key, Value: bytes.Repeat([]byte("x"), abi.MaxKVValue+1)}),
		"a task of garbage":              replaced("igt", row(string(good.rows[at("igt")].Key), due("{"))),
		"a task's body without a task":   after("im", row("iT1", "x")),
		"a schedule of another id":       replaced("igc", row("igcx", due(`{"id":"y","action":"nop"}`))),
		"a message without a body":       {slices.DeleteFunc(slices.Clone(good.rows), func(it kv.Item) bool { return it.Key[0] == 'i' && it.Key[1] == 'q' }), good.modules},
		"a letter of no kind":            replaced("idl", row("idl0000000000000009", `{"id":"0000000000000009","kind":"evil"}`)),
		"a wrong count of letters":       replaced("idn", row("idn", "\x63")),
		"a child that is none":           replaced("iC", row("iC1", "x")),
		"no modules":                     {good.rows, nil},
		"one module of two":              {good.rows, good.modules[:1]},
		"a module twice":                 {good.rows, [][]byte{good.modules[0], good.modules[0]}},
		"a module of no version":         {good.rows, append(slices.Clone(good.modules), []byte("\x00asm\x01\x00\x00\x00"))},
	}
	n := 0
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			ns := tenants.ID(fmt.Sprint("bad-", n))
			_, err := arrive(t, s, ns, p)
			if abi.CodeOf(err) != abi.CodeBadArchive {
				t.Fatalf("got %v", err)
			}
			if _, err := s.Registry.Namespace(ns); abi.CodeOf(err) != abi.CodeNamespaceNotFound {
				t.Errorf("the namespace is found: %v", err)
			}
		})
	}
	kvtest.Eventually(t, "what is left to go", func() bool { return len(s.Registry.Leaving()) == 0 })
	for i := range n {
		if left, err := s.Store.Remains(t.Context(), fmt.Sprint("bad-", i+1), 10); left != 0 || err != nil {
			t.Errorf("%d rows are left, %v", left, err)
		}
	}
	if back := departed(t, s, tenants.Default); !slices.EqualFunc(good.modules, back.modules, bytes.Equal) {
		t.Error("the modules of another namespace have gone")
	}
	if _, err := arrive(t, s, "moved", good); err != nil {
		t.Errorf("what is right: %v", err)
	}
	s.Close()
	if err := actorstest.CheckData(s.Dir); err != nil {
		t.Error(err)
	}
}
