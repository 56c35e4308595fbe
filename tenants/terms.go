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
	return Terms{terms.Plan, maps.Clone(terms.Overrides)}, r.plans.quotas(terms), nil
}

// SetTerms replaces what was agreed with a namespace, durable when it returns. It holds at once: what is above a new
// bound stays, and nothing is added to it. A plan that there is not, or quotas that cannot be, are
// CodeInvalidRequest.
func (r *Registry) SetTerms(ctx context.Context, ns ID, terms Terms) error {
	if err := terms.check(); err != nil {
		return abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	if _, ok := r.plans[terms.Plan]; !ok && terms.Plan != "" && terms.Plan != DefaultPlan {
		return abi.Errorf(abi.CodeInvalidRequest, "the host has no plan %s", terms.Plan)
	}
	record, err := json.Marshal(terms)
	if err != nil {
		return fmt.Errorf("tenants: encode terms: %w", err)
	}
	t, err := r.tenant(ns)
	if err != nil {
		return err
	}
	if err := t.ledger.lock(ctx); err != nil {
		return err
	}
	defer t.ledger.unlock()
	if err := t.ledger.commitLocked(ctx, []kv.Op{{Key: []byte(termsKey), Value: record}}); err != nil {
		return err
	}
	terms.Overrides = maps.Clone(terms.Overrides)
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
