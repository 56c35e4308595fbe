package actors_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/actors/actorstest"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// bounded opens a host whose namespace "small" has quotas and the scripted guest; default has it too, and none.
func bounded(t *testing.T, dir string, q tenants.Quotas, change ...func(*actors.Config)) *actorstest.Stack {
	t.Helper()
	s := actorstest.Open(t, actorstest.Options{Dir: dir, Config: func(c *actors.Config) {
		for _, f := range change {
			f(c)
		}
	}})
	for _, ns := range []tenants.ID{small, tenants.Default} {
		s.Upload(ns, "script", actorstest.ScriptGuest)
	}
	agree(t, s, q)
	return s
}

const small tenants.ID = "small"

func agree(t *testing.T, s *actorstest.Stack, q tenants.Quotas) {
	t.Helper()
	if err := s.Registry.SetQuotas(t.Context(), small, "", q); err != nil {
		t.Fatal(err)
	}
}

func held(s *actorstest.Stack, q tenants.Quota) int64 { return s.Registry.Held(small)[q] }

// overQuota reports which quota an error is of, empty if of none.
func overQuota(err error) string {
	if e := abi.AsError(err); e != nil && e.Code == abi.CodeQuota && e.Retry > 0 {
		return e.PublicName()
	}
	return ""
}

// try creates an actor.
func try(t *testing.T, s *actorstest.Stack, ns tenants.ID, key string) error {
	_, _, err := s.Host.GetOrCreate(context.Background(), actorstest.Address(t, ns, "script", key), actors.CreateOptions{})
	return err
}

func TestQuotaOfActors(t *testing.T) {
	dir := t.TempDir()
	s := bounded(t, dir, tenants.Quotas{tenants.QuotaActors: 20})
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			switch err := try(t, s, small, fmt.Sprint(i)); {
			case err == nil:
				made.Add(1)
			case overQuota(err) != "actors":
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 20 || held(s, tenants.QuotaActors) != 20 {
		t.Errorf("%d of 64 were made, %d counted", made.Load(), held(s, tenants.QuotaActors))
	}
	id := s.Actor(small, "script", existing(t, s))
	s.MustDo(id, S("kv_put", "k", "v"))
	s.Actor(tenants.Default, "script", "another namespace")
	s.Close()

	s = bounded(t, dir, tenants.Quotas{tenants.QuotaActors: 20})
	if err := try(t, s, small, "new"); overQuota(err) != "actors" {
		t.Errorf("after a restart: %v", err)
	}
	if err := s.Host.Destroy(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := try(t, s, small, "new"); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
	if err := try(t, s, small, "newer"); overQuota(err) != "actors" {
		t.Errorf("one past it: %v", err)
	}
}

// existing returns the key of an actor that there is.
func existing(t *testing.T, s *actorstest.Stack) string {
	t.Helper()
	list, _, err := s.Host.List(t.Context(), small, "script", "", 1)
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	return list[0].Address.Key.Components()[0]
}

func TestQuotaOfStoredBytes(t *testing.T) {
	dir := t.TempDir()
	s := bounded(t, dir, nil)
	id := s.Actor(small, "script", "a")
	s.MustDo(id, S("kv_put", "k", "0123456789"))
	room := int64(1000)
	most := held(s, tenants.QuotaStored) + room
	agree(t, s, tenants.Quotas{tenants.QuotaStored: most})
	got, err := s.Do(id, S("kv_put", "big", strings.Repeat("x", int(room))), S("kv_put", "small", "y"), S("kv_get", "small"))
	if err != nil || got[0].N != -int64(abi.CodeQuota) || got[1].N < 0 || got[2].B != "y" {
		t.Fatalf("the guest was told %+v, %v", got, err) // in the host call: it may go on with less
	}
	s.MustDo(id, S("kv_delete", "small"))
	fill := strings.Repeat("x", int(most-held(s, tenants.QuotaStored))-len("fill")-len("/kv")+2)
	for len(fill) > 0 { // to the last byte
		if got, err = s.Do(id, S("kv_put", "fill", fill)); err == nil && got[0].N >= 0 {
			break
		}
		fill = fill[1:]
	}
	if n := held(s, tenants.QuotaStored); n != most {
		t.Fatalf("%d of %d bytes are used", n, most)
	}
	if got, err = s.Do(id, S("kv_put", "fill", fill+"x")); err != nil || got[0].N != -int64(abi.CodeQuota) {
		t.Errorf("a byte more: %+v, %v", got, err)
	}
	s.MustDo(id, S("kv_put", "k", "9876543210")) // what does not add
	if err := try(t, s, small, "b"); overQuota(err) != "stored_bytes" {
		t.Errorf("another actor: %v", err)
	}
	s.MustDo(s.Actor(tenants.Default, "script", "a"), S("kv_put", "big", strings.Repeat("x", 100_000)))
	s.Close()

	s = bounded(t, dir, tenants.Quotas{tenants.QuotaStored: most})
	if got, err = s.Do(id, S("kv_put", "fill", fill+"x")); err != nil || got[0].N != -int64(abi.CodeQuota) {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
	s.MustDo(id, S("kv_delete", "fill"), S("kv_put", "other", "x"))
}

// 64 actors that race for the last bytes get what there is, and no turn of theirs is half there.
func TestQuotaOfStoredBytesRaces(t *testing.T) {
	s := bounded(t, "", nil)
	var ids []tenants.ActorID
	for i := range 64 {
		ids = append(ids, s.Actor(small, "script", fmt.Sprint(i)))
	}
	before := held(s, tenants.QuotaStored)
	agree(t, s, tenants.Quotas{tenants.QuotaStored: before + 10*(2*1000+100)})
	var done atomic.Int64
	var wg sync.WaitGroup
	wrote := make([]bool, len(ids))
	for i, id := range ids {
		wg.Go(func() {
			got, err := s.Do(id, S("kv_put", "a", strings.Repeat("a", 1000)), S("kv_put", "b", strings.Repeat("b", 1000)))
			switch {
			case err == nil && got[0].N >= 0 && got[1].N >= 0:
				wrote[i] = true
				done.Add(1)
			case err != nil && overQuota(err) != "stored_bytes":
				t.Errorf("got %v", err)
			case err == nil && got[0].N >= 0: // the guest heard of it, and did half on purpose
				wrote[i] = true
			}
		})
	}
	wg.Wait()
	if n := held(s, tenants.QuotaStored); n > before+10*2100 || done.Load() < 5 || done.Load() > 10 {
		t.Errorf("%d turns wrote all of it; %d bytes are used, of %d", done.Load(), n-before, 10*2100)
	}
	for i, id := range ids {
		if got := s.MustDo(id, S("kv_get", "a")); (got[0].N >= 0) != wrote[i] {
			t.Errorf("actor %d: answered %v, stored %v", i, wrote[i], got[0].N >= 0)
		}
	}
}

func TestQuotaOfSchedulesAndMessages(t *testing.T) {
	s := openTimed(t, "")
	s.Upload(small, "script", actorstest.ScriptGuest)
	agree(t, s.Stack, tenants.Quotas{tenants.QuotaSchedules: 3, tenants.QuotaQueued: 2})
	one, two := s.Actor(small, "script", "1"), s.Actor(small, "script", "2")
	later := spec{"after": 3_600_000, "action": "nop"}
	set := func(id tenants.ActorID, n int) (codes []int64) {
		var steps []actorstest.Step
		for range n {
			steps = append(steps, S("schedule_set", later, ""))
		}
		got, err := s.Do(id, steps...)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range got {
			codes = append(codes, min(o.N, 0))
		}
		return codes
	}
	no := -int64(abi.CodeQuota)
	if got := set(one, 2); fmt.Sprint(got) != "[0 0]" {
		t.Errorf("two of three: %v", got)
	}
	if got := set(two, 2); fmt.Sprint(got) != fmt.Sprint([]int64{0, no}) {
		t.Errorf("of both actors together: %v", got)
	}
	s.MustDo(one, S("schedule_cancel", s.schedules(one)[0].ID))
	if got := set(two, 2); fmt.Sprint(got) != fmt.Sprint([]int64{0, no}) {
		t.Errorf("after one was cancelled: %v", got)
	}
	s.pass(time.Hour) // they run, and are gone
	s.eventually("the schedules", func() bool { return held(s.Stack, tenants.QuotaSchedules) == 0 })

	s.handle(two, S("trap")) // so that messages stay
	for range 2 {
		s.mustSend(two, "jobs", 1)
	}
	if _, err := s.send(two, actors.Message{Body: []byte("1")}); overQuota(err) != "queue_messages" {
		t.Errorf("a third message: %v", err)
	}
}

func TestQuotaOfEvents(t *testing.T) {
	s := bounded(t, "", tenants.Quotas{tenants.QuotaEventsPerSecond: 1, tenants.QuotaEventsBurst: 3})
	id := s.Actor(small, "script", "a")
	var steps []actorstest.Step
	for range 5 {
		steps = append(steps, S("broadcast", "e", "[]"))
	}
	got, err := s.Do(id, steps...)
	if err != nil || got[2].N < 0 || got[4].N != -int64(abi.CodeQuota) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestQuotaOfWrittenBytes(t *testing.T) {
	s := bounded(t, "", nil)
	id := s.Actor(small, "script", "a")
	agree(t, s, tenants.Quotas{tenants.QuotaWrittenPerSecond: 1, tenants.QuotaWrittenBurst: 100})
	s.MustDo(id, S("kv_put", "k", strings.Repeat("x", 10_000))) // one delta may overdraw
	got, err := s.Do(id, S("kv_put", "k", "y"), S("kv_get", "k"))
	if err != nil || got[0].N != -int64(abi.CodeQuota) || len(got[1].B) != 10_000 {
		t.Errorf("got %v, %v", got[0], err)
	}
	if _, err := s.Host.Enqueue(t.Context(), id, actors.Message{Queue: "jobs", Body: []byte("1")}); overQuota(err) != "written_bytes_per_second" {
		t.Errorf("a message: %v", err)
	}
	if err := try(t, s, small, "b"); overQuota(err) != "written_bytes_per_second" {
		t.Errorf("another actor: %v", err)
	}
}

// Turns that find no gas wait for it, run then, and leave nothing undone; those whose deadline comes first are refused.
func TestQuotaOfGas(t *testing.T) {
	s := bounded(t, "", nil, func(c *actors.Config) { c.TurnTime = 4 * time.Second })
	id := s.Actor(small, "script", "a")
	s.MustDo(id, S("kv_put", "k", "v"))
	before := held(s, tenants.QuotaGasPerMonth)
	s.MustDo(id, S("kv_get", "k"))
	perCall := held(s, tenants.QuotaGasPerMonth) - before
	if perCall <= 0 {
		t.Fatal("a call costs nothing")
	}
	agree(t, s, tenants.Quotas{tenants.QuotaGasPerSecond: 10 * perCall, tenants.QuotaGasBurst: perCall})
	began := time.Now()
	const calls = 8
	for range calls {
		s.MustDo(id, S("kv_get", "k"))
	}
	if d := time.Since(began); d < (calls-3)*100*time.Millisecond {
		t.Errorf("%d calls at ten a second took %v", calls, d)
	}
	if _, err := s.Do(id, S("loop")); overQuota(err) != "gas_per_second" && abi.CodeOf(err) != abi.CodeActionTimedOut {
		t.Errorf("an endless loop: %v", err)
	}
	agree(t, s, tenants.Quotas{tenants.QuotaGasPerMonth: 1})
	if _, err := s.Do(id, S("kv_get", "k")); overQuota(err) != "gas_per_month" {
		t.Errorf("the month's gas: %v", err)
	}
	s.MustDo(s.Actor(tenants.Default, "script", "a"), S("kv_put", "k", "v"))
}

// 64 actors that ask for more gas than there is get what there is, and what each may overdraw once.
func TestQuotaOfGasRaces(t *testing.T) {
	s := bounded(t, "", nil)
	var ids []tenants.ActorID
	for i := range 64 {
		ids = append(ids, s.Actor(small, "script", fmt.Sprint(i)))
	}
	used := func() int64 { return held(s, tenants.QuotaGasPerMonth) }
	s.MustDo(ids[0], S("kv_get", "k"))
	before := used()
	s.MustDo(ids[0], S("kv_get", "k"))
	perCall := used() - before
	rate := 100 * perCall
	agree(t, s, tenants.Quotas{tenants.QuotaGasPerSecond: rate, tenants.QuotaGasBurst: rate})
	before, began := used(), time.Now()
	var done, refused atomic.Int64
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 3 {
				switch _, err := s.Do(id, S("kv_get", "k")); {
				case err == nil:
					done.Add(1)
				case overQuota(err) == "gas_per_second":
					refused.Add(1)
				default:
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	d := time.Since(began)
	most := rate + int64(d.Seconds()*float64(rate)) + 64*2*perCall
	if got := used() - before; got > most || done.Load() < 100 {
		t.Errorf("%d calls used %d gas in %v, more than %d; %d were refused", done.Load(), got, d, most, refused.Load())
	}
}

// An actor with an open request keeps it though the namespace has no gas for a while.
func TestQuotaOfGasKeepsInstances(t *testing.T) {
	s := bounded(t, "", nil)
	id := s.Actor(small, "script", "a")
	s.MustDo(id, S("remember", "x"))
	agree(t, s, tenants.Quotas{tenants.QuotaGasPerMonth: 1})
	if _, err := s.Do(id, S("remember", "x")); overQuota(err) != "gas_per_month" {
		t.Errorf("got %v", err)
	}
	agree(t, s, nil)
	if got := s.MustDo(id, S("remember", "x")); got[0].N != 2 {
		t.Errorf("the guest remembers %d, want 2: its memory is gone", got[0].N)
	}
}

func TestQuotaOfMemory(t *testing.T) {
	s := bounded(t, "", nil)
	one := s.Actor(small, "script", "1")
	s.MustDo(one, S("kv_put", "k", "v"))
	each := held(s, tenants.QuotaMemory)
	if each < 64<<10 {
		t.Fatalf("an instance has %d bytes", each)
	}
	agree(t, s, tenants.Quotas{tenants.QuotaMemory: 2*each + each/2})
	var ids []tenants.ActorID
	for i := range 6 { // idle ones sleep for those that want to run
		ids = append(ids, s.Actor(small, "script", fmt.Sprint("m", i)))
	}
	for range 3 {
		for _, id := range ids {
			s.MustDo(id, S("kv_put", "k", "v"))
		}
	}
	if n := held(s, tenants.QuotaMemory); n > 2*each+each/2 || n < each {
		t.Errorf("%d bytes are taken, of %d", n, 2*each+each/2)
	}
	// The guest sees no more memory than there is.
	if _, err := s.Do(ids[0], S("bytes", int(4*each))); abi.CodeOf(err) != abi.CodeActorTrapped {
		t.Errorf("a guest that allocates past it: %v", err)
	}
	agree(t, s, tenants.Quotas{tenants.QuotaMemory: each / 2})
	if err := try(t, s, small, "none"); overQuota(err) != "memory_bytes" {
		t.Errorf("no memory for one instance: %v", err)
	}
	s.MustDo(s.Actor(tenants.Default, "script", "a"), S("kv_put", "k", "v"))
	agree(t, s, nil)
	s.MustDo(ids[0], S("kv_put", "k", "v"))
	if err := s.Host.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := held(s, tenants.QuotaMemory); n != 0 {
		t.Errorf("%d bytes are taken by nobody", n)
	}
}

// What is used adds up: of actors to what their turns were charged, of the namespace to all of it.
func TestUsageOfTurns(t *testing.T) {
	dir := t.TempDir()
	s := bounded(t, dir, nil)
	one, two := s.Actor(small, "script", "1"), s.Actor(small, "script", "2")
	var wg sync.WaitGroup
	for _, id := range []tenants.ActorID{one, two} {
		for range 5 {
			wg.Go(func() {
				s.MustDo(id, S("kv_put", "k", "v"), S("broadcast", "e", "[]"))
				if _, err := s.Do(id, S("kv_put", "k", "w"), S("trap")); abi.CodeOf(err) != abi.CodeActorTrapped {
					t.Errorf("got %v", err)
				}
				if _, err := s.Do(id, S("user", "no", "no")); abi.CodeOf(err) != abi.CodeUser {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	wg.Wait()
	read := func() (of map[tenants.ActorID]tenants.Used, all tenants.Used) {
		t.Helper()
		of = map[tenants.ActorID]tenants.Used{}
		from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		hours, err := s.Registry.Usage(t.Context(), small, from, to)
		for _, h := range hours {
			all = all.Add(h.Used)
		}
		for _, id := range []tenants.ActorID{one, two} {
			hours, e := s.Registry.ActorUsage(t.Context(), id, from, to)
			err = errors.Join(err, e)
			for _, h := range hours {
				of[id] = of[id].Add(h.Used)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return of, all
	}
	of, all := read()
	for id, u := range of {
		// create, fifteen actions, and what the guest's hooks take
		if u[tenants.UsedTurns] < 16 || u[tenants.UsedFailures] != 10 || u[tenants.UsedEvents] != 5 || u[tenants.UsedGas] < 16*10_000 || u[tenants.UsedWritten] < 5 {
			t.Errorf("%v used %v", id, u)
		}
	}
	sum := of[one].Add(of[two])
	sum[tenants.UsedGas] = all[tenants.UsedGas] // the namespace has that of the upload, too
	if sum != all || all[tenants.UsedGas] < of[one][tenants.UsedGas]+of[two][tenants.UsedGas] {
		t.Errorf("actors %v and %v, namespace %v", of[one], of[two], all)
	}
	s.Close()
	s = bounded(t, dir, nil)
	again, _ := read()
	if !maps.Equal(again, of) {
		t.Errorf("after a restart %v, before %v", again, of)
	}
}
