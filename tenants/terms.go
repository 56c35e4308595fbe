package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// termsKey is where a namespace's registry space keeps its terms.
const termsKey = "q"

// SetPlans gives the host its plans. Without it there is none but a default plan without bounds. It must be called
// before the registry is used by anybody else. A namespace whose plan is missing gets the default one.
func (r *Registry) SetPlans(p Plans) {
	r.plans = p
	for _, t := range *r.tenants.Load() {
		r.apply(t)
	}
}

// Plans returns the host's plans, shared.
func (r *Registry) Plans() Plans { return r.plans }

// apply makes a namespace's terms hold.
func (r *Registry) apply(t *tenant) {
	q := r.plans.quotas(*t.terms.Load())
	t.allowance.set(q)
	r.store.Bound(classOf(t.ID), q.counts())
}

// Terms returns what was agreed with a namespace and the quotas that it comes to, or ErrForeign.
func (r *Registry) Terms(ns ID) (Terms, Quotas, error) {
	t, err := r.tenant(ns)
	if err != nil {
		return Terms{}, nil, err
	}
	terms := *t.terms.Load()
	terms.Overrides = maps.Clone(terms.Overrides)
	return terms, r.plans.quotas(terms), nil
}

// SetQuotas replaces the plan that was agreed with a namespace and what differs from it, durable when it returns. It
// holds at once: what is above a new bound stays, and nothing is added to it. A plan that there is not, or quotas that
// cannot be, are CodeInvalidRequest.
func (r *Registry) SetQuotas(ctx context.Context, ns ID, plan string, overrides Quotas) error {
	if _, ok := r.plans[plan]; !ok && plan != "" && plan != DefaultPlan {
		return abi.Errorf(abi.CodeInvalidRequest, "the host has no plan %s", clipName(plan))
	}
	return r.changeTerms(ctx, ns, func(t *Terms) { t.Plan, t.Overrides = plan, maps.Clone(overrides) })
}

// SetEgressBound replaces the hosts beyond which nothing that the namespace grants its modules reaches, durable when it
// returns; nil is no bound. The caller has checked the form of the hosts; too many or too long ones are
// CodeInvalidRequest.
func (r *Registry) SetEgressBound(ctx context.Context, ns ID, hosts *[]string) error {
	return r.changeTerms(ctx, ns, func(t *Terms) { t.Egress = hosts })
}

// EgressBound returns those hosts, shared; nil if there is no bound. It costs as little as Resolve.
func (r *Registry) EgressBound(ns ID) *[]string {
	if t, err := r.tenant(ns); err == nil {
		return t.terms.Load().Egress
	}
	return nil
}

// changeTerms changes what was agreed with a namespace.
func (r *Registry) changeTerms(ctx context.Context, ns ID, change func(*Terms)) error {
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	if err := t.ledger.lock(ctx); err != nil {
		return err
	}
	defer t.ledger.unlock()
	terms := *t.terms.Load()
	change(&terms)
	if err := terms.check(); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	record, err := json.Marshal(terms)
	if err != nil {
		return fmt.Errorf("tenants: encode terms: %w", err)
	}
	if err := t.ledger.commitLocked(ctx, []kv.Op{{Key: []byte(termsKey), Value: record}}); err != nil {
		return err
	}
	t.terms.Store(&terms)
	r.apply(t)
	return nil
}

// Allowance returns what a namespace may use. That of an unknown one has no bounds and is nobody's.
func (r *Registry) Allowance(ns ID) *Allowance {
	if t, err := r.tenant(ns); err == nil {
		return t.allowance
	}
	return newAllowance()
}

// Held returns what a namespace has of what it may have only so much of, as far as that can be counted.
func (r *Registry) Held(ns ID) map[Quota]int64 {
	t, err := r.tenant(ns)
	if err != nil {
		return nil
	}
	held := map[Quota]int64{QuotaConnections: t.allowance.Connections(), QuotaMemory: t.allowance.Memory()}
	for what, n := range r.store.Totals(classOf(ns)) {
		held[quotaOfCount[what]] = n
	}
	held[QuotaModules], held[QuotaModuleBytes] = t.catalog.Load().size()
	t.allowance.mu.Lock()
	defer t.allowance.mu.Unlock()
	m := &t.allowance.month
	m.turn(now())
	held[QuotaGasPerMonth], held[QuotaWrittenPerMonth], held[QuotaEgressPerMonth] = m.gas, m.written, m.egress
	return held
}
