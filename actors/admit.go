package actors

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// busyTime is when whoever was refused may come again: about as long as what waits then takes.
const busyTime = time.Second

// Admit refuses outside requests of a namespace with CodeHostBusy if they would wait too long for a processor, or too many
// wait for a place already. Each is held to it again in its actor's mailbox, where others may be before it. A namespace
// waits for its own requests only, so it is not refused for what another one asks.
func (h *Host) Admit(ns tenants.ID) error { return h.admit(ns, 0, h.deadline()) }

// AdmitTo is Admit for requests to an actor: what waits for it already is before them.
func (h *Host) AdmitTo(id tenants.ActorID) error {
	h.mu.Lock()
	a := h.awake[id]
	h.mu.Unlock()
	return h.admitBehind(id.Namespace, a)
}

// AdmitAt is AdmitTo for the actor at an address, if there is one.
func (h *Host) AdmitAt(at tenants.Address) error {
	h.mu.Lock()
	a := h.awake[h.byAddr[at].ID]
	h.mu.Unlock()
	return h.admitBehind(at.Namespace, a)
}

// admitBehind is Admit for a request behind those that wait for an actor, nil for one that sleeps.
func (h *Host) admitBehind(ns tenants.ID, a *actor) error {
	if a == nil {
		return h.Admit(ns)
	}
	return h.admit(ns, a.mail.ahead(), h.deadline())
}

// admit is Admit for a request with others ahead of it at its actor.
func (h *Host) admit(ns tenants.ID, ahead int, deadline time.Time) error {
	wait := h.cfg.Sandbox.Expect(string(ns), ahead)
	if wait <= min(h.cfg.MaxWait, time.Until(deadline)) && !h.instances.crowded(ns) {
		return nil
	}
	h.refused.Add(1)
	return &abi.Error{Code: abi.CodeHostBusy, Message: "The namespace asks more than its part of the host can do", Retry: busyTime}
}

// Load is what a host has refused and given up because there was too much to do, since it began.
type Load struct {
	Refused int64 // requests that would have waited too long
	Dropped int64 // requests that were not run because nobody waited for them any more, or their time was up
}

// Load returns what the host has refused and given up.
func (h *Host) Load() Load { return Load{Refused: h.refused.Load(), Dropped: h.dropped.Load()} }
