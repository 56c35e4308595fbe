package tenants

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

const maxDisplayName = 256 // bytes

// Namespace is a tenant, in the form that is stored.
type Namespace struct {
	ID          ID        `json:"id"`
	DisplayName string    `json:"display_name,omitempty"` // for people; any UTF-8 of up to 256 bytes without control characters
	Created     time.Time `json:"created"`
}

// tenant is a namespace and its modules.
type tenant struct {
	Namespace
	// book is the namespace's registry space; who holds its ledger may replace catalog, too.
	book
	// catalog is what the ledger's space holds of modules. It never holds what is not on disk.
	catalog atomic.Pointer[catalog]
	// terms is what was agreed; who holds the ledger may replace it.
	terms     atomic.Pointer[Terms]
	allowance *Allowance
	usage     usageBook
	left      []Digest // the files of an arrival that was given up, which has no catalog
	dropped   bool     // of one that leaves: nothing refers to its files any more; who holds the ledger may set it
}

// CreateNamespace makes a namespace, durable when it returns. It is CodeNamespaceExists if there
// is one with this name, and ErrBadID or CodeInvalidRequest if a name is malformed.
func (r *Registry) CreateNamespace(ctx context.Context, id ID, displayName string) (Namespace, error) {
	if err := checkNamespace(id, displayName); err != nil {
		return Namespace{}, err
	}
	if err := r.host.ledger.lock(ctx); err != nil {
		return Namespace{}, err
	}
	defer r.host.ledger.unlock()
	if err := r.isFreeLocked(id); err != nil {
		return Namespace{}, err
	}
	ns := Namespace{ID: id, DisplayName: displayName, Created: now()}
	record, err := json.Marshal(ns)
	if err != nil {
		return Namespace{}, fmt.Errorf("tenants: encode namespace: %w", err)
	}
	// The namespace's own space comes first: after the commit nothing may fail.
	t, err := r.loadTenant(ctx, ns)
	if err != nil {
		return Namespace{}, err
	}
	if err := r.host.ledger.commitLocked(ctx, []kv.Op{{Key: namespaceKey(id), Value: record}}); err != nil {
		t.ledger.close()
		return Namespace{}, err
	}
	all := maps.Clone(*r.tenants.Load())
	all[id] = t
	r.tenants.Store(&all)
	return ns, nil
}

// checkNamespace refuses what no namespace may be called.
func checkNamespace(id ID, displayName string) error {
	if _, err := ParseID(string(id)); err != nil {
		return err
	}
	if len(displayName) > maxDisplayName || !plainText(displayName) {
		return abi.Errorf(abi.CodeInvalidRequest, "a display name is up to %d bytes of UTF-8 without control characters", maxDisplayName)
	}
	return nil
}

// isFreeLocked refuses a name that a namespace has, or has not quite left. Who calls it holds the host's ledger.
func (r *Registry) isFreeLocked(id ID) error {
	if _, ok := (*r.tenants.Load())[id]; ok {
		return abi.Errorf(abi.CodeNamespaceExists, "a namespace named %s exists", id)
	}
	if _, ok := (*r.leaving.Load())[id]; ok {
		return &abi.Error{Code: abi.CodeNamespaceDeleting, Retry: time.Second}
	}
	return nil
}

// Namespaces returns every namespace, in order of their ids.
func (r *Registry) Namespaces() []Namespace {
	var list []Namespace
	for _, t := range *r.tenants.Load() {
		list = append(list, t.Namespace)
	}
	slices.SortFunc(list, func(a, b Namespace) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// Namespace returns one namespace, or ErrForeign.
func (r *Registry) Namespace(id ID) (Namespace, error) {
	t, err := r.tenant(id)
	if err != nil {
		return Namespace{}, err
	}
	return t.Namespace, nil
}

func (r *Registry) tenant(id ID) (*tenant, error) {
	if t, ok := (*r.tenants.Load())[id]; ok {
		return t, nil
	}
	return nil, ErrForeign
}

// now returns the time as records keep it, so that what is in memory equals what is read back.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
