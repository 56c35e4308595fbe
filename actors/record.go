package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// First byte of each key in an actor's space: which table the row is in.
const (
	tableRecord = 'm' // one row: who the actor is
	tableState  = 's' // one row
	tableKV     = 'k'
	tableVars   = 'v'
	tableAgenda = 'g' // see agenda.go
	tableRuns   = 'h' // see runs.go
	tableQueue  = 'q' // bodies of queue messages, see queue.go
	tableDead   = 'd' // see dead.go

	tableOnce     = 'x' // see idempotency.go
	tableChildren = 'C' // by id; see children.go
	tablePins     = 'P' // versions for children, by actor name
	tableSent     = 'S' // number of the last send, by receiver
	tableReceived = 'R' // number of the last send that was done, by sender
	tableTaskBody = 'T' // what a task is to send, by its id
)

var (
	recordKey     = []byte{tableRecord}
	stateKey      = []byte{tableState}
	childCountKey = []byte{tableRecord, 'n'} // how many children the actor has made
	usageKey      = []byte{tableRecord, 'u'} // of a child; see childusage.go
	wokenKey      = []byte{tableRecord, 'w'} // boot number of the process in which the hook wake ran first
)

func kvKey(key []byte) []byte   { return tableKey(tableKV, key) }
func varKey(name []byte) []byte { return tableKey(tableVars, name) }

func tableKey(table byte, key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), table), key...)
}

// record is what is stored of an actor at its creation.
type record struct {
	Name    string      `json:"name"`
	Key     tenants.Key `json:"key"`
	Created int64       `json:"created"` // ms since 1970
	Module  string      `json:"module"`
	// Version is the number of the module's version that wrote the actor's last delta, as far as a turn had
	// reason to write since. Kept is that of a live version whose hook upgrade failed: the actor keeps
	// Version until another is live.
	Version int `json:"version,omitempty"`
	Kept    int `json:"kept,omitempty"`

	// Of a child: who made it, what it may do, and the version that it runs if that is live for it only.
	Parent string           `json:"parent,omitempty"`
	Limits *abi.ChildLimits `json:"limits,omitempty"`
	Pin    *pin             `json:"pin,omitempty"`
}

func (r record) info(id tenants.ActorID) Info {
	return Info{
		ID:      id,
		Address: tenants.Address{Namespace: id.Namespace, Name: r.Name, Key: r.Key},
		Created: time.UnixMilli(r.Created),
		Module:  r.Module,
		Version: r.Version,
		Kept:    r.Kept,
	}
}

// errNoActor answers for an actor that never was, was destroyed, or is another tenant's.
var errNoActor = &abi.Error{Code: abi.CodeActorNotFound}

// isGone reports whether a failure is that there is no such actor, or no such namespace.
func isGone(err error) bool {
	c := abi.CodeOf(err)
	return c == abi.CodeActorNotFound || c == abi.CodeNamespaceNotFound
}

// readRecord returns an actor's record, or errNoActor.
func readRecord(ctx context.Context, s kv.Reader, id tenants.ActorID) (record, error) {
	b, err := s.Get(ctx, id.Space(), recordKey)
	if err != nil {
		return record{}, readError(err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("actors: record of %s: %w", id, kv.ErrCorrupt)
	}
	return r, nil
}

// readError translates what a read of the store gives, for a reader that looks for an actor.
func readError(err error) error {
	var unknown *kv.UnknownError
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return errNoActor
	case errors.As(err, &unknown), errors.Is(err, kv.ErrClosed):
		return abi.Wrap(abi.CodeUnavailable, err)
	}
	return err
}
