package api

import (
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// A token may have limits below its role. What a route's URL names is held to them before its handler runs, by the
// check in the route's row; a handler does the rest only where the body or a list names something: admits, and
// the filters of lists.
//
// What the request itself names is refused as forbidden, whether it exists or not. An id says nothing of the
// actor behind it, so an actor beyond the limits is not found.

// check holds a request to the limits of its token.
type check struct {
	name string
	hold func(*Server, *request) error // nil if there is nothing to hold
}

// Checks of the table.
var (
	nothing   = check{"nothing", nil} // there is nothing to limit, or the handler lists only what is within
	inBody    = check{"inBody", nil}  // the handler holds what the body names to the limits
	whole     = check{"whole", (*Server).checkWhole}
	ofModule  = check{"ofModule", (*Server).checkModule}
	ofActor   = check{"ofActor", (*Server).checkActor}
	byAction  = through("byAction", func(q *request) tenants.Door { return tenants.ActionDoor(q.params["action"]) })
	byQueue   = through("byQueue", func(q *request) tenants.Door { return tenants.QueueDoor(q.params["queue"]) })
	byRequest = through("byRequest", func(*request) tenants.Door { return tenants.DoorRequest })
	byConnect = through("byConnect", func(*request) tenants.Door { return tenants.DoorConnect })
	byRaw     = through("byRaw", func(*request) tenants.Door { return tenants.DoorWebSocket })
)

// admit holds a request to the limits of its token: where it may come from, how often, and the route's check.
func (s *Server) admit(q *request) error {
	if !q.who.Limited() {
		return nil
	}
	if err := s.admitVisit(q); err != nil || q.route.within.hold == nil {
		return err
	}
	return q.route.within.hold(s, q)
}

// checkWhole refuses any token with limits: what the route does concerns the whole namespace.
func (s *Server) checkWhole(*request) error {
	return abi.Errorf(abi.CodeForbidden, "a token with limits may not do this")
}

func (s *Server) checkModule(q *request) error {
	if !q.who.Manages(q.params["module"]) {
		return abi.Errorf(abi.CodeForbidden, "the token is not for this module")
	}
	return nil
}

// checkActor holds the actor that the path names by id to the limits.
func (s *Server) checkActor(q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	return s.reaches(q, id)
}

// reaches returns CodeActorNotFound for an actor beyond the limits.
func (s *Server) reaches(q *request, id tenants.ActorID) error {
	info, err := s.host.Get(q.Context(), id)
	if err == nil && !q.who.Reaches(info.Address) {
		err = abi.Errorf(abi.CodeActorNotFound, "")
	}
	return err
}

// admits refuses an address beyond the limits, which the request names.
func (q *request) admits(a tenants.Address) error {
	if !q.who.Reaches(a) {
		return abi.Errorf(abi.CodeForbidden, "the token is not for this actor")
	}
	return nil
}

// through returns the check of a gateway route, by which a request enters an actor through a door.
func through(name string, door func(*request) tenants.Door) check {
	return check{name, func(s *Server, q *request) error {
		if err := q.enters(door(q)); err != nil {
			return err
		}
		if !q.target.direct {
			return q.admits(tenants.Address{Namespace: q.ns, Name: q.target.name, Key: q.target.key})
		}
		id, err := q.parseDirect()
		if err != nil {
			return err
		}
		return s.reaches(q, id)
	}}
}

// enters refuses a door beyond the limits. Actions over a connection ask it one by one.
func (q *request) enters(d tenants.Door) error {
	if !q.who.Enters(d) {
		return abi.Errorf(abi.CodeForbidden, "the token is not for this way into the actor: %s", clip(string(d), 80))
	}
	return nil
}
