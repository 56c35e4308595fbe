package metrics

import "github.com/vivarium-run/vivarium/tenants"

// maxNamespaces bounds the namespaces that have series of their own: the oldest, so that a new one moves no other.
const maxNamespaces = 100

// others stands for the rest together. No namespace can have this name.
const others = "(others)"

// namespaces are what each namespace uses. Operators name namespaces, so these names are no tenant's choice.
var namespaces = []*family{
	{
		name: "host_namespace_used_total", kind: "counter", labels: []string{"namespace", "what"},
		help: "What a namespace has used since the process began; past the 100 oldest namespaces of all others together",
		values: func(s *snapshot, add func(float64, ...string)) {
			each(s.namespaces, func(n *tenants.NamespaceStats, to func(what string, v int64)) {
				for _, m := range tenants.Metrics() {
					to(m.String(), n.Used[m])
				}
			}, add)
		},
	},
	{
		name: "host_namespace_held", kind: "gauge", labels: []string{"namespace", "what"},
		help: "What a namespace holds of its quotas, by quota; the same of all others",
		values: func(s *snapshot, add func(float64, ...string)) {
			each(s.namespaces, func(n *tenants.NamespaceStats, to func(what string, v int64)) {
				for q, held := range n.Held {
					to(string(q), held)
				}
			}, add)
		},
	},
}

// each adds the values of the first namespaces one by one and those of the rest as sums.
func each(list []tenants.NamespaceStats, read func(*tenants.NamespaceStats, func(string, int64)), add func(float64, ...string)) {
	rest := map[string]int64{}
	for i := range list {
		n := &list[i]
		read(n, func(what string, v int64) {
			if i < maxNamespaces {
				add(float64(v), string(n.Namespace), what)
			} else {
				rest[what] += v
			}
		})
	}
	for what, v := range rest {
		add(float64(v), others, what)
	}
}
