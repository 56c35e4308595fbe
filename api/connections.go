package api

import (
	"net/http"
	"strconv"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// connInfo is a connection in the inspector's list.
type connInfo struct {
	ID      string   `json:"id"`
	Kind    string   `json:"kind"`
	Subject string   `json:"subject"`
	Params  int      `json:"params_bytes"`
	State   int      `json:"state_bytes"`
	Events  []string `json:"subscriptions"`
	Since   int64    `json:"connected_ts"` // ms since 1970
}

// listConnections answers with a page of an actor's connections, the oldest first.
func (s *Server) listConnections(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	limit, err := q.limit()
	if err != nil {
		return err
	}
	after, err := q.connCursor()
	if err != nil {
		return err
	}
	all, err := s.host.Connections(q.Context(), id)
	if err != nil {
		return err
	}
	list, next := []connInfo{}, ""
	for _, c := range all {
		if c.Number <= after {
			continue
		}
		if len(list) == limit {
			next = strconv.FormatUint(after, 10)
			break
		}
		after = c.Number
		events := c.Events
		if events == nil {
			events = []string{}
		}
		list = append(list, connInfo{ID: c.ID, Kind: c.Kind, Subject: c.Subject, Params: c.Params, State: c.State, Events: events, Since: c.Since.UnixMilli()})
	}
	return writeJSON(w, http.StatusOK, object{"connections": list, "pagination": pageAfter(next)})
}

func (q *request) connCursor() (uint64, error) {
	cursor, err := q.one("cursor")
	if err != nil || cursor == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil {
		return 0, abi.Errorf(abi.CodeInvalidRequest, "the cursor is not one of ours")
	}
	return n, nil
}
