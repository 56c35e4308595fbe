package api

import (
	"encoding/json"
	"net/http"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// encodingHeader names the encoding of an action's body and result. It counts, not Content-Type.
const encodingHeader = "X-Rivet-Encoding"

// postAction calls an action. The body is read and checked before the actor is looked for, so a
// malformed request creates none.
func (s *Server) postAction(w http.ResponseWriter, q *request) error {
	call, err := q.action()
	if err != nil {
		return err
	}
	id, err := s.resolve(q)
	if err != nil {
		return err
	}
	w.Header().Set("X-Rivet-Actor", id.String())
	reply, err := s.host.Call(q.Context(), id, call)
	if err != nil {
		return err
	}
	return writeReply(w, reply)
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
	switch q.Header.Get(encodingHeader) {
	case "cbor", "bare":
		return call, errEncoding(q.Header.Get(encodingHeader))
	case "":
		t := q.contentType()
		call.IsRaw = t != "" && t != typeJSON
	}
	b, err := q.readBody()
	if err != nil {
		return call, err
	}
	if call.IsRaw {
		call.Raw = b
	} else if call.Args, err = parseArgs(b); err != nil {
		return call, abi.Errorf(abi.CodeInvalidRequest, "the body is not an action's: %v", err).
			With(object{"next": `send {"args":[…]}, a list also for one argument or none`})
	}
	if len(call.Args) > abi.MaxArgs || len(call.Raw) > abi.MaxArgs {
		return call, abi.Errorf(abi.CodeBodyTooLarge, "the arguments are longer than %d bytes", abi.MaxArgs)
	}
	return call, nil
}

func errEncoding(name string) error {
	return abi.Errorf(abi.CodeUnsupportedType, "the encoding %s is not supported yet: use json", name).
		With(object{"encodings": []string{"json"}, "next": `create the client with {encoding: "json"}`})
}

// resolve returns the id of the actor that the URL addresses, and creates it if the URL says so.
func (s *Server) resolve(q *request) (tenants.ActorID, error) {
	t := &q.target
	if t.direct {
		return q.parseDirect()
	}
	a := tenants.Address{Namespace: q.ns, Name: t.name, Key: t.key}
	if t.create {
		info, _, err := s.host.GetOrCreate(q.Context(), a, actors.CreateOptions{Input: t.input, Caller: q.who.Subject})
		return info.ID, err
	}
	info, err := s.host.Find(q.Context(), a)
	return info.ID, err
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

// writeReply writes an action's answer without decoding it: it can be long, and it is JSON already.
func writeReply(w http.ResponseWriter, r actors.Reply) error {
	const head, tail = `{"output":`, `}`
	switch {
	case r.Kind == actors.ReplyRaw:
		// Bytes of a stranger on our origin: never a page.
		w.Header().Set("Content-Security-Policy", guestPolicy)
		return writeBytes(w, http.StatusOK, typeBytes, r.Raw)
	case r.Kind == actors.ReplyBytes:
		const tag = len(`["$Uint8Array",""]`)
		b := make([]byte, 0, len(head)+tag+(len(r.Bytes)+2)/3*4+len(tail))
		b = append(b, head...)
		b = appendUint8Array(b, r.Bytes)
		return writeBytes(w, http.StatusOK, typeJSON, append(b, tail...))
	case len(r.Output) == 0:
		return writeBytes(w, http.StatusOK, typeJSON, []byte("{}"))
	}
	out := escapeTags(r.Output)
	b := make([]byte, 0, len(head)+len(out)+len(tail))
	b = append(b, head...)
	b = append(b, out...)
	return writeBytes(w, http.StatusOK, typeJSON, append(b, tail...))
}

// noGatewayPath answers for the gateway's other paths.
func (s *Server) noGatewayPath(http.ResponseWriter, *request) error {
	return abi.Errorf(abi.CodeNotFound, "").With(object{
		"next": "this host serves /gateway/{actor}/action/{action}, /queue/{queue}, /request and the WebSockets /connect and /websocket",
	})
}
