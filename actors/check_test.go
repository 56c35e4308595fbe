package actors_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/kv/badgerkv"
	"github.com/vivarium-run/vivarium/tenants"
)

// busyActor leaves an actor with a row of nearly every kind on disk.
func busyActor(t *testing.T) (dir string, id tenants.ActorID) {
	t.Helper()
	s := openTimed(t, "")
	id = s.Actor(tenants.Default, "script", "a")
	s.handle(id, S("trap"))
	for range abi.MaxAttempts { // one message becomes a dead letter, another waits
		before := s.Log(id) // first: an attempt may come at any moment
		if len(s.waiting(id)) == 0 {
			s.mustSend(id, "jobs", "dead")
		}
		s.eventually("an attempt", func() bool { s.pass(time.Minute); return s.Log(id) != before })
	}
	s.eventually("a dead letter", func() bool { s.pass(time.Minute); return len(s.dead(id)) == 1 })
	s.mustSend(id, "jobs", "waiting")
	s.eventually("a failed attempt", func() bool { w := s.waiting(id); return len(w) == 1 && w[0].Attempts > 0 })
	if _, err := once(s.Stack, id, "ada", "key", S("kv_put", "k", "v")); err != nil {
		t.Fatal(err)
	}
	s.MustDo(id,
		S("state_set", "state"), S("send", target{Name: "script", Key: []string{"b"}, Create: true}, "nop", "[]"),
		S("schedule_set", spec{"every": 3_600_000, "name": "hourly", "action": "nop"}, ""),
		S("task_timer", 3_600_000, "ctx"))
	if _, err := s.Host.Call(context.Background(), id, actors.Request{Action: "nop"}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	return s.Dir, id
}

// storedRows returns the keys of an actor's rows that begin with a prefix.
func storedRows(t *testing.T, s kv.Store, id tenants.ActorID, prefix string) (keys []string) {
	t.Helper()
	for it, err := range s.Scan(t.Context(), id.Space(), kv.PrefixRange([]byte(prefix))) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(it.Key))
	}
	if len(keys) == 0 {
		t.Fatalf("no row %q", prefix)
	}
	return keys
}

func TestCheckOfAnActor(t *testing.T) {
	whole, id := busyActor(t)
	never, soon, some := time.Time{}, time.UnixMilli(1), time.UnixMilli(5_000_000_000_000)
	other, _ := json.Marshal(map[string]any{"name": "script", "key": "other"})
	for _, tt := range []struct {
		name   string
		prefix string // whose first row is replaced; empty is none
		value  []byte // nil deletes
		bind   string
		due    *time.Time
		want   []string
	}{
		{name: "nothing"},
		{name: "its record is gone", prefix: "m", want: []string{"actor/no_record"}},
		{name: "its record is garbage", prefix: "m", value: []byte("{"), want: []string{"actor/bad_record"}},
		{name: "its record has no name", prefix: "m", value: []byte("{}"), want: []string{"actor/bad_record"}},
		{name: "its record has another address", prefix: "m", value: other, want: []string{"actor/wrong_address"}},
		{name: "its address is another", bind: "script\x00other", want: []string{"actor/wrong_address"}},
		{name: "nothing will wake it", due: &never, want: []string{"actor/never_woken"}},
		{name: "it is woken too early", due: &soon, want: []string{"actor/woken_for_nothing"}},
		{name: "it is woken late, as one that rests", due: &some},
		{name: "a schedule is garbage", prefix: "gc", value: []byte("12345678{"), want: []string{"actor/bad_row"}},
		{name: "an agenda row is cut off", prefix: "gc", value: []byte("1234"), want: []string{"actor/bad_row"}},
		{name: "a message has no body", prefix: "q", want: []string{"actor/half"}},
		{name: "a body has no message", prefix: "gq", want: []string{"actor/half"}},
		{name: "a message is garbage", prefix: "gq", value: []byte("12345678"), want: []string{"actor/bad_row"}},
		{name: "a task is garbage", prefix: "gt", value: []byte("12345678"), want: []string{"actor/bad_row"}},
		{name: "a task has nothing to send", prefix: "gt", value: []byte(`12345678{"kind":"call","size":5}`), want: []string{"actor/half"}},
		{name: "a dead letter is gone", prefix: "dl", want: []string{"actor/wrong_count"}},
		{name: "a dead letter is garbage", prefix: "dl", value: []byte("?"), want: []string{"actor/bad_row"}},
		{name: "a count is garbage", prefix: "dn", value: []byte{0xff}, want: []string{"actor/bad_row", "actor/wrong_count"}},
		{name: "an idempotency key is gone", prefix: "xk", want: []string{"actor/wrong_count"}},
		{name: "an idempotency key is garbage", prefix: "xk", value: []byte("?"), want: []string{"actor/bad_row"}},
		{name: "a number of a send is cut off", prefix: "S", value: []byte("1"), want: []string{"actor/bad_row"}},
		{name: "guest's own rows are whatever they are", prefix: "k", value: []byte{0xff, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			store := filepath.Join(dir, "store")
			copyFolder(t, whole, dir)
			s, err := badgerkv.Open(badgerkv.Config{Dir: store})
			if err != nil {
				t.Fatal(err)
			}
			l, err := s.Claim(t.Context(), id.Space())
			if err != nil {
				t.Fatal(err)
			}
			d := &kv.Delta{N: l.Pos + 1, Due: tt.due}
			if tt.prefix != "" {
				d.Ops = []kv.Op{{Key: []byte(storedRows(t, s, id, tt.prefix)[0]), Value: tt.value}}
			}
			if tt.bind != "" {
				d.Bind = []byte(tt.bind)
			}
			done := make(chan error, 1)
			s.Commit(l, d, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			s.Close()
			if got := codesOf(t, store, id); !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
	if err := actorstest.CheckData(whole); err != nil {
		t.Error(err)
	}
}

// codesOf returns the codes of what is found wrong with an actor, sorted.
func codesOf(t *testing.T, store string, id tenants.ActorID) (codes []string) {
	t.Helper()
	in, err := badgerkv.Inspect(badgerkv.Config{Dir: store})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for h, err := range in.Spaces(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if h.Space != id.Space() {
			continue
		}
		if err := actors.Check(t.Context(), in, id, h, func(d kv.Damage) {
			t.Log(d)
			codes = append(codes, d.Code)
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(codes)
	return codes
}

// copyFolder copies the store of a data folder.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(to, "store"), os.DirFS(filepath.Join(from, "store"))); err != nil {
		t.Fatal(err)
	}
}
