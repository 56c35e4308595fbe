package tenants

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

func allowance(q Quotas) *Allowance {
	a := newAllowance()
	a.set(q)
	return a
}

// wantQuota fails unless err refuses for a quota, and says when to ask again.
func wantQuota(t *testing.T, err error, name Quota, retry time.Duration) {
	t.Helper()
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != abi.CodeQuota || e.PublicName() != string(name) {
		t.Errorf("got %v, want quota/%s", err, name)
		return
	}
	if e.Retry != retry {
		t.Errorf("%s: retry after %v, want %v", name, e.Retry, retry)
	}
}

func TestQuotaPerSecond(t *testing.T) {
	for name, take := range map[Quota]func(*Allowance) error{
		QuotaRequestsPerSecond: (*Allowance).Request,
		QuotaEventsPerSecond:   (*Allowance).Event,
		QuotaGasPerSecond: func(a *Allowance) error {
			err := a.Gas()
			if err == nil {
				a.SpendGas(1)
			}
			return err
		},
		QuotaWrittenPerSecond: func(a *Allowance) error {
			err := a.MayWrite()
			if err == nil {
				a.Wrote(1)
			}
			return err
		},
	} {
		t.Run(string(name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				burst := Quota(strings.Replace(string(name), "_per_second", "_burst", 1))
				a := allowance(Quotas{name: 2, burst: 5})
				times := func(n int) {
					t.Helper()
					for i := range n {
						if err := take(a); err != nil {
							t.Fatalf("%d of %d: %v", i+1, n, err)
						}
					}
				}
				times(5) // at the bound
				wantQuota(t, take(a), name, 500*time.Millisecond)
				time.Sleep(499 * time.Millisecond)
				wantQuota(t, take(a), name, 100*time.Millisecond) // the least that is said
				time.Sleep(2 * time.Millisecond)
				times(1)
				time.Sleep(time.Hour)
				times(5) // no more than the burst
				wantQuota(t, take(a), name, 500*time.Millisecond)
				a.set(Quotas{})
				times(1000)
			})
		})
	}
}

// What is known only afterwards may overdraw, and is paid back by time.
func TestOverdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := allowance(Quotas{QuotaGasPerSecond: 100})
		a.SpendGas(1100)
		wantQuota(t, a.Gas(), QuotaGasPerSecond, 10*time.Second+10*time.Millisecond)
		time.Sleep(10 * time.Second)
		if a.Gas() == nil {
			t.Error("there is gas before it was paid back")
		}
		time.Sleep(11 * time.Millisecond)
		if err := a.Gas(); err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitGas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := allowance(Quotas{QuotaGasPerSecond: 1000, QuotaGasBurst: 1000})
		a.SpendGas(3000) // two seconds' worth is lacking
		began := time.Now()
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if err := a.AwaitGas(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				a.SpendGas(500)
			})
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantQuota(t, a.AwaitGas(short), QuotaGasPerSecond, 2001*time.Millisecond) // it is certain, so at once
		if d := time.Since(began); d > 0 {
			t.Errorf("that took %v", d)
		}
		wg.Wait()
		if d := time.Since(began); fmt.Sprint(order) != "[0 1 2]" || d < 3*time.Second || d > 3100*time.Millisecond {
			t.Errorf("they went on in the order %v after %v", order, d)
		}
		// Who gives up while it waits in line leaves nothing behind.
		a.SpendGas(3000)
		wg.Go(func() { a.AwaitGas(t.Context()) })
		synctest.Wait()
		long, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		a.SpendGas(2000)
		if err := a.AwaitGas(long); abi.CodeOf(err) != abi.CodeQuota {
			t.Errorf("got %v", err)
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if err := a.AwaitGas(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestQuotaPerMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight UTC of 2000-01-01
		a := allowance(Quotas{QuotaGasPerMonth: 10, QuotaWrittenPerMonth: 20, QuotaEgressPerMonth: 30})
		a.SpendGas(9)
		a.Wrote(19)
		a.Fetched(29)
		for _, err := range []error{a.Gas(), a.MayWrite(), a.MayFetch()} {
			if err != nil {
				t.Error(err)
			}
		}
		a.SpendGas(5)
		a.Wrote(1)
		a.Fetched(1)
		check := func() {
			t.Helper()
			wantQuota(t, a.Gas(), QuotaGasPerMonth, time.Hour)
			wantQuota(t, a.MayWrite(), QuotaWrittenPerMonth, time.Hour)
			wantQuota(t, a.MayFetch(), QuotaEgressPerMonth, time.Hour)
			wantQuota(t, a.AwaitGas(t.Context()), QuotaGasPerMonth, time.Hour) // it does not wait for weeks
		}
		check()
		time.Sleep(31*24*time.Hour - time.Second)
		if err := a.Gas(); abi.CodeOf(err) != abi.CodeQuota || abi.AsError(err).Retry != time.Second {
			t.Errorf("a second before February: %v", err)
		}
		time.Sleep(time.Second)
		for _, err := range []error{a.Gas(), a.MayWrite(), a.MayFetch()} {
			if err != nil {
				t.Error("in February:", err)
			}
		}
	})
}

func TestQuotaOfConnectionsAndMemory(t *testing.T) {
	a := allowance(Quotas{QuotaConnections: 2, QuotaMemory: 100})
	for range 2 {
		if err := a.Connect(); err != nil {
			t.Fatal(err)
		}
	}
	wantQuota(t, a.Connect(), QuotaConnections, time.Minute)
	a.Disconnect()
	if err := a.Connect(); err != nil {
		t.Error(err)
	}
	if err := a.TakeMemory(100, false); err != nil {
		t.Error(err)
	}
	wantQuota(t, a.TakeMemory(1, false), QuotaMemory, time.Second)
	a.TakeMemory(50, true)
	a.FreeMemory(100)
	if err := a.TakeMemory(50, false); err != nil {
		t.Error(err)
	}
	if a.Memory() != 100 || a.Connections() != 2 {
		t.Errorf("%d bytes, %d connections", a.Memory(), a.Connections())
	}
}

// 64 who race for what there is get exactly that.
func TestHammerQuotas(t *testing.T) {
	const most = 1000
	a := allowance(Quotas{QuotaConnections: most, QuotaMemory: most, QuotaRequestsPerSecond: 1, QuotaRequestsBurst: most})
	var connections, memory, requests atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 50 {
				for n, err := range map[*atomic.Int64]error{&connections: a.Connect(), &memory: a.TakeMemory(1, false), &requests: a.Request()} {
					if err == nil {
						n.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	filled := int64(time.Since(began).Seconds()) + 1
	if connections.Load() != most || memory.Load() != most || requests.Load() < most || requests.Load() > most+filled {
		t.Errorf("got %d connections, %d of memory, %d requests, want %d of each", connections.Load(), memory.Load(), requests.Load(), most)
	}
}

func TestParsePlans(t *testing.T) {
	plans, err := ParsePlans([]byte(`{"free":{"gas_per_second":1000000,"weight":1},"pro":{"weight":10},"default":{}}`))
	if err != nil || len(plans) != 3 || plans["free"][QuotaGasPerSecond] != 1_000_000 {
		t.Fatalf("got %v, %v", plans, err)
	}
	for text, want := range map[string]string{
		``:                                  "JSON",
		`[]`:                                "object",
		`{"a":1}`:                           "cannot unmarshal",
		`{"a":{"b":1}}`:                     `no quota "b"`,
		`{"a":{"actors":-1}}`:               "between 0",
		`{"a":{"actors":1e300}}`:            "cannot unmarshal",
		`{"a":{"actors":1.5}}`:              "cannot unmarshal",
		`{"a":{"weight":101}}`:              "between 0 and 100",
		`{"a":{"actors":1,"actors":2}}`:     "ambiguous",
		`{"a":{},"a":{}}`:                   "ambiguous",
		`{"a b":{}}`:                        "no name for a plan",
		`{"a":{"actors":9007199254740993}}`: "between 0",
	} {
		if _, err := ParsePlans([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
	}
	var b strings.Builder
	for i := range maxPlans + 1 {
		fmt.Fprintf(&b, `,"p%d":{}`, i)
	}
	if _, err := ParsePlans([]byte("{" + b.String()[1:] + "}")); err == nil {
		t.Error("too many plans are taken")
	}
}

func TestTerms(t *testing.T) {
	d := newDisk(t)
	ctx := t.Context()
	r, closeAll := d.open(t)
	plans := Plans{DefaultPlan: {QuotaActors: 5}, "pro": {QuotaActors: 50, QuotaModules: 7}}
	r.SetPlans(plans)
	if _, err := r.CreateNamespace(ctx, "acme", ""); err != nil {
		t.Fatal(err)
	}
	want := func(plan string, quotas string) {
		t.Helper()
		terms, q, err := r.Terms("acme")
		if err != nil || terms.Plan != plan || fmt.Sprint(q) != quotas {
			t.Errorf("got %+v, %v, %v; want %q %s", terms, q, err, plan, quotas)
		}
		if got := r.Allowance("acme").Limit(QuotaActors); got != q[QuotaActors] {
			t.Errorf("the allowance says %d actors", got)
		}
	}
	want("", "map[actors:5]")
	for _, bad := range []Terms{{Plan: "gold"}, {Plan: "a b"}, {Overrides: Quotas{"cats": 1}}, {Overrides: Quotas{QuotaActors: -1}}, {Overrides: Quotas{QuotaWeight: 101}}} {
		if err := r.SetQuotas(ctx, "acme", bad.Plan, bad.Overrides); abi.CodeOf(err) != abi.CodeInvalidRequest {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
	if err := r.SetQuotas(ctx, "nobody", "", nil); abi.CodeOf(err) != abi.CodeNamespaceNotFound {
		t.Errorf("an unknown namespace: %v", err)
	}
	want("", "map[actors:5]")
	if err := r.SetQuotas(ctx, "acme", "pro", Quotas{QuotaActors: 0, QuotaSchedules: 3}); err != nil {
		t.Fatal(err)
	}
	want("pro", "map[modules:7 schedules:3]")
	if err := r.SetEgressBound(ctx, "acme", &[]string{"a.example"}); err != nil {
		t.Fatal(err)
	}
	if err := r.SetEgressBound(ctx, "acme", &[]string{""}); abi.CodeOf(err) != abi.CodeInvalidRequest {
		t.Errorf("a malformed host: %v", err)
	}
	want("pro", "map[modules:7 schedules:3]")
	if n := r.Allowance(Default).Limit(QuotaActors); n != 5 {
		t.Errorf("another namespace has %d", n)
	}
	closeAll()

	r, closeAll = d.open(t)
	r.SetPlans(plans)
	want("pro", "map[modules:7 schedules:3]")
	closeAll()
	r, closeAll = d.open(t) // the operator has forgotten the plans
	want("pro", "map[schedules:3]")
	if b := r.EgressBound("acme"); b == nil || fmt.Sprint(*b) != "[a.example]" || r.EgressBound(Default) != nil {
		t.Errorf("the bound on egress is %v", b)
	}
	closeAll()
}

func TestQuotaOfModules(t *testing.T) {
	d := newDisk(t)
	r, closeAll := d.open(t)
	defer closeAll()
	r.SetPlans(Plans{DefaultPlan: {QuotaModules: 2, QuotaModuleBytes: 10}})
	mustPublish(t, r, "1234", sdk(Default, "a", "a"), true)
	mustPublish(t, r, "123456", sdk(Default, "b", "b"), true) // at both
	try := func(bytes string, v Version) error {
		st, err := r.Stage(strings.NewReader(bytes), 100)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Publish(t.Context(), st, v, true)
		return err
	}
	wantQuota(t, try("x", sdk(Default, "c", "c")), QuotaModules, time.Minute)
	wantQuota(t, r.MayPublish(Default, "c", 0), QuotaModules, time.Minute)
	wantQuota(t, try("x", sdk(Default, "a", "a")), QuotaModuleBytes, time.Minute)
	if err := try("1234", sdk(Default, "a", "a")); err != nil {
		t.Errorf("the same bytes again: %v", err)
	}
	if err := r.DeleteModule(t.Context(), Default, "b"); err != nil {
		t.Fatal(err)
	}
	if err := try("12345", sdk(Default, "c", "c")); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	if held := r.Held(Default); held[QuotaModules] != 2 || held[QuotaModuleBytes] != 9 {
		t.Errorf("held %v", held)
	}
}
