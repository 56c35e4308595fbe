package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// encodingHeader names the encoding of an action's body and result. It counts, not Content-Type.
const encodingHeader = "X-Rivet-Encoding"

// postAction calls an action. The body is read and checked before the actor is looked for, so a
// malformed request creates none. A host that is too busy does not even read it.
func (s *Server) postAction(w http.ResponseWriter, q *request) error {
	if err := s.admitTurn(q); err != nil {
		return err
	}
	call, err := q.action()
	if err != nil {
		return err
	}
	reply, err := s.call(w, q, call)
	if err != nil {
		return err
	}
	return writeReply(w, q.encoding(), reply)
}

// call calls an action of the actor that the URL addresses, which is made if the URL says so.
func (s *Server) call(w http.ResponseWriter, q *request, call actors.Request) (actors.Reply, error) {
	if q.target.create {
		id, reply, err := s.host.CallOrCreate(q.Context(), q.address(), q.creation(), call)
		if id != (tenants.ActorID{}) {
			setActor(w, id)
		}
		return reply, err
	}
	id, err := s.resolve(q)
	if err != nil {
		return actors.Reply{}, err
	}
	setActor(w, id)
	return s.host.Call(q.Context(), id, call)
}

// setActor says in the head of an answer which actor it is of.
func setActor(w http.ResponseWriter, id tenants.ActorID) {
	w.Header().Set("X-Rivet-Actor", id.String())
}

// admitTurn refuses a request that would wait too long for its turn, before more is done for it.
func (s *Server) admitTurn(q *request) error {
	if id, ok := tenants.ParseActorID(q.ns, q.target.id); ok && q.target.direct {
		return s.host.AdmitTo(id)
	}
	return s.host.AdmitAt(q.address()) // of nobody, if what was to be an id is none
}

// encoding is that of the request's body and of the answer's. Errors are JSON in any case: clients go by their
// content type.
func (q *request) encoding() wire.Encoding {
	name := q.Header.Get(encodingHeader)
	if name == "" {
		return wire.Plain
	}
	if e := wire.Of(name); e != nil {
		return e
	}
	return wire.JSON // as Rivet does with names that it does not know
}

// encoded returns the body as JSON, which is still to be checked.
func (q *request) encoded(decode func([]byte) ([]byte, error)) ([]byte, error) {
	b, err := q.readBody()
	if err != nil {
		return nil, err
	}
	doc, err := decode(b)
	switch {
	case errors.Is(err, wire.ErrTooLong):
		return nil, abi.Errorf(abi.CodeBodyTooLarge, "the body is too long: %v", err)
	case err != nil:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the body is not the %s that is expected: %v", q.encoding().Name(), err)
	}
	return doc, nil
}

// action reads the call that the request asks for.
func (q *request) action() (actors.Request, error) {
	call := actors.Request{Action: q.params["action"], Caller: q.who.Subject, Origin: q.origin(), Head: q.head, Once: q.Header.Get("Idempotency-Key")}
	if params := q.Header.Get("X-Rivet-Conn-Params"); params != "" {
		if err := checkParams([]byte(params)); err != nil {
			return call, err
		}
		call.Params = json.RawMessage(params)
	}
	if q.Header.Get(encodingHeader) == "" {
		t := q.contentType()
		call.IsRaw = t != "" && t != typeJSON
	}
	b, err := q.encoded(q.encoding().ActionBody)
	if err != nil {
		return call, err
	}
	if call.IsRaw {
		call.Raw = b
	} else if call.Args, err = wire.ParseArgs(b); err != nil {
		return call, abi.Errorf(abi.CodeInvalidRequest, "the body is not an action's: %v", err).
			With(object{"next": `send {"args":[…]}, a list also for one argument or none`})
	}
	if q.Header.Get(encodingHeader) != "" {
		call.Args = wire.UnescapeArgs(call.Args)
	}
	if len(call.Args) > abi.MaxArgs || len(call.Raw) > abi.MaxArgs {
		return call, abi.Errorf(abi.CodeBodyTooLarge, "the arguments are longer than %d bytes", abi.MaxArgs)
	}
	return call, nil
}

// resolve returns the id of the actor that the URL addresses, and creates it if the URL says so.
func (s *Server) resolve(q *request) (tenants.ActorID, error) {
	switch t := &q.target; {
	case t.direct:
		return q.parseDirect()
	case t.create:
		info, _, err := s.host.GetOrCreate(q.Context(), q.address(), q.creation())
		return info.ID, err
	}
	return s.host.Resolve(q.Context(), q.address())
}

// address is where the URL says that the actor is, unless it has the actor's id.
func (q *request) address() tenants.Address {
	return tenants.Address{Namespace: q.ns, Name: q.target.name, Key: q.target.key}
}

// creation is how the URL wants the actor to be made.
func (q *request) creation() actors.CreateOptions {
	return actors.CreateOptions{Input: q.target.input, Caller: q.who.Subject}
}

// parseDirect returns the actor of the direct form. A name in an id's place is the usual mistake.
func (q *request) parseDirect() (tenants.ActorID, error) {
	id, ok := tenants.ParseActorID(q.ns, q.target.id)
	if !ok {
		return id, abi.Errorf(abi.CodeActorNotFound, "").
			With(object{"next": "without rvt- parameters the URL takes an actor id; with a name add ?rvt-method=getOrCreate"})
	}
	return id, nil
}

// writeReply writes an action's answer.
func writeReply(w http.ResponseWriter, e wire.Encoding, r actors.Reply) error {
	if r.Kind == actors.ReplyRaw {
		// Bytes of a stranger on our origin: never a page.
		w.Header().Set("Content-Security-Policy", guestPolicy)
		return writeBytes(w, http.StatusOK, typeBytes, r.Raw)
	}
	return writeBytes(w, http.StatusOK, e.ContentType(), e.ActionReply(outputOf(r)))
}

// outputOf returns an action's result as JSON with Rivet's tags, empty for none.
func outputOf(r actors.Reply) []byte {
	if r.Kind == actors.ReplyBytes {
		return wire.AppendBytes(nil, r.Bytes)
	}
	return r.Output
}

// noGatewayPath answers for the gateway's other paths.
func (s *Server) noGatewayPath(http.ResponseWriter, *request) error {
	return abi.Errorf(abi.CodeNotFound, "").With(object{
		"next": "this host serves /gateway/{actor}/action/{action}, /queue/{queue}, /request and the WebSockets /connect and /websocket",
	})
}
