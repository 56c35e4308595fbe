package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// Arrival is a namespace that comes from elsewhere. Nobody can find it before it is whole:
//
//  1. BeginArrival marks it as one that is being deleted, and is still filled, durably: a process that dies now leaves
//     something that the next one removes;
//  2. Put and Use take its records, and whoever keeps something in its spaces fills those;
//  3. Settle ends the records, durably, and then Keep takes the files that they name;
//  4. Finish reads all of it as a restart would, and one commit puts the namespace in place of the mark.
//
// Before 4 it ends with Abandon, from which on it is being removed. It is used by one goroutine.
type Arrival struct {
	r       *Registry
	l       *leaver
	t       *tenant
	rd      *reader
	usage   *ledger // nil until something is used
	ops     []kv.Op
	used    []kv.Op
	size    int
	gates   int    // records that are of no module
	last    []byte // key of the record before
	lastUse []byte // of the usage before
	kept    map[Digest]bool
	settled bool
	over    bool
}

const (
	// arrivalBatch is the size to which records are gathered in one delta, in bytes.
	arrivalBatch = 256 << 10
	// maxGateRecord bounds a record that is of no module: a key set's is the largest.
	maxGateRecord = 32 << 10
)

// BeginArrival begins to make a namespace of records from elsewhere. Its name must be free, as for CreateNamespace.
func (r *Registry) BeginArrival(ctx context.Context, id ID, displayName string) (*Arrival, error) {
	if err := checkNamespace(id, displayName); err != nil {
		return nil, err
	}
	ns := Namespace{ID: id, DisplayName: displayName, Created: now()}
	a := &Arrival{r: r, rd: newReader(id), kept: map[Digest]bool{}, l: &leaver{Leaving: Leaving{Namespace: ns, Since: now(), Arriving: true}}}
	if err := r.markArriving(ctx, a.l); err != nil {
		return nil, err
	}
	l, err := openLedger(ctx, r.store, kv.NewSpace(classOf(id), spaceRegistry))
	if err != nil {
		a.Abandon()
		return nil, err
	}
	a.t = &tenant{Namespace: ns, book: book{ledger: l}, allowance: newAllowance()}
	a.t.terms.Store(&Terms{})
	r.apply(a.t)
	return a, nil
}

func (r *Registry) markArriving(ctx context.Context, l *leaver) error {
	if err := r.host.ledger.lock(ctx); err != nil {
		return err
	}
	defer r.host.ledger.unlock()
	if err := r.isFreeLocked(l.ID); err != nil {
		return err
	}
	op, err := record(leavingKey(l.ID), l.Leaving)
	if err != nil {
		return err
	}
	if err := r.host.ledger.commitLocked(ctx, []kv.Op{op}); err != nil {
		return err
	}
	r.setLeaving(l)
	return nil
}

// setLeaving replaces what is in memory of a leaving namespace. Who calls it holds the host's ledger.
func (r *Registry) setLeaving(l *leaver) {
	leaving := maps.Clone(*r.leaving.Load())
	leaving[l.ID] = l
	r.leaving.Store(&leaving)
}

// Put takes the next record of the registry, in the order of their keys. One that no registry has is CodeBadArchive.
func (a *Arrival) Put(ctx context.Context, it kv.Item) error {
	if slices.Compare(it.Key, a.last) <= 0 {
		return badArrival("a record is out of order")
	}
	a.last = append(a.last[:0], it.Key...)
	it = kv.Item{Key: slices.Clone(it.Key), Value: slices.Clone(it.Value)}
	if err := a.renamed(&it); err != nil {
		return badArrival("the record at %q: %v", it.Key, err)
	}
	if err := a.rd.add(it); err != nil {
		return badArrival("the record at %q: %v", it.Key, err)
	}
	if string(it.Key) == termsKey { // BEFORE what they bound
		terms := a.rd.terms
		a.t.terms.Store(&terms)
		a.r.apply(a.t)
	}
	a.ops = append(a.ops, kv.Op(it))
	if a.size += len(it.Key) + len(it.Value); a.size < arrivalBatch && len(a.ops) < maxVersions {
		return nil
	}
	return a.flush(ctx)
}

// renamed checks a record's size, and has it name this namespace.
func (a *Arrival) renamed(it *kv.Item) (err error) {
	var m Module
	var v Version
	kind := it.Key[0]
	switch kind {
	case 'm':
		if err = json.Unmarshal(it.Value, &m); err == nil {
			err = m.checkSettings()
		}
		m.Namespace = a.t.ID
		it.Value, _ = json.Marshal(m)
	case 'v':
		err = json.Unmarshal(it.Value, &v)
		v.Namespace = a.t.ID
		if err == nil {
			it.Value, err = json.Marshal(v)
		}
	case secretKey("")[0]:
		return errors.New("a secret does not leave its host")
	default:
		a.gates++
		if len(it.Value) > maxGateRecord || a.gates > 2*maxRevocations+maxTokenKeys {
			return errors.New("it is too large, or one of too many")
		}
	}
	if len(it.Value) > maxRecord || len(it.Key) > abi.MaxKVKey {
		return errors.New("it is too large")
	}
	if kind == 'm' && len(a.rd.programs) >= maxModules {
		return errors.New("it is one of too many")
	}
	return err
}

// checkSettings reports what is wrong with what a namespace says of a module.
func (m *Module) checkSettings() error {
	if len(m.Config) > maxConfig {
		return fmt.Errorf("it has %d entries of config", len(m.Config))
	}
	for name, value := range m.Config {
		if err := checkConfig(name, &value); err != nil {
			return err
		}
	}
	return checkHosts(m.Grants.Egress)
}

// Use takes what the namespace has used in an hour, in the order of the rows.
func (a *Arrival) Use(ctx context.Context, it kv.Item) (err error) {
	if _, _, err := decodeUsageRow(it); err != nil || slices.Compare(it.Key, a.lastUse) <= 0 {
		return badArrival("usage at %q is none, or out of order", it.Key)
	}
	a.lastUse = append(a.lastUse[:0], it.Key...)
	if a.usage == nil {
		if a.usage, err = openLedger(ctx, a.r.store, usageSpace(a.t.ID)); err != nil {
			return err
		}
		a.usage.must = true // what was used was used
	}
	if a.used = append(a.used, kv.Op{Key: slices.Clone(it.Key), Value: slices.Clone(it.Value)}); len(a.used) < usageRows {
		return nil
	}
	return a.flushUsage(ctx)
}

func (a *Arrival) flush(ctx context.Context) error {
	ops := a.ops
	a.ops, a.size = nil, 0
	return write(ctx, a.t.ledger, ops)
}

func (a *Arrival) flushUsage(ctx context.Context) error {
	ops := a.used
	a.used = nil
	return write(ctx, a.usage, ops)
}

// write commits ops, if there are any.
func write(ctx context.Context, l *ledger, ops []kv.Op) error {
	if len(ops) == 0 {
		return nil
	}
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return l.commitLocked(ctx, ops)
}

// Settle ends the records, durably, and returns the modules with their versions, shared. Modules that do not agree are
// CodeBadArchive, and more than the terms allow here CodeQuota.
func (a *Arrival) Settle(ctx context.Context) (list []Module, versions []*Version, err error) {
	c, err := a.rd.catalog()
	if err != nil {
		return nil, nil, badArrival("%v", err)
	}
	if err := a.mayHave(c); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(a.flush(ctx), a.flushUsage(ctx)); err != nil {
		return nil, nil, err
	}
	a.settled = true
	for _, m := range c.list() {
		list = append(list, m)
		versions = append(versions, c.modules[m.Name].versions...)
	}
	return list, versions, nil
}

// mayHave holds modules to the quotas.
func (a *Arrival) mayHave(c *catalog) error {
	modules, bytes := c.size()
	if most := a.t.allowance.Limit(QuotaModules); most > 0 && modules > most {
		return OverQuota(QuotaModules, most, modules, 0)
	}
	if most := a.t.allowance.Limit(QuotaModuleBytes); most > 0 && bytes > most {
		return OverQuota(QuotaModuleBytes, most, bytes, 0)
	}
	return nil
}

// Keep takes a file of a version, durable when it returns. It uses st up.
func (a *Arrival) Keep(st *Staged) error {
	defer st.Discard()
	if a.kept[st.Digest] {
		return badArrival("a module comes twice")
	}
	if err := a.r.blobs.keep(st); err != nil {
		return err
	}
	a.kept[st.Digest] = true
	return nil
}

// Finish puts the namespace in its place, durable when it returns. Before that it fails with CodeBadArchive if a file is
// missing, and CodeNamespaceDeleting if somebody deleted the namespace meanwhile. After a failure Abandon is still to
// be called.
func (a *Arrival) Finish(ctx context.Context) (Namespace, error) {
	if !a.settled {
		return Namespace{}, errors.New("tenants: an arrival that is not settled")
	}
	for _, p := range a.rd.programs {
		for _, v := range p.versions {
			if !a.kept[v.Digest] {
				return Namespace{}, badArrival("the bytes of version %d of %s are missing", v.Number, v.Module)
			}
		}
	}
	a.release()
	t, err := a.r.loadTenant(ctx, a.t.Namespace)
	if err != nil {
		return Namespace{}, err
	}
	if err := a.enter(ctx, t); err != nil {
		t.ledger.close()
		return Namespace{}, err
	}
	a.over = true
	for d := range a.kept {
		a.r.blobs.drop(d) // versions refer to it
	}
	a.r.changed("")
	return t.Namespace, nil
}

// enter replaces the mark by the namespace, on disk and then in memory.
func (a *Arrival) enter(ctx context.Context, t *tenant) error {
	r := a.r
	if err := r.host.ledger.lock(ctx); err != nil {
		return err
	}
	defer r.host.ledger.unlock()
	if a.l.unwanted {
		return &abi.Error{Code: abi.CodeNamespaceDeleting, Retry: time.Second}
	}
	t.Created = now() // no token is older than that
	op, err := record(namespaceKey(t.ID), t.Namespace)
	if err != nil {
		return err
	}
	r.referAll(t)
	if err := r.host.ledger.commitLocked(ctx, []kv.Op{{Key: leavingKey(t.ID)}, op}); err != nil {
		for _, d := range t.digests() {
			r.blobs.drop(d)
		}
		return err
	}
	all := maps.Clone(*r.tenants.Load())
	all[t.ID] = t
	r.tenants.Store(&all) // first: it is never in neither
	leaving := maps.Clone(*r.leaving.Load())
	delete(leaving, t.ID)
	r.leaving.Store(&leaving)
	return nil
}

// release gives the spaces back.
func (a *Arrival) release() {
	if a.t != nil {
		a.t.ledger.close()
	}
	if a.usage != nil {
		a.usage.close()
	}
}

// Abandon gives the namespace up, unless it is finished: it is now to be removed, as Leaving says. Nobody may write in its
// spaces any more. It may be called again.
func (a *Arrival) Abandon() {
	if a.over {
		return
	}
	a.over = true
	a.release()
	a.r.host.ledger.turn <- struct{}{}
	defer a.r.host.ledger.unlock()
	next := *a.l
	next.Arriving, next.tenant = false, a.t
	if a.t != nil {
		a.t.end()
		a.t.left = slices.Collect(maps.Keys(a.kept))
	}
	a.r.setLeaving(&next)
}

// loadArrival reads what is left of a namespace that was arriving when the process ended: the files that it may have.
func (r *Registry) loadArrival(ctx context.Context, l *leaver) error {
	l.Arriving = false
	led, err := openLedger(ctx, r.store, kv.NewSpace(classOf(l.ID), spaceRegistry))
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	seen := map[Digest]bool{}
	t := &tenant{Namespace: l.Namespace, book: book{ledger: led}, allowance: newAllowance()}
	for item, err := range r.store.Scan(ctx, led.lease.Space, kv.PrefixRange([]byte("v"))) {
		if err != nil {
			return storeError("load "+string(l.ID), err)
		}
		if v, err := decodeVersion(item.Value); err == nil && !seen[v.Digest] {
			seen[v.Digest] = true
			r.blobs.refer(v.Digest, v.Bytes)
			t.left = append(t.left, v.Digest)
		}
	}
	t.end()
	l.tenant = t
	return nil
}

// badArrival refuses what is not of a namespace.
func badArrival(format string, args ...any) error {
	return abi.Errorf(abi.CodeBadArchive, format, args...)
}
