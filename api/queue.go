package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// postQueue sends a message to a queue. The body is read and checked before the actor is looked for, so a
// malformed request creates none.
func (s *Server) postQueue(w http.ResponseWriter, q *request) error {
	m, err := q.message()
	if err != nil {
		return err
	}
	id, err := s.resolve(q)
	if err != nil {
		return err
	}
	setActor(w, id)
	m.Origin, m.Once = q.origin(), q.Header.Get("Idempotency-Key")
	done, err := s.host.Enqueue(q.Context(), id, m)
	if abi.CodeOf(err) == abi.CodeActorOverloaded {
		// By this Rivet's client knows that it may send again.
		return abi.AsError(err).With(object{"channel": "dispatch_inbox", "operation": "dispatch_queue_send"})
	}
	if err != nil {
		return err
	}
	return writeCompletion(w, q.encoding(), done)
}

func writeCompletion(w http.ResponseWriter, e wire.Encoding, done actors.Completion) error {
	status := "completed"
	if done.TimedOut {
		status = "timedOut"
	}
	return writeBytes(w, http.StatusOK, e.ContentType(), e.QueueReply(status, done.Response))
}

// queueBodyJSON is the body of a queue send. Rivet's client repeats the queue's name in it; that of the path
// counts.
type queueBodyJSON struct {
	Body    json.RawMessage `json:"body"`
	Name    *string         `json:"name"`
	Wait    *bool           `json:"wait"`
	Timeout *millis         `json:"timeout"`
}

// millis is a time in milliseconds, in JSON a number or a BigInt.
type millis int64

// UnmarshalJSON implements json.Unmarshaler.
func (m *millis) UnmarshalJSON(b []byte) error {
	var tag []string
	if json.Unmarshal(b, &tag) == nil && len(tag) == 2 && tag[0] == "$BigInt" {
		b = []byte(tag[1])
	}
	return json.Unmarshal(b, (*int64)(m))
}

// message reads the message that the request sends.
func (q *request) message() (actors.Message, error) {
	m := actors.Message{Queue: q.params["queue"], Caller: q.who.Subject}
	if !q.encoding().Binary() {
		if err := q.wantJSON(); err != nil {
			return m, err
		}
	}
	doc, err := q.encoded(q.encoding().QueueBody)
	if err != nil {
		return m, err
	}
	var b queueBodyJSON
	if err := decodeJSON(doc, &b, false, wire.MaxDepth); err != nil {
		return m, err
	}
	m.Body = bytes.TrimSpace(b.Body)
	switch {
	case len(m.Body) == 0:
		return m, abi.Errorf(abi.CodeInvalidRequest, `there is no member "body"`).With(object{"next": `send {"body":…}, null for none`})
	case b.Timeout != nil && *b.Timeout < 0:
		return m, abi.Errorf(abi.CodeInvalidRequest, "the timeout is negative")
	}
	m.Wait = b.Wait != nil && *b.Wait
	if b.Timeout != nil {
		// Zero asks for an answer at once, which is not the same as none.
		m.Timeout = max(time.Duration(min(int64(*b.Timeout), 1<<40))*time.Millisecond, time.Nanosecond)
	}
	return m, nil
}

// listSchedules answers with a page of an actor's schedules, in the order of their ids.
func (s *Server) listSchedules(w http.ResponseWriter, q *request) error {
	p, err := q.page()
	if err != nil {
		return err
	}
	list, more, err := s.host.ListSchedules(q.Context(), p.actor, string(p.after), p.limit)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"schedules": list, "pagination": pageBehind(list, more, func(l abi.Schedule) []byte { return []byte(l.ID) })})
}

// listQueue answers with a page of the messages that wait in an actor's queues.
func (s *Server) listQueue(w http.ResponseWriter, q *request) error {
	p, err := q.page()
	if err != nil {
		return err
	}
	list, next, err := s.host.ListQueue(q.Context(), p.actor, p.after, p.limit)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"messages": list, "pagination": pageAfter(cursorOf(next))})
}

// listDead answers with a page of an actor's dead letters, oldest first.
func (s *Server) listDead(w http.ResponseWriter, q *request) error {
	p, err := q.page()
	if err != nil {
		return err
	}
	list, more, err := s.host.ListDead(q.Context(), p.actor, string(p.after), p.limit)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"dead": list, "pagination": pageBehind(list, more, func(l abi.DeadLetter) []byte { return []byte(l.ID) })})
}

// retryDead tries a dead letter again. It needs no body.
func (s *Server) retryDead(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	if err := s.host.RetryDead(q.Context(), id, q.params["letter"]); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{})
}
