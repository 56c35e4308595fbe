package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// deriveToken makes a token out of the request's, which can do no more.
func (s *Server) deriveToken(w http.ResponseWriter, q *request) error {
	var b struct {
		Role    tenants.Role    `json:"role"`
		Subject string          `json:"subject"`
		TTL     *int64          `json:"ttl"` // seconds; what is left of the request's token if it is left out
		Limits  json.RawMessage `json:"limits"`
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	want := tenants.Claims{Namespace: q.ns, Role: b.Role, Subject: b.Subject}
	if b.Role == tenants.RoleOperator || b.Role == "" && q.who.Role == tenants.RoleOperator {
		want.Namespace = q.who.Namespace
	}
	if b.TTL != nil {
		if *b.TTL < 1 || *b.TTL > maxTTL {
			return abi.Errorf(abi.CodeInvalidRequest, "ttl must be between 1 and %d seconds", maxTTL)
		}
		want.TTL = time.Duration(*b.TTL) * time.Second
	}
	if b.Limits != nil {
		var err error
		if want.Limits, err = tenants.ParseLimits(b.Limits); err != nil {
			return abi.Errorf(abi.CodeInvalidRequest, "the limits are wrong: %v", err)
		}
	}
	out, err := s.cfg.Keyring.Derive(q.who, want, s.now())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, object{"token": out.Token, "token_id": out.ID, "expires_ts": out.Expires.UnixMilli()})
}

// maxTTL is a hundred years: longer, and a duration overflows.
const maxTTL = 100 * 365 * 24 * 60 * 60
