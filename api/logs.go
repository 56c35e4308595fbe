package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/actors"
	"github.com/vivarium-run/vivarium/tenants"
)

// getLogs answers with the kept lines of an actor's log after a sequence number, or follows it as
// an event stream: if ?follow says so or, without it, if the client accepts one.
func (s *Server) getLogs(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	after, err := q.after()
	if err != nil {
		return err
	}
	follow, err := q.flag("follow", strings.Contains(q.Header.Get("Accept"), typeSSE))
	if err != nil {
		return err
	}
	if follow && q.Method == http.MethodGet {
		return s.followLogs(w, q, id, after)
	}
	lines, err := s.host.Logs(q.Context(), id, after)
	if err != nil {
		return err
	}
	if lines == nil {
		lines = []actors.LogLine{}
	}
	return writeJSON(w, http.StatusOK, object{"lines": lines})
}

// followLogs sends the kept lines and then new ones. A client that comes back says by
// Last-Event-ID what it has.
func (s *Server) followLogs(w http.ResponseWriter, q *request, id tenants.ActorID, after uint64) error {
	if n, err := strconv.ParseUint(q.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		after = n
	}
	kept, err := s.host.Logs(q.Context(), id, 0)
	if err != nil {
		return err
	}
	if len(kept) == 0 || kept[len(kept)-1].Seq < after {
		after = 0 // numbers begin again when the host does
	}
	lines, err := s.host.FollowLogs(q.Context(), id, after) // ends with the request
	if err != nil {
		return err
	}
	return stream(s, w, q, lines, func(l actors.LogLine) uint64 { return l.Seq })
}

// getEvents follows the events that an actor broadcasts from now on.
func (s *Server) getEvents(w http.ResponseWriter, q *request) error {
	id, err := q.actor()
	if err != nil {
		return err
	}
	events, err := s.host.FollowEvents(q.Context(), id) // ends with the request
	if err != nil {
		return err
	}
	return stream(s, w, q, events, func(e actors.Event) uint64 { return e.Seq })
}

// stream sends what comes as server-sent events, numbered by seq, until the client goes, its token
// ends or the server shuts down.
func stream[T any](s *Server, w http.ResponseWriter, q *request, lines <-chan T, seq func(T) uint64) error {
	t := startTail(w)
	ended, stop := s.tokenEnds(q.who, q.ns)
	defer stop()
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case line, ok := <-lines:
			if !ok || !t.line(seq(line), line) {
				return nil
			}
		case <-beat.C:
			if !t.send(": alive\n\n") {
				return nil
			}
		case reason := <-ended:
			t.send("event: end\ndata: {\"reason\":\"" + reason + "\"}\n\n")
			return nil
		case <-s.closing:
			t.send("event: end\ndata: {\"reason\":\"going_away\"}\n\n")
			return nil
		case <-q.Context().Done():
			return nil
		}
	}
}

// tail writes lines as server-sent events.
type tail struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
}

// startTail sends the head of the stream.
func startTail(w http.ResponseWriter) *tail {
	h := w.Header()
	h.Set("Content-Type", typeSSE)
	h.Set("X-Accel-Buffering", "no") // a proxy shall pass lines on at once
	w.WriteHeader(http.StatusOK)
	t := &tail{w: w, ctl: http.NewResponseController(w)}
	t.send(": following\n\n")
	return t
}

// line sends one line and reports whether the client is still there.
func (t *tail) line(seq uint64, v any) bool {
	data, err := json.Marshal(v) // on one line, whatever its text
	if err != nil {
		return true // impossible: numbers, text and valid JSON
	}
	return t.send(fmt.Sprintf("id: %d\ndata: %s\n\n", seq, data))
}

// send writes text and flushes, and reports whether that worked.
func (t *tail) send(text string) bool {
	if _, err := io.WriteString(t.w, text); err != nil {
		return false
	}
	return t.ctl.Flush() == nil
}
