package actors

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// An export of a namespace is all that a backup has of it, as of one moment, except what only this host can read. Unlike
// that of one actor it has what is under way, too, and every actor keeps its id: what they have sent each other, their
// children and what they know of each other agree in that moment. The rows are
//
//	n                 departed, JSON: one
//	r <key>           a record of the registry
//	u <key>           what was used in an hour
//	a <actor id>      spaceHead, JSON; and behind it
//	i <key>           an item of its space
//
// and then come the modules that the records name. What is left out: secrets, whose names are in the first row, and the
// unfinished imports of single actors.
const (
	rowNamespace = 'n'
	rowRecord    = 'r'
	rowUsage     = 'u'
	rowSpace     = 'a'
	rowItem      = 'i'
)

// departed says which namespace an export is of.
type departed struct {
	ID          tenants.ID `json:"namespace"`
	DisplayName string     `json:"display_name,omitempty"`
	Secrets     []string   `json:"secrets,omitempty"` // names of what is left behind
}

// spaceHead is what an export has of a space apart from its items. Ids in these are made of the numbers of deltas, so a
// copy goes on behind them.
type spaceHead struct {
	Pos uint64 `json:"pos"`
	Due *int64 `json:"due,omitempty"` // ms since 1970
}

// ExportNamespace calls put with the rows of a namespace, as of one moment, and returns the modules that are to come
// behind them. Key and value are valid until put returns, whose error ends it.
func (h *Host) ExportNamespace(ctx context.Context, ns tenants.ID, put func(kv.Item) error) (modules []tenants.Digest, err error) {
	err = h.cfg.Store.Moment(ctx, func(m kv.Moment) error {
		d, err := h.cfg.Registry.Depart(ctx, m, ns)
		if err != nil {
			return err
		}
		modules = d.Modules
		if err := put(kv.Item{Key: []byte{rowNamespace}, Value: encode(departed{d.ID, d.DisplayName, d.Secrets})}); err != nil {
			return err
		}
		if err := errors.Join(d.Records(ctx, as(rowRecord, put)), d.Usage(ctx, as(rowUsage, put))); err != nil {
			return err
		}
		return exportSpaces(ctx, m, ns, put)
	})
	if err != nil {
		return nil, readError(err)
	}
	return modules, nil
}

// as passes rows on as a table of the export.
func as(table byte, put func(kv.Item) error) func(kv.Item) error {
	return func(it kv.Item) error { return put(kv.Item{Key: tableKey(table, it.Key), Value: it.Value}) }
}

// exportSpaces passes on the actors, and the post office.
func exportSpaces(ctx context.Context, m kv.Moment, ns tenants.ID, put func(kv.Item) error) error {
	for held, err := range m.Spaces(ctx, string(ns)) {
		if err != nil {
			return err
		}
		id, ok := tenants.IDOfSpace(held.Space)
		if !ok {
			continue // the registry's
		}
		switch _, err := m.Get(ctx, held.Space, importKey); {
		case err == nil:
			continue
		case !errors.Is(err, kv.ErrNotFound):
			return err
		}
		if err := exportSpace(ctx, m, id, held, put); err != nil {
			return err
		}
	}
	return nil
}

func exportSpace(ctx context.Context, m kv.Moment, id tenants.ActorID, held kv.Held, put func(kv.Item) error) error {
	head := spaceHead{Pos: held.Pos}
	if !held.Due.IsZero() {
		due := held.Due.UnixMilli()
		head.Due = &due
	}
	doc, err := json.Marshal(head)
	if err != nil {
		return err
	}
	if err := put(kv.Item{Key: tableKey(rowSpace, []byte(id.String())), Value: doc}); err != nil {
		return err
	}
	item := as(rowItem, put)
	for it, err := range m.Scan(ctx, held.Space, kv.Range{}) {
		if err == nil && string(it.Key) != string(wokenKey) { // which names a process of this host
			err = item(it)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
