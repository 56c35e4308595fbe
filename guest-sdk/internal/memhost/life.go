package memhost

import (
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Sleep implements the operation sleep.
func (h *Host) Sleep() error { h.Sleeping = true; return nil }

// Destroy implements the operation destroy.
func (h *Host) Destroy() error { h.Destroyed = true; return nil }

// GasLeft implements the operation gas_left.
func (h *Host) GasLeft() (int64, error) { return h.Gas, nil }

// DeadList implements the operation dead_list.
func (h *Host) DeadList(after string) ([]byte, error) {
	list := append([]abi.DeadLetter{}, h.DeadLetters...)
	if after != "" {
		list = list[1+slices.IndexFunc(list, func(d abi.DeadLetter) bool { return d.ID == after }):]
	}
	return json.Marshal(list)
}

// DeadRetry implements the operation dead_retry. A message goes back into its queue; anything else
// is only taken off the list.
func (h *Host) DeadRetry(id string) (int64, error) {
	i := slices.IndexFunc(h.DeadLetters, func(d abi.DeadLetter) bool { return d.ID == id })
	if i < 0 {
		return 0, nil
	}
	d := h.DeadLetters[i]
	h.DeadLetters = slices.Delete(h.DeadLetters, i, i+1)
	if d.Kind != "queue" {
		return 1, nil
	}
	return 1, h.Enqueue(Message{Queue: d.Name, Body: d.Body})
}
