package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
)

// room is the sockets of one actor, which speak Rivet's JSON. What one says goes to all that have subscribed: one
// frame made once, and a write for each.
type room struct {
	mu      sync.Mutex // guards hearers, and orders what is said
	hearers map[*websocket.Conn]*sync.Mutex
}

// upgrader takes the sub-protocol that Rivet's clients offer. Pages cannot reach the floor, which listens on loopback.
var upgrader = websocket.Upgrader{Subprotocols: []string{"rivet"}}

// request is what a client says.
type request struct {
	Body struct {
		Tag string `json:"tag"`
		Val struct {
			ID   json.RawMessage   `json:"id"`
			Name string            `json:"name"`
			Args []json.RawMessage `json:"args"`
		} `json:"val"`
	} `json:"body"`
}

// connect serves a socket to its end.
func (cs *counters) connect(w http.ResponseWriter, r *http.Request) {
	key := r.URL.Query().Get("rvt-key")
	v, _ := cs.rooms.LoadOrStore(key, &room{hearers: map[*websocket.Conn]*sync.Mutex{}})
	s, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer s.Close()
	m := &member{cs: cs, room: v.(*room), counter: cs.counter(key), key: key, s: s, writing: new(sync.Mutex), answers: make(chan answer, maxPending)}
	go m.answerAll() // ends with answers
	defer close(m.answers)
	defer m.room.leave(s)
	if m.write([]byte(`{"body":{"tag":"Init","val":{"actorId":"","connectionId":""}}}`)) != nil {
		return
	}
	for {
		_, b, err := s.ReadMessage()
		if err != nil || m.take(b) != nil {
			return
		}
	}
}

func (r *room) leave(s *websocket.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.hearers, s)
}

// member is one socket.
type member struct {
	cs      *counters
	room    *room
	counter *counter
	key     string
	s       *websocket.Conn
	writing *sync.Mutex // held by who writes to s
	answers chan answer // in the order of the requests
}

// maxPending is how many answers of a socket wait for the disk; a client with more of them waits itself.
const maxPending = 1024

// answer is what a request is told, once the disk has what it did.
type answer struct {
	id     json.RawMessage
	output string
	synced <-chan struct{} // nil if it did nothing
}

// take does what a message asks for.
func (m *member) take(b []byte) error {
	var in request
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	v := in.Body.Val
	a := answer{id: v.ID, output: `["$Undefined",0]`}
	var by int64
	switch {
	case in.Body.Tag == "SubscriptionRequest":
		m.room.mu.Lock()
		defer m.room.mu.Unlock()
		m.room.hearers[m.s] = m.writing
		return nil
	case v.Name == "increment" && only(v.Args, &by):
		n, synced := m.cs.add(m.counter, m.key, by)
		a.output, a.synced = strconv.FormatInt(n, 10), synced
	case v.Name == "say" && len(v.Args) == 2:
		if err := m.room.say(v.Args); err != nil {
			return err
		}
	case v.Name != "nop":
		return fmt.Errorf("no action %q", v.Name)
	}
	m.answers <- a
	return nil
}

// answerAll writes the answers, and ends the socket where it cannot.
func (m *member) answerAll() {
	for a := range m.answers {
		if a.synced != nil && !m.cs.wait(a.synced) || m.answer(a) != nil {
			m.s.Close()
		}
	}
}

// say tells all that have subscribed.
func (r *room) say(args []json.RawMessage) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	event, err := websocket.NewPreparedMessage(websocket.TextMessage, fmt.Appendf(nil, `{"body":{"tag":"Event","val":{"name":"said","args":%s}}}`, text))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for s, writing := range r.hearers {
		writing.Lock()
		err := s.WritePreparedMessage(event)
		writing.Unlock()
		if err != nil {
			delete(r.hearers, s)
		}
	}
	return nil
}

func (m *member) answer(a answer) error {
	return m.write(fmt.Appendf(nil, `{"body":{"tag":"ActionResponse","val":{"id":%s,"output":%s}}}`, a.id, a.output))
}

func (m *member) write(b []byte) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	return m.s.WriteMessage(websocket.TextMessage, b)
}
