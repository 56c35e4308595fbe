package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// spend takes a request, or a message of a socket, from what its namespace may ask. An operator is never held up: the
// bound that is hit may be the one to change.
func (s *Server) spend(q *request) error {
	if q.who.May(tenants.RightOperate) {
		return nil
	}
	return s.cfg.Registry.Allowance(q.ns).Request()
}

// countMessage holds a message of a socket to the rates of its client, of its token and of its namespace, as a request is.
func (s *Server) countMessage(q *request) error {
	if err := s.admitClient(q.Request); err != nil {
		return err
	}
	if err := s.countVisit(q); err != nil {
		return err
	}
	return s.spend(q)
}

// sit takes one of the connections that the namespace may have, until leave.
func (p *peer) sit() error {
	of := p.s.cfg.Registry.Allowance(p.q.ns)
	if err := of.Connect(); err != nil {
		return err
	}
	p.seat = of
	return nil
}

func (p *peer) leave() {
	if p.seat != nil {
		p.seat.Disconnect()
	}
}

// quotasBody describes what a namespace may have and has.
type quotasBody struct {
	Plan      string                  `json:"plan"`
	Overrides tenants.Quotas          `json:"overrides"`
	Quotas    tenants.Quotas          `json:"quotas"` // what both come to; what is missing has no bound
	Held      map[tenants.Quota]int64 `json:"held"`
}

func (s *Server) getQuotas(w http.ResponseWriter, q *request) error {
	terms, quotas, err := s.cfg.Registry.Terms(q.ns)
	if err != nil {
		return err
	}
	b := quotasBody{terms.Plan, terms.Overrides, quotas, s.cfg.Registry.Held(q.ns)}
	if b.Plan == "" {
		b.Plan = tenants.DefaultPlan
	}
	if b.Overrides == nil {
		b.Overrides = tenants.Quotas{}
	}
	return writeJSON(w, http.StatusOK, b)
}

// putQuotas replaces what was agreed with a namespace.
func (s *Server) putQuotas(w http.ResponseWriter, q *request) error {
	var b struct {
		Plan      string         `json:"plan"`
		Overrides tenants.Quotas `json:"overrides"`
	}
	if err := q.decode(&b, true); err != nil {
		return err
	}
	if err := s.cfg.Registry.SetQuotas(q.Context(), q.ns, b.Plan, b.Overrides); err != nil {
		return err
	}
	return s.getQuotas(w, q)
}

// Bounds of what usage can be asked for at a time.
const (
	usageSpan      = 62 * 24 * time.Hour // of a namespace
	actorUsageSpan = 7 * 24 * time.Hour  // of an actor, as long as it is kept
	usageDefault   = 24 * time.Hour
)

// usageHour is what was used in one hour.
type usageHour map[string]int64

func describeUsed(u tenants.Used) usageHour {
	h := usageHour{}
	for _, m := range tenants.Metrics() {
		h[m.String()] = u[m]
	}
	return h
}

// writeUsage answers with hours, oldest first, and their sum.
func writeUsage(w http.ResponseWriter, from, to time.Time, hours []tenants.UsedHour) error {
	var total tenants.Used
	list := []usageHour{}
	for _, h := range hours {
		total = total.Add(h.Used)
		d := describeUsed(h.Used)
		d["start_ts"] = h.Start.UnixMilli()
		list = append(list, d)
	}
	return writeJSON(w, http.StatusOK, object{"from_ts": from.UnixMilli(), "to_ts": to.UnixMilli(), "hours": list, "total": describeUsed(total)})
}

func (s *Server) getUsage(w http.ResponseWriter, q *request) error {
	from, to, err := q.span(s.now(), usageSpan)
	if err != nil {
		return err
	}
	hours, err := s.cfg.Registry.Usage(q.Context(), q.ns, from, to)
	if err != nil {
		return err
	}
	return writeUsage(w, from, to, hours)
}

func (s *Server) getActorUsage(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	if _, err := s.host.Get(q.Context(), id); err != nil {
		return err
	}
	from, to, err := q.span(s.now(), actorUsageSpan)
	if err != nil {
		return err
	}
	hours, err := s.cfg.Registry.ActorUsage(q.Context(), id, from, to)
	if err != nil {
		return err
	}
	return writeUsage(w, from, to, hours)
}

// span returns the query parameters from and to, milliseconds since 1970, as whole hours: that of from and those after
// it, with the one that to is in. Left out they are a day ago and now.
func (q *request) span(now time.Time, most time.Duration) (from, to time.Time, err error) {
	if err := q.only("from", "to", "namespace"); err != nil {
		return from, to, err
	}
	if to, err = q.moment("to", now); err != nil {
		return from, to, err
	}
	to = to.Truncate(time.Hour).Add(time.Hour)
	if from, err = q.moment("from", to.Add(-usageDefault)); err != nil {
		return from, to, err
	}
	from = from.Truncate(time.Hour)
	if d := to.Sub(from); d <= 0 || d > most+time.Hour {
		return from, to, abi.Errorf(abi.CodeInvalidRequest, "usage is told for up to %d days at a time, and from is before to", int(most.Hours()/24))
	}
	return from, to, nil
}

// moment returns a query parameter, milliseconds since 1970.
func (q *request) moment(name string, unset time.Time) (time.Time, error) {
	v, err := q.one(name)
	if err != nil || v == "" {
		return unset.UTC(), err
	}
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil || ms < 0 || ms > 1<<46 {
		return time.Time{}, abi.Errorf(abi.CodeInvalidRequest, "the parameter %s is a moment in milliseconds since 1970", name)
	}
	return time.UnixMilli(ms).UTC(), nil
}
