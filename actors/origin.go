package actors

import (
	"context"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// checkOrigin refuses a page of an origin that the actor's manifest does not name. Neither the actor nor its
// guest is woken for it. A client without an origin is no page, and passes.
func (h *Host) checkOrigin(ctx context.Context, id tenants.ActorID, origin string) error {
	if origin == "" {
		return nil
	}
	info, err := h.Get(ctx, id)
	if err != nil {
		return err
	}
	v, err := h.cfg.Registry.ResolveFor(id, info.Address.Name)
	if err != nil {
		return err
	}
	return allowOrigin(v.Actors[info.Address.Name].Origins, origin)
}

// allowOrigin refuses a page whose origin is not among those that a manifest lists; nil lists all.
func allowOrigin(allowed []string, origin string) error {
	if allowed == nil || origin == "" || slices.ContainsFunc(allowed, func(o string) bool { return sameOrigin(o, origin) }) {
		return nil
	}
	return &abi.Error{Code: abi.CodeOriginDenied}
}

// sameOrigin compares two origins, as browsers and people write them.
func sameOrigin(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}
