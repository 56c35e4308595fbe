package api

import (
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// holdings are what is held for all namespaces together. Each is shared so that no namespace takes what others need, and
// what is not to be had is refused at once.
type holdings struct {
	requests pool[tenants.ID] // that are not answered yet, event streams among them
	memory   pool[tenants.ID] // bytes of bodies that came, of answers that leave, and of what sockets have not read
	uploads  pool[tenants.ID] // from their first byte to the verdict
	sockets  pool[tenants.ID]
}

func errBusy(message string) error {
	return &abi.Error{Code: abi.CodeHostBusy, Message: message, Retry: time.Second}
}

// EnterUpload counts an upload until leave is called, whoever makes it: a client, or a guest.
func (s *Server) EnterUpload(ns tenants.ID) (leave func(), err error) {
	if !s.held.uploads.take(ns, 1) {
		return nil, errBusy("Too many uploads of the namespace go on")
	}
	return func() { s.held.uploads.give(ns, 1) }, nil
}

// enter counts a request whose namespace is known, until leave.
func (s *Server) enter(q *request) error {
	if !s.held.requests.take(q.ns, 1) {
		return errBusy("Too many requests of the namespace are not answered yet")
	}
	return nil
}

// leave gives back what a request holds.
func (s *Server) leave(q *request) {
	s.held.requests.give(q.ns, 1)
	s.held.memory.give(q.ns, q.body.held)
}

// hold counts n bytes of a body that came.
func (b *body) hold(n int) *abi.Error {
	if !b.memory.take(b.ns, int64(n)) {
		return abi.AsError(errBusy("The bodies of the namespace's requests are too large together"))
	}
	b.held += int64(n)
	return nil
}
