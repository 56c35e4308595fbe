package actors

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// On a full disk the store takes no deltas. Turns that write nothing go on; the others are refused with
// CodeStorageFull, by the store at the latest. This file is about refusing earlier, before work is done that is
// lost, and about work that nobody asks for, which waits until there is room. None of it is an attempt.

// Writable returns nil, or why nothing can be written now: CodeStorageFull on a full disk. Reads and turns that
// write nothing are served meanwhile.
func (h *Host) Writable() error {
	if err := h.cfg.Store.Writable(); err != nil {
		return commitError(err)
	}
	return nil
}

// mayWork reports whether due work may begin now. It always ends in a delta. If not, the actor rests.
func (a *actor) mayWork() bool {
	next := a.agenda.next()
	if next.IsZero() || next.After(a.h.now()) {
		return true // there is none
	}
	err := a.h.Writable()
	if err != nil {
		a.rest(err)
	}
	return err == nil
}

// roundLater is when the alarm looks again that could wake nobody: what is due would only rest.
func (al *alarm) roundLater(now time.Time) (later time.Time, ok bool) {
	return now.Add(snoozeTime), abi.CodeOf(al.h.Writable()) == abi.CodeStorageFull
}
