package tenants

import (
	"cmp"
	"slices"
	"strings"
)

// NamespaceStats is what a namespace has used since the process began, and holds.
type NamespaceStats struct {
	Namespace ID
	Used      Used
	Held      map[Quota]int64 // what can be counted of its quotas
}

// Stats returns that of all namespaces, the oldest first: an order in which a new one moves no other.
func (r *Registry) Stats() []NamespaceStats {
	all := r.Namespaces()
	slices.SortFunc(all, func(a, b Namespace) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	list := make([]NamespaceStats, 0, len(all))
	for _, ns := range all {
		list = append(list, NamespaceStats{ns.ID, r.Allowance(ns.ID).since.read(), r.Held(ns.ID)})
	}
	return list
}
