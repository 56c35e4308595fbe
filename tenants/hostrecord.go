package tenants

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/kv"
)

// The host's registry space holds
//
//	d <namespace>                Leaving, JSON
//	n <namespace>                Namespace, JSON
//	r t<token id>, r k<key id>   Revocation, JSON
//
// A namespace has one of n and d: the delta that marks it as deleted replaces the one by the other. A program that
// knows nothing of d refuses the store, and so brings nothing back to life that is half gone.

// hostReader takes the records of the host's registry.
type hostReader struct {
	namespaces []Namespace
	leaving    []Leaving
	gate       *gate
	seen       map[ID]bool
}

func newHostReader() *hostReader { return &hostReader{gate: newGate(), seen: map[ID]bool{}} }

// add takes one record.
func (h *hostReader) add(item kv.Item) error {
	switch {
	case len(item.Key) > 0 && item.Key[0] == 'r':
		return h.gate.addRevocation(item)
	case len(item.Key) > 0 && item.Key[0] == 'd':
		var l Leaving
		if err := decodeNamed(item, leavingKey, &l, &l.Namespace); err != nil {
			return err
		}
		if l.Since.IsZero() {
			return errors.New("it does not say when it was deleted")
		}
		h.leaving = append(h.leaving, l)
		return h.once(l.ID)
	}
	var ns Namespace
	if err := decodeNamed(item, namespaceKey, &ns, &ns); err != nil {
		return err
	}
	h.namespaces = append(h.namespaces, ns)
	return h.once(ns.ID)
}

func (h *hostReader) once(id ID) error {
	if h.seen[id] {
		return fmt.Errorf("the namespace %s is there, and is being deleted", id)
	}
	h.seen[id] = true
	return nil
}

// decodeNamed reads a record whose key is made of its namespace's id.
func decodeNamed(item kv.Item, key func(ID) []byte, into any, ns *Namespace) error {
	if err := json.Unmarshal(item.Value, into); err != nil {
		return err
	}
	if _, err := ParseID(string(ns.ID)); err != nil {
		return err
	}
	if string(key(ns.ID)) != string(item.Key) {
		return errors.New("the record has another name than its key")
	}
	return nil
}

// namespaceKey is where the host's space keeps a namespace.
func namespaceKey(id ID) []byte { return []byte("n" + string(id)) }

// leavingKey is where it keeps one that is being deleted.
func leavingKey(id ID) []byte { return []byte("d" + string(id)) }
