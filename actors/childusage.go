package actors

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// What a child uses is a row of its own, written with each turn that writes anything, and after each that
// fails. Actors without a parent have none.

// loadUsage reads what a child has used.
func (a *actor) loadUsage() error {
	a.usage = abi.ChildUsage{}
	if a.record.Parent == "" {
		return nil
	}
	b, err := a.read(usageKey)
	if err != nil {
		return nil // it has not had a turn
	}
	if err := json.Unmarshal(b, &a.usage); err != nil {
		return fmt.Errorf("actors: usage: %w", kv.ErrCorrupt)
	}
	return nil
}

// mayRun refuses a child that has used up what it was given.
func (a *actor) mayRun() error {
	l := a.record.Limits
	if l == nil {
		return nil
	}
	if l.Gas > 0 && a.usage.Gas >= l.Gas {
		a.usage.Ended = "gas"
	}
	if a.usage.Ended == "" {
		return nil
	}
	return (&abi.Error{Code: abi.CodeChildEnded}).With(map[string]any{"reason": a.usage.Ended, "gas": a.usage.Gas})
}

// turnGas is what a turn may use: what its caller hands down, and what a child has left. Zero is no bound but
// the host's own.
func (a *actor) turnGas(handed int64) int64 {
	l := a.record.Limits
	if l == nil {
		return handed
	}
	least := func(bound int64) {
		if bound > 0 && (handed == 0 || bound < handed) {
			handed = bound
		}
	}
	least(l.TurnGas)
	if l.Gas > 0 {
		least(max(1, l.Gas-a.usage.Gas)) // a hook may have used up what mayRun had seen
	}
	return handed
}

// memoryLimit is what an instance of the actor may have, in bytes; zero is no bound but the host's own.
func (a *actor) memoryLimit() int64 {
	if l := a.record.Limits; l != nil {
		return l.Memory
	}
	return 0
}

// count adds a turn to what a child has used.
func (a *actor) count(gas int64) {
	if a.record.Parent == "" {
		return
	}
	a.usage.Gas += gas
	a.usage.Turns++
	if l := a.record.Limits; l != nil && l.Gas > 0 && a.usage.Gas >= l.Gas {
		a.usage.Ended = "gas"
	}
}

// noteUsage adds the usage row to what a child's turn writes, and counts the bytes that it stores. It refuses
// a turn that stores more than the child may, unless the host must note something: that is never refused.
func (t *turn) noteUsage(must bool) error {
	a := t.a
	if a.record.Parent == "" {
		return nil
	}
	stored := a.usage.Stored
	below := kv.View{Layers: t.view.Layers[1:], Store: t.view.Store, Space: t.view.Space}
	for _, op := range t.changes.Ops() {
		switch old, err := below.Get(t.ctx, op.Key); {
		case err == nil:
			stored -= int64(len(op.Key) + len(old))
		case !errors.Is(err, kv.ErrNotFound):
			return t.readError(err)
		}
		if op.Value != nil {
			stored += int64(len(op.Key) + len(op.Value))
		}
	}
	if l := a.record.Limits; l != nil && l.Stored > 0 && stored > l.Stored && stored > a.usage.Stored && !must {
		return abi.Errorf(abi.CodeDeltaTooLarge, "the child may store %d bytes, and would store %d", l.Stored, stored)
	}
	a.usage.Stored = max(0, stored)
	row, err := json.Marshal(a.usage)
	if err != nil {
		return err
	}
	t.changes.Put(usageKey, row)
	return nil
}
