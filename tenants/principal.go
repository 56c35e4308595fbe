package tenants

import (
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// ErrForeign answers for a namespace that does not exist and for one that the caller may not know
// of, so that nobody learns which it is. Its code is CodeNamespaceNotFound; compare with errors.Is.
var ErrForeign = &abi.Error{Code: abi.CodeNamespaceNotFound}

// Principal is who a valid token speaks for. The zero Principal may do nothing.
type Principal struct {
	Namespace ID // empty for an operator that named none
	Role      Role
	Subject   string    // handed to guests as the verified identity; may be empty
	TokenID   string    // the claim jti; may be empty
	Issued    time.Time // the claim iat; zero if the token does not say
	Expires   time.Time // never zero in a Principal that Verify returned
	Limits    *Limits   // shared; nil means that the role alone decides
	From      *Lineage  // of a derived token; else nil
	Signer    *Signer   // the key of the namespace that signed; nil for the host's
}

// May reports whether p has a right. What p has it on is In's to say.
func (p Principal) May(r Right) bool { return roleRights[p.Role].has(r) }

// Limited reports whether p may do less than its role. Who is limited decides nothing for a whole namespace, such as
// its keys.
func (p Principal) Limited() bool { return p.Limits != nil }

// Reaches reports whether the actor at an address is within p's limits.
func (p Principal) Reaches(a Address) bool { return p.Limits.reaches(a) }

// Knows reports whether actors of a name can be within p's limits.
func (p Principal) Knows(actor string) bool { return p.Limits.knows(actor) }

// Enters reports whether a way into actors is within p's limits.
func (p Principal) Enters(d Door) bool { return p.Limits.enters(d) }

// Manages reports whether a module is within p's limits.
func (p Principal) Manages(module string) bool { return p.Limits.manages(module) }

// SetsLive reports whether p's limits let it change which version of a module is live.
func (p Principal) SetsLive() bool { return p.Limits == nil || !p.Limits.NoLive }

// Publishable reports whether p's token may be known to everybody. Then each request
// must be of an origin that it Visits, and within its Rate.
func (p Principal) Publishable() bool { return p.Limits != nil && p.Limits.Origins != nil }

// Rate returns how many requests a minute may come from one address with a publishable token.
func (p Principal) Rate() int {
	if p.Limits.Rate == nil {
		return DefaultRate
	}
	return *p.Limits.Rate
}

// Visits reports whether a page of a web origin may use p's token.
func (p Principal) Visits(origin string) bool { return slices.Contains(p.Limits.Origins, origin) }

// UploadBytes returns how many bytes a module that p uploads may have, at most most.
func (p Principal) UploadBytes(most int64) int64 {
	if p.Limits == nil || p.Limits.UploadBytes == nil {
		return most
	}
	return min(most, *p.Limits.UploadBytes)
}

// In returns the namespace that a request of p works in: asked, or if that is empty p's own, which
// for an operator without one is Default. An operator may ask for any namespace, everybody else
// only for their own; the error is ErrForeign. Whether the namespace exists is not checked here.
func (p Principal) In(asked string) (ID, error) {
	if asked != "" && asked != string(p.Namespace) {
		id, err := ParseID(asked)
		if err != nil || p.Role != RoleOperator {
			return "", ErrForeign
		}
		return id, nil
	}
	switch {
	case p.Namespace != "":
		return p.Namespace, nil
	case p.Role == RoleOperator:
		return Default, nil
	}
	return "", ErrForeign
}
