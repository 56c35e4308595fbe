package actors_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
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

// exported returns the rows of an actor's export.
func exported(t *testing.T, s *actorstest.Stack, id tenants.ActorID) (rows []kv.Item) {
	t.Helper()
	err := s.Host.Export(t.Context(), id, func(it kv.Item) error {
		rows = append(rows, kv.Item{Key: bytes.Clone(it.Key), Value: append([]byte{}, it.Value...)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// imported imports rows and returns the new actor.
func imported(t *testing.T, s *actorstest.Stack, ns tenants.ID, key string, rows []kv.Item) (actors.Info, error) {
	t.Helper()
	k, err := tenants.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}
	im, err := s.Host.BeginImport(t.Context(), ns, &k)
	if err != nil {
		return actors.Info{}, err
	}
	defer im.Discard()
	for _, it := range rows {
		if err := im.Put(it); err != nil {
			return actors.Info{}, err
		}
	}
	return im.Finish()
}

func sameRows(a, b []kv.Item) string {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || !bytes.Equal(a[i].Key, b[i].Key) || !bytes.Equal(a[i].Value, b[i].Value) {
			show := func(l []kv.Item) string {
				if i >= len(l) {
					return "nothing"
				}
				return fmt.Sprintf("%q = %.200q", l[i].Key, l[i].Value)
			}
			return fmt.Sprintf("row %d: %s, and %s", i, show(a), show(b))
		}
	}
	return ""
}

// An actor that has one of everything goes to another host and is the same there; an export of it has the same bytes.
func TestExportAndImport(t *testing.T) {
	dir, id := busyActor(t)
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	rows := exported(t, s, id)
	kinds := map[string]int{}
	for _, it := range rows {
		kinds[string(it.Key[:1])]++
	}
	for _, table := range []string{"m", "s", "k", "g", "q", "d", "x"} {
		if kinds[table] == 0 {
			t.Errorf("the export has no row %q: %v", table, kinds)
		}
	}
	for _, it := range rows {
		if strings.ContainsAny(string(it.Key[:1]), "STCPR") || strings.HasPrefix(string(it.Key), "go") || strings.HasPrefix(string(it.Key), "gt") || strings.HasPrefix(string(it.Key), "gf") {
			t.Errorf("it has work that is under way elsewhere: %q", it.Key)
		}
	}
	if info, err := imported(t, s, tenants.Default, "elsewhere", rows); err != nil || info.ID == id || info.Version == 0 {
		t.Errorf("into its own namespace: %+v, %v", info, err)
	}

	other := actorstest.Open(t, actorstest.Options{})
	if _, err := imported(t, other, tenants.Default, "x", rows); abi.CodeOf(err) != abi.CodeModuleNotFound {
		t.Errorf("without its module: %v", err)
	}
	other.Upload("acme", "script", actorstest.ScriptGuest)
	info, err := imported(t, other, "acme", "x", rows)
	if err != nil {
		t.Fatal(err)
	}
	if info.ID == id || info.Address.Namespace != "acme" || info.Address.Name != "script" || info.Version != 1 {
		t.Errorf("it is %+v", info)
	}
	back := exported(t, other, info.ID)
	if diff := sameRows(rows[1:], back[1:]); diff != "" {
		t.Error(diff)
	}
	_, err = imported(t, other, "acme", "x", rows)
	if e := abi.AsError(err); e.Code != abi.CodeActorExists || !strings.Contains(fmt.Sprint(e.Metadata), info.ID.String()) {
		t.Errorf("at an address that is taken: %v", err)
	}
	if _, err := imported(t, other, "none", "x", rows); abi.CodeOf(err) != abi.CodeNamespaceNotFound {
		t.Errorf("into no namespace: %v", err)
	}
	_, state, ok, err := other.Host.State(t.Context(), info.ID)
	if string(state) != "state" || !ok || err != nil {
		t.Errorf("its state is %q, %t, %v", state, ok, err)
	}
	if list, _, err := other.Host.ListSchedules(t.Context(), info.ID, "", 10); len(list) != 1 || list[0].Name != "hourly" || err != nil {
		t.Errorf("its schedules are %+v, %v", list, err)
	}
	// What it makes from now on comes behind what it brought.
	if _, err := other.Host.Enqueue(t.Context(), info.ID, actors.Message{Queue: "jobs", Body: json.RawMessage(`"new"`)}); err != nil {
		t.Error(err)
	}
	if _, err := other.Host.Get(t.Context(), info.ID); err != nil {
		t.Error(err)
	}
	other.Close()
	if err := actorstest.CheckData(other.Dir); err != nil {
		t.Error(err)
	}
}

// A large actor comes in many deltas, and is there as a whole or not at all.
func TestImportOfALargeActor(t *testing.T) {
	s := actorstest.Open(t, actorstest.Options{})
	s.Upload(tenants.Default, "script", actorstest.ScriptGuest)
	id := s.Actor(tenants.Default, "script", "a")
	for i := range 12 {
		s.MustDo(id, step("kv_put", fmt.Sprintf("k%02d", i), strings.Repeat(string(rune('a'+i)), 900_000)))
	}
	s.MustDo(id, step("state_set", "s"))
	rows := exported(t, s, id)
	rows[len(rows)-1].Value = bytes.Repeat([]byte("s"), abi.MaxState) // more than a script can say at once
	info, err := imported(t, s, tenants.Default, "b", rows)
	if err != nil {
		t.Fatal(err)
	}
	if diff := sameRows(rows[1:], exported(t, s, info.ID)[1:]); diff != "" {
		t.Error(diff)
	}

	// One that ends early leaves nothing, and so does one whose process ends: the alarm finds it.
	k, _ := tenants.NewKey("c")
	im, err := s.Host.BeginImport(t.Context(), tenants.Default, &k)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range rows {
		if err := im.Put(it); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	im.Discard() // of a store that is closed
	if err := actorstest.CheckData(s.Dir); err != nil {
		t.Error(err)
	}
	clock := actorstest.ClockAt(time.Now().Add(time.Hour))
	s = actorstest.Open(t, actorstest.Options{Dir: s.Dir, Config: func(c *actors.Config) { c.Now = clock.Now }})
	kvtest.Eventually(t, "what is left of the import to go", func() bool {
		n := 0
		for space, err := range s.Store.Spaces(t.Context(), string(tenants.Default), "") {
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := tenants.IDOfSpace(space); ok {
				n++
			}
		}
		return n == 2
	})
}

// What no actor could have written is refused, whoever made it, and leaves nothing.
func TestImportRefuses(t *testing.T) {
	dir, id := busyActor(t)
	s := actorstest.Open(t, actorstest.Options{Dir: dir})
	good := exported(t, s, id)
	spaces := func() (n int) {
		for range s.Store.Spaces(t.Context(), string(tenants.Default), "") {
			n++
		}
		return n
	}
	before := spaces()
	row := func(key, value string) kv.Item { return kv.Item{Key: []byte(key), Value: []byte(value)} }
	// with puts rows in the place of those with the same key, in order.
	with := func(more ...kv.Item) []kv.Item {
		list := slices.DeleteFunc(slices.Clone(good[1:]), func(it kv.Item) bool {
			return slices.ContainsFunc(more, func(m kv.Item) bool { return bytes.Equal(m.Key, it.Key) })
		})
		list = append(list, more...)
		slices.SortStableFunc(list, func(a, b kv.Item) int { return bytes.Compare(a.Key, b.Key) })
		return append([]kv.Item{good[0]}, list...)
	}
	without := func(prefix string) []kv.Item {
		done := false
		return slices.DeleteFunc(slices.Clone(good), func(it kv.Item) bool {
			if done || !bytes.HasPrefix(it.Key, []byte(prefix)) {
				return false
			}
			done = true
			return true
		})
	}
	due := func(ms int64, body string) string {
		return string(binary.BigEndian.AppendUint64(nil, uint64(ms))) + body
	}
	now := time.Now().UnixMilli()
	schedule := func(id, doc string) kv.Item { return row("gc"+id, due(now, doc)) }
	record := func(doc string) []kv.Item { return append([]kv.Item{row("m", doc)}, good[1:]...) }
	tests := map[string][]kv.Item{
		"nothing":                      {},
		"no record first":              good[1:],
		"two records":                  with(row("m", string(good[0].Value))),
		"a record of no JSON":          record("{"),
		"a record with more":           record(`{"name":"script","key":"a","parent":"x"}`),
		"a record without name":        record(`{"key":"a"}`),
		"a record of a path":           record(`{"name":"../../etc","key":"a"}`),
		"of the future":                record(fmt.Sprintf(`{"name":"script","key":"a","created":%d}`, now+3e8)),
		"out of order":                 {good[0], good[2], good[1]},
		"a row twice":                  {good[0], good[1], good[1]},
		"an empty key":                 {good[0], row("", "x")},
		"a long key":                   with(row("k"+strings.Repeat("x", abi.MaxKVKey+1), "x")),
		"a KV item without key":        with(row("k", "x")),
		"a large value":                with(row("kx", strings.Repeat("x", abi.MaxKVValue+1))),
		"a large state":                with(row("s", strings.Repeat("x", abi.MaxState+1))),
		"two states":                   with(row("s2", "x")),
		"large vars":                   with(row("va", strings.Repeat("x", abi.MaxVars/2)), row("vb", strings.Repeat("x", abi.MaxVars/2))),
		"usage of a child":             with(row("mu", "{}")),
		"a count of children":          with(row("mn", "12345678")),
		"a mark of an import":          with(row("mi", "")),
		"a child":                      with(row("C"+tenants.NewActorID("x").String(), "{}")),
		"a pin":                        with(row("Pscript", "{}")),
		"a number of sends":            with(row("S"+id.String(), "12345678")),
		"a number received":            with(row("R"+id.String(), "12345678")),
		"a task":                       with(row("gt0000000000000001", due(now, `{"kind":"timer"}`))),
		"a task's body":                with(row("T1", "x")),
		"a send":                       with(row("go"+id.String()+"12345678", due(now, `{"name":"x"}`))),
		"an end of sends":              with(row("gf"+id.String(), due(now, "12345678"))),
		"an end of life":               with(row("gl", due(now, ""))),
		"work of no kind":              with(row("gzx", due(now, ""))),
		"another table":                with(row("z", "x")),
		"another's space":              with(row("\x05other", "x")),
		"work without a moment":        with(row("gcx", "1234")),
		"work in a thousand years":     with(row("gcx", due(now+3e13, `{"id":"x","action":"nop"}`))),
		"work before time began":       with(row("gcx", due(-5, `{"id":"x","action":"nop"}`))),
		"a schedule of garbage":        with(schedule("x", "{")),
		"a schedule with more":         with(schedule("x", `{"id":"x","action":"nop","evil":1}`)),
		"a schedule of another id":     with(schedule("x", `{"id":"y","action":"nop"}`)),
		"a hasty schedule":             with(schedule("x", `{"id":"x","name":"x","action":"nop","every":1}`)),
		"a schedule back in time":      with(schedule("x", `{"id":"x","name":"x","action":"nop","every":-5000}`)),
		"a nameless schedule":          with(schedule("x", `{"id":"x","action":"nop","every":5000}`)),
		"a schedule of two kinds":      with(schedule("x", `{"id":"x","name":"x","action":"nop","every":5000,"cron":"* * * * *"}`)),
		"a bad cron":                   with(schedule("x", `{"id":"x","name":"x","action":"nop","cron":"* * * *"}`)),
		"a cron that never comes":      with(schedule("x", `{"id":"x","name":"x","action":"nop","cron":"0 0 30 2 *"}`)),
		"a bad zone":                   with(schedule("x", `{"id":"x","name":"x","action":"nop","cron":"* * * * *","timezone":"../../etc/passwd"}`)),
		"arguments that are none":      with(schedule("x", `{"id":"x","action":"nop","args":{}}`)),
		"large arguments":              with(schedule("x", `{"id":"x","action":"nop","args":["`+strings.Repeat("x", abi.MaxScheduleArgs)+`"]}`)),
		"a message without a body":     without("q"),
		"a body without a message":     without("gq"),
		"a message that is no JSON":    with(row("q\x00\x04jobs0000000000000002", "{")),
		"a message with an id of ours": with(row("gq\x00\x04jobs0000000000100001", due(now, `{"size":1}`)), row("q\x00\x04jobs0000000000100001", "1")),
		"a message of no queue":        with(row("gq\xff\xffjobs", due(now, `{"size":1}`))),
		"a message with many attempts": with(row("gq\x00\x04jobs0000000000000009", due(now, `{"size":1,"attempts":99}`)), row("q\x00\x04jobs0000000000000009", "1")),
		"a letter of a send":           with(row("dl0000000000000009", `{"id":"0000000000000009","kind":"send","name":"x","body":1,"revive":{}}`)),
		"a letter of garbage":          with(row("dl0000000000000009", `{`)),
		"a letter that cannot revive":  with(row("dl0000000000000009", `{"id":"0000000000000009","kind":"queue","name":"x","body":1,"revive":[]}`)),
		"a wrong count of letters":     with(row("dn", "\x63")),
		"no count of letters":          without("dn"),
		"a key of garbage":             with(row("xk"+strings.Repeat("x", 32), "{")),
		"a key without an end":         without("xt"),
		"an end without a key":         without("xk"),
		"a wrong count of keys":        with(row("xn", "12345678")),
		"a key of no kind":             with(row("xz", "")),
		"a run of garbage":             with(row("h\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01x", "{")),
		"a run of tomorrow":            with(row("h\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x01x", "{}")),
		"a short run":                  with(row("h", "{}")),
	}
	many := []kv.Item{}
	for i := range abi.MaxSchedules + 1 {
		name := fmt.Sprintf("s%04d", i)
		many = append(many, schedule(name, fmt.Sprintf(`{"id":%q,"action":"nop"}`, name)))
	}
	tests["many schedules"] = with(many...)
	for name, rows := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := imported(t, s, tenants.Default, "bad", rows); abi.CodeOf(err) != abi.CodeBadArchive {
				t.Fatalf("got %v", err)
			}
			if n := spaces(); n != before {
				t.Fatalf("%d spaces are left, want %d", n, before)
			}
		})
	}
	if _, err := imported(t, s, tenants.Default, "good", with(schedule("x", `{"id":"x","action":"nop"}`))); err != nil {
		t.Errorf("what could be: %v", err)
	}
	if err := s.Host.Export(t.Context(), tenants.NewActorID(tenants.Default), func(kv.Item) error { return nil }); abi.CodeOf(err) != abi.CodeActorNotFound {
		t.Errorf("an export of nobody: %v", err)
	}
	kid := child(t, s, id, "kid", abi.ChildLimits{})
	if err := s.Host.Export(t.Context(), kid, func(kv.Item) error { return nil }); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("an export of a child: %v", err)
	}
}
