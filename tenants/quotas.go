package tenants

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Quota is one thing that a namespace may have only so much of. Its text is its name in plans, errors and the API.
type Quota string

// The quotas. Of those per second there is a burst, which is what may be used at once after a pause.
const (
	QuotaGasPerSecond      Quota = "gas_per_second"
	QuotaGasBurst          Quota = "gas_burst"
	QuotaGasPerMonth       Quota = "gas_per_month"
	QuotaMemory            Quota = "memory_bytes" // linear memory of live instances
	QuotaStored            Quota = "stored_bytes" // keys and values of actors and of what the host keeps for them
	QuotaWrittenPerSecond  Quota = "written_bytes_per_second"
	QuotaWrittenBurst      Quota = "written_bytes_burst"
	QuotaWrittenPerMonth   Quota = "written_bytes_per_month"
	QuotaActors            Quota = "actors"
	QuotaModules           Quota = "modules"
	QuotaModuleBytes       Quota = "module_bytes" // of all versions
	QuotaConnections       Quota = "connections"
	QuotaRequestsPerSecond Quota = "requests_per_second"
	QuotaRequestsBurst     Quota = "requests_burst"
	QuotaEventsPerSecond   Quota = "events_per_second"
	QuotaEventsBurst       Quota = "events_burst"
	QuotaEgressPerMonth    Quota = "egress_bytes_per_month" // sent and received
	QuotaSchedules         Quota = "schedules"
	QuotaQueued            Quota = "queue_messages"
	// QuotaWeight is the namespace's share when there is not enough for all: one of weight 3 gets three turns for
	// each one of a namespace of weight 1.
	QuotaWeight Quota = "weight"
)

// AllQuotas is every quota, in the order in which they are documented.
var AllQuotas = []Quota{
	QuotaGasPerSecond, QuotaGasBurst, QuotaGasPerMonth, QuotaMemory, QuotaStored,
	QuotaWrittenPerSecond, QuotaWrittenBurst, QuotaWrittenPerMonth, QuotaActors, QuotaModules, QuotaModuleBytes,
	QuotaConnections, QuotaRequestsPerSecond, QuotaRequestsBurst, QuotaEventsPerSecond, QuotaEventsBurst,
	QuotaEgressPerMonth, QuotaSchedules, QuotaQueued, QuotaWeight,
}

// Quotas are how much a namespace may have. One that is left out, or zero, is no bound.
type Quotas map[Quota]int64

const (
	maxQuota  = 1 << 53 // what JSON carries everywhere
	maxWeight = 100
)

// Check returns what is wrong with quotas that somebody wrote.
func (q Quotas) Check() error {
	for _, name := range slices.Sorted(maps.Keys(q)) {
		most := int64(maxQuota)
		if name == QuotaWeight {
			most = maxWeight
		}
		switch n := q[name]; {
		case !slices.Contains(AllQuotas, name):
			return fmt.Errorf("there is no quota %q", clipName(string(name)))
		case n < 0 || n > most:
			return fmt.Errorf("the quota %s is between 0 and %d", name, most)
		}
	}
	return nil
}

func clipName(s string) string { return s[:min(len(s), 64)] }

// Plan is a named set of quotas. The zero Plan has no name and no bounds.
type Plan struct {
	Name   string
	Quotas Quotas
}

// Plans are the plans of a host by name.
type Plans map[string]Quotas

// DefaultPlan is the plan of namespaces that were given none. Without a word of the operator's it has no bounds.
const DefaultPlan = "default"

// maxPlans bounds a file of plans.
const maxPlans = 100

// ParsePlans reads a file of plans: a JSON object of plans, each an object of quotas.
func ParsePlans(b []byte) (Plans, error) {
	if _, err := strictObject(b); err != nil {
		return nil, err
	}
	plans := Plans{}
	if err := json.Unmarshal(b, &plans); err != nil {
		return nil, err
	}
	if len(plans) > maxPlans {
		return nil, fmt.Errorf("there are more than %d plans", maxPlans)
	}
	for name, q := range plans {
		if !ValidName(name) {
			return nil, fmt.Errorf("%q is no name for a plan", clipName(name))
		}
		if err := q.Check(); err != nil {
			return nil, fmt.Errorf("plan %s: %w", name, err)
		}
	}
	return plans, nil
}

// Terms are what the operator has agreed with a namespace: a plan, and what differs from it.
type Terms struct {
	Plan      string `json:"plan,omitempty"`      // empty means DefaultPlan
	Overrides Quotas `json:"overrides,omitempty"` // zero lifts a bound of the plan
	// Egress are the hosts beyond which nothing that the namespace grants its modules reaches; nil is no bound.
	Egress *[]string `json:"egress,omitempty"`
}

func (t Terms) check() error {
	if t.Plan != "" && !ValidName(t.Plan) {
		return errors.New("malformed name of a plan")
	}
	if t.Egress != nil {
		if err := checkHosts(*t.Egress); err != nil {
			return err
		}
	}
	return t.Overrides.Check()
}

// quotas returns what terms come to. A plan that there is no more is the default one.
func (p Plans) quotas(t Terms) Quotas {
	plan, ok := p[t.Plan]
	if !ok {
		plan = p[DefaultPlan]
	}
	all := maps.Clone(plan)
	if all == nil {
		all = Quotas{}
	}
	maps.Copy(all, t.Overrides)
	maps.DeleteFunc(all, func(_ Quota, n int64) bool { return n == 0 })
	return all
}

// counts returns the part of quotas that the store holds to.
func (q Quotas) counts() kv.Counts {
	var c kv.Counts
	for what, name := range quotaOfCount {
		c[what] = q[name]
	}
	return c
}

// quotaOfCount says what the store's counts are of a namespace. The marks are those of package actors.
var quotaOfCount = [...]Quota{kv.Bytes: QuotaStored, kv.Names: QuotaActors, kv.MarkA: QuotaSchedules, kv.MarkB: QuotaQueued}

// OverQuota is the error of something that a namespace may not have more of. Used is what it has; retry is when
// there may be more, zero if that depends on the namespace.
func OverQuota(name Quota, limit, used int64, retry time.Duration) *abi.Error {
	if retry == 0 {
		retry = time.Minute // a client that asks again at once would only ask again
	}
	return &abi.Error{
		Code: abi.CodeQuota, Name: string(name), Retry: min(max(retry, 100*time.Millisecond), time.Hour),
		Message:  fmt.Sprintf("The namespace has used up its quota %s of %d", name, limit),
		Metadata: map[string]any{"quota": name, "limit": limit, "used": used},
	}
}

// BoundQuota is the quota of a bound that the store refused a delta for.
func BoundQuota(e *kv.BoundError) *abi.Error {
	return OverQuota(quotaOfCount[e.What], e.Most, e.Held, 0)
}
