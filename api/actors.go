package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// actorBody describes an actor in Rivet's shape. Times are in milliseconds since the epoch; null
// means unknown. An actor that is there can be reached whether it sleeps or not.
type actorBody struct {
	ActorID       string      `json:"actor_id"`
	Name          string      `json:"name"`
	Key           tenants.Key `json:"key"` // canonical; "/" is the empty key
	NamespaceID   tenants.ID  `json:"namespace_id"`
	Datacenter    string      `json:"datacenter"`
	Runner        string      `json:"runner_name_selector"`
	CrashPolicy   string      `json:"crash_policy"`
	CreateTS      int64       `json:"create_ts"`
	StartTS       *int64      `json:"start_ts"`
	ConnectableTS *int64      `json:"connectable_ts"`
	SleepTS       *int64      `json:"sleep_ts"`
	DestroyTS     *int64      `json:"destroy_ts"`
	Error         *string     `json:"error"` // never set: Rivet's client takes it for a failed start

	// Not Rivet's.
	Version        int    `json:"version,omitempty"`
	FailedUpgrade  int    `json:"failed_upgrade,omitempty"`   // live version that the actor does not run
	CrashLoopUntil *int64 `json:"crash_loop_until,omitempty"` // the actor is left alone until then
}

func (s *Server) describe(i actors.Info) actorBody {
	b := actorBody{
		ActorID:     i.ID.String(),
		Name:        i.Address.Name,
		Key:         i.Address.Key,
		NamespaceID: i.Address.Namespace,
		Datacenter:  "local",
		Runner:      "default",
		CrashPolicy: "sleep",
		CreateTS:    i.Created.UnixMilli(),

		Version:       i.Version,
		FailedUpgrade: i.Kept,
	}
	if t := s.host.CrashLoop(i.ID); !t.IsZero() {
		ms := t.UnixMilli()
		b.CrashLoopUntil = &ms
	}
	return b
}

// pagination is Rivet's; a null cursor means that there is no more.
type pagination struct {
	Cursor *string `json:"cursor"`
}

func pageAfter(cursor string) pagination {
	if cursor == "" {
		return pagination{}
	}
	return pagination{&cursor}
}

// createBodyJSON is the body of a creation. Members that Rivet's clients send and that have one
// meaning here (runner, policy, datacenter) are not read, and unknown ones may follow.
type createBodyJSON struct {
	Name      string          `json:"name"`
	Key       *string         `json:"key"`        // canonical form; null or left out is the empty key
	Input     *string         `json:"input"`      // base64 of CBOR
	InputJSON json.RawMessage `json:"input_json"` // our extension: any JSON value instead
}

// creation reads the body of PUT and POST /actors.
func (s *Server) creation(q *request) (a tenants.Address, o actors.CreateOptions, err error) {
	var b createBodyJSON
	if err := q.decode(&b, false); err != nil {
		return a, o, err
	}
	if a, err = address(q.ns, b.Name, b.Key); err != nil {
		return a, o, err
	}
	if err := q.admits(a); err != nil {
		return a, o, err
	}
	o = actors.CreateOptions{Caller: q.who.Subject}
	o.Input, err = b.input()
	return a, o, err
}

// input returns the creation's input as a JSON document, nil for none.
func (b *createBodyJSON) input() ([]byte, error) {
	switch {
	case b.Input != nil && b.InputJSON != nil:
		return nil, abi.Errorf(abi.CodeInvalidRequest, "input and input_json exclude each other")
	case b.InputJSON != nil:
		if len(b.InputJSON) > abi.MaxInput {
			return nil, errInputTooLarge
		}
		return bytes.TrimSpace(b.InputJSON), nil
	case b.Input == nil || *b.Input == "":
		return nil, nil
	}
	raw, err := decodeBase64(base64.StdEncoding, *b.Input)
	if err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "input is not padded base64")
	}
	if len(raw) > abi.MaxInput {
		return nil, errInputTooLarge
	}
	doc, err := inputOf(raw)
	if err != nil && !errors.Is(err, errInputTooLarge) {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "input: %v", err)
	}
	return doc, err
}

var errInputTooLarge = abi.Errorf(abi.CodeInputTooLarge, "the input is longer than %d bytes of JSON", abi.MaxInput)

// inputOf converts a creation's input from CBOR.
func inputOf(raw []byte) ([]byte, error) {
	doc, err := wire.FromCBOR(raw, abi.MaxInput)
	if errors.Is(err, wire.ErrTooLong) {
		return nil, errInputTooLarge
	}
	return doc, err
}

// address checks a name and a key in canonical form; a nil key is the empty key.
func address(ns tenants.ID, name string, key *string) (tenants.Address, error) {
	a := tenants.Address{Namespace: ns, Name: name, Key: tenants.EmptyKey}
	if !tenants.ValidName(name) {
		return a, abi.Errorf(abi.CodeInvalidRequest, "the actor name is missing or not valid: 1 to %d of A-Z, a-z, 0-9, _, . and -", abi.MaxActorName)
	}
	if key == nil {
		return a, nil
	}
	var err error
	a.Key, err = tenants.ParseKey(*key)
	return a, err
}

// putActor is get-or-create.
func (s *Server) putActor(w http.ResponseWriter, q *request) error {
	a, o, err := s.creation(q)
	if err != nil {
		return err
	}
	info, created, err := s.host.GetOrCreate(q.Context(), a, o)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"actor": s.describe(info), "created": created})
}

func (s *Server) createActor(w http.ResponseWriter, q *request) error {
	a, o, err := s.creation(q)
	if err != nil {
		return err
	}
	info, err := s.host.Create(q.Context(), a, o)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"actor": s.describe(info)})
}

// listActors answers three questions, told apart by their parameters: actor_ids, name and key, and
// a list. Who may only call actors may ask for those that they can name.
func (s *Server) listActors(w http.ResponseWriter, q *request) error {
	name, err := q.one("name")
	if err != nil {
		return err
	}
	var list []actors.Info
	var next string
	switch {
	case q.query.Has("actor_ids"):
		list, err = s.byIDs(q, name)
	case q.query.Has("key"):
		list, err = s.byKey(q, name)
	case !q.who.May(tenants.RightRead):
		return abi.Errorf(abi.CodeForbidden, "the token may find actors by id or by name and key, not list them")
	default:
		list, next, err = s.page(q, name)
	}
	if err != nil {
		return err
	}
	bodies := make([]actorBody, len(list)) // never null
	for i, info := range list {
		bodies[i] = s.describe(info)
	}
	return writeJSON(w, http.StatusOK, object{"actors": bodies, "pagination": pageAfter(next)})
}

// byIDs returns those of the asked actors that exist in the request's namespace.
func (s *Server) byIDs(q *request, name string) (list []actors.Info, err error) {
	ids := strings.Split(strings.Join(q.query["actor_ids"], ","), ",")
	if len(ids) > defaultLimit {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "actor_ids has more than %d ids", defaultLimit)
	}
	for _, text := range ids {
		id, ok := tenants.ParseActorID(q.ns, text)
		if !ok {
			continue
		}
		info, err := s.host.Get(q.Context(), id)
		if abi.CodeOf(err) == abi.CodeActorNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if q.who.Reaches(info.Address) && (name == "" || name == info.Address.Name) {
			list = append(list, info)
		}
	}
	return list, nil
}

// byKey returns the actor at an address, if there is one.
func (s *Server) byKey(q *request, name string) ([]actors.Info, error) {
	key, err := q.one("key")
	if err != nil {
		return nil, err
	}
	a, err := address(q.ns, name, &key)
	if err != nil {
		return nil, err
	}
	if err := q.admits(a); err != nil {
		return nil, err
	}
	info, err := s.host.Find(q.Context(), a)
	if abi.CodeOf(err) == abi.CodeActorNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []actors.Info{info}, nil
}

// page returns a page of the actors with a name, of all if it is empty. It leaves out what is beyond the token's
// limits, so it can be shorter than the limit and not the last.
func (s *Server) page(q *request, name string) ([]actors.Info, string, error) {
	limit, err := q.limit()
	if err != nil {
		return nil, "", err
	}
	cursor, err := q.one("cursor")
	if err != nil {
		return nil, "", err
	}
	if name != "" && !tenants.ValidName(name) {
		return nil, "", nil
	}
	list, next, err := s.host.List(q.Context(), q.ns, name, cursor, limit)
	return slices.DeleteFunc(list, func(i actors.Info) bool { return !q.who.Reaches(i.Address) }), next, err
}

func (s *Server) getActor(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	info, err := s.host.Get(q.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"actor": s.describe(info)})
}

func (s *Server) deleteActor(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	if err := s.host.Destroy(q.Context(), id); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{})
}

// listActorNames answers with the names that live versions define, in Rivet's shape: an object
// with a member for each.
func (s *Server) listActorNames(w http.ResponseWriter, q *request) error {
	names, err := s.host.ActorNames(q.Context(), q.ns)
	if err != nil {
		return err
	}
	members := object{}
	for _, n := range names {
		if !q.who.Knows(n) {
			continue
		}
		members[n] = object{"metadata": object{}}
	}
	return writeJSON(w, http.StatusOK, object{"names": members, "pagination": pagination{}})
}

// resetActor lets an actor start again that is left alone because its hooks trap.
func (s *Server) resetActor(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	info, err := s.host.Get(q.Context(), id)
	if err != nil {
		return err
	}
	s.host.ResetCrashes(id)
	return writeJSON(w, http.StatusOK, object{"actor": s.describe(info)})
}
