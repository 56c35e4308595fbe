package api

import (
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// revocationBody describes a revocation.
type revocationBody struct {
	TokenID   string `json:"token_id,omitempty"`
	KeyID     string `json:"key_id,omitempty"`
	ExpiresTS int64  `json:"expires_ts"` // when it is forgotten
	CreateTS  int64  `json:"create_ts"`
}

func describeRevocation(v tenants.Revocation) revocationBody {
	return revocationBody{v.TokenID, v.KeyID, v.Until.UnixMilli(), v.Created.UnixMilli()}
}

// revoking returns the namespace whose tokens a route revokes, empty for those of any: the route that names none is
// the operators'.
func (q *request) revoking() tenants.ID {
	if _, ok := q.params["namespace"]; ok {
		return q.ns
	}
	return ""
}

func (s *Server) listRevocations(w http.ResponseWriter, q *request) error {
	list := []revocationBody{}
	for _, v := range s.cfg.Registry.Revocations(q.revoking()) {
		list = append(list, describeRevocation(v))
	}
	return writeJSON(w, http.StatusOK, object{"revocations": list})
}

// postRevocation ends a token, which the body holds or names, or what a key signed. It acts before it is answered.
func (s *Server) postRevocation(w http.ResponseWriter, q *request) error {
	var b struct {
		Token     string `json:"token"`
		TokenID   string `json:"token_id"`
		KeyID     string `json:"key_id"`
		ExpiresTS int64  `json:"expires_ts"` // needed without a token
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	v := tenants.Revocation{TokenID: b.TokenID, KeyID: b.KeyID, Until: time.UnixMilli(b.ExpiresTS)}
	switch {
	case count(b.Token != "", b.TokenID != "", b.KeyID != "") != 1:
		return abi.Errorf(abi.CodeInvalidRequest, "the body must have one of token, token_id and key_id")
	case b.Token != "":
		var err error
		if v, err = s.revocationOf(q, b.Token); err != nil {
			return err
		}
	case !v.Until.After(s.now()):
		return abi.Errorf(abi.CodeInvalidRequest, "expires_ts must be when the token ends, or the last one of the key: a time to come, in milliseconds")
	case b.KeyID != "" && q.revoking() == "":
		return abi.Errorf(abi.CodeInvalidRequest, "a key is revoked in its namespace")
	}
	v, err := s.cfg.Registry.Revoke(q.Context(), q.revoking(), v)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"revocation": describeRevocation(v)})
}

// revocationOf is for a token that is shown. One of another namespace is as good as none.
func (s *Server) revocationOf(q *request, token string) (tenants.Revocation, error) {
	p, err := s.tokens.Verify(q.Context(), token, s.now())
	ns := q.revoking()
	if err != nil || ns != "" && (p.Namespace != ns || p.Role == tenants.RoleOperator) {
		return tenants.Revocation{}, abi.Errorf(abi.CodeInvalidRequest, "this is no good token of the namespace, or it has ended")
	}
	if p.TokenID == "" {
		return tenants.Revocation{}, abi.Errorf(abi.CodeInvalidRequest, "the token has no id to revoke it by: revoke its key")
	}
	return tenants.Revocation{TokenID: p.TokenID, Until: p.Expires}, nil
}
