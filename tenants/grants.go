package tenants

import (
	"context"
	"fmt"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Grants are what a namespace lets the actors of one module do beyond themselves. A module gets what it asks
// for in its manifest and is granted. The zero value grants nothing.
type Grants struct {
	// Egress are hosts that the module may reach, in the form of a manifest's.
	Egress  []string `json:"egress,omitempty"`
	Uploads bool     `json:"uploads,omitempty"`
	// Open lets raw requests without a token reach the paths that the module's manifest lists as open.
	Open bool `json:"open,omitempty"`
}

// Limits of grants. Sizes are in bytes.
const (
	maxGrants     = 64
	maxGrantsHost = 300
)

// SetGrants replaces what a module is granted. It returns the module as it is then, durable. The caller has
// checked the form of the hosts; too many or too long ones are CodeInvalidRequest, an unknown module is
// CodeModuleNotFound.
func (r *Registry) SetGrants(ctx context.Context, ns ID, module string, g Grants) (Module, error) {
	if err := checkHosts(g.Egress); err != nil {
		return Module{}, abi.Errorf(abi.CodeInvalidRequest, "%v", err)
	}
	var m Module
	err := r.change(ctx, ns, module, func(t *tenant, p *program) error {
		next := *p
		next.Grants = Grants{Uploads: g.Uploads, Open: g.Open}
		if len(g.Egress) > 0 { // as a restart would read it
			next.Grants.Egress = slices.Clone(g.Egress)
		}
		m = next.Module
		return t.replaceLocked(ctx, &next)
	})
	if err != nil {
		return Module{}, err
	}
	return m, nil
}

// Grants returns what a module is granted, shared; nothing if there is no such module. It costs as little as
// Resolve.
func (r *Registry) Grants(ns ID, module string) Grants {
	if p, err := r.program(ns, module); err == nil {
		return p.Grants
	}
	return Grants{}
}

// checkHosts bounds a list of hosts.
func checkHosts(hosts []string) error {
	if len(hosts) > maxGrants || slices.ContainsFunc(hosts, func(s string) bool { return s == "" || len(s) > maxGrantsHost || !plainText(s) }) {
		return fmt.Errorf("there are at most %d hosts, each of 1 to %d bytes", maxGrants, maxGrantsHost)
	}
	return nil
}
