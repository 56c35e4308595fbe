package actors

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// A queue message is two rows of one name, <length of the queue's name> <queue> <id>: in the agenda its
// standing, which is small and which waking reads, and in a table of its own the body. See queueturn.go for
// what becomes of it.

// meta is what is known of a message beside its body, as it is stored.
type meta struct {
	Sent     int64  `json:"sent"`
	Size     int    `json:"size"`              // of the body
	Sender   string `json:"sender,omitempty"`  // id of the actor that sent it
	Subject  string `json:"subject,omitempty"` // verified subject of the client that sent it
	Attempts int    `json:"attempts,omitempty"`
	Error    string `json:"error,omitempty"` // of the last attempt
}

// Bounds of what an actor may choose.
const (
	mostQueueSize    = 10_000
	mostQueueMessage = 128 << 10
)

// queueName is the part of a message's keys that all messages of its queue share.
func queueName(queue string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(queue))), queue...)
}

// cutQueueName is the inverse, of a whole name.
func cutQueueName(name []byte) (queue, id string, err error) {
	if len(name) < 2 || len(name)-2 < int(binary.BigEndian.Uint16(name)) {
		return "", "", kv.ErrCorrupt
	}
	n := 2 + int(binary.BigEndian.Uint16(name))
	return string(name[2:n]), string(name[n:]), nil
}

func bodyKey(name []byte) []byte { return tableKey(tableQueue, name) }

// QueueSend implements hostfuncs.Actor.
func (t *turn) QueueSend(target []byte, queue string, body []byte) error {
	if t.startup {
		return errStartup
	}
	if len(target) > 0 {
		return t.sendMessage(target, queue, body)
	}
	return t.enqueue(queue, body, meta{Sender: t.a.id.String()})
}

// sendMessage puts a message into a queue of another actor. Whether there is such a queue is found out when it
// arrives.
func (t *turn) sendMessage(target []byte, queue string, body []byte) error {
	if len(body) > mostQueueMessage {
		return abi.Errorf(abi.CodeQueueMessageTooLarge, "the message is larger than %d bytes", mostQueueMessage)
	}
	if !isJSON(body) {
		return errNotJSON
	}
	return t.send(target, outgoing{Queue: true, Name: queue, Body: bytes.Clone(body)})
}

var errNotJSON = abi.Errorf(abi.CodeInvalidArgument, "a queue message is one JSON value")

// enqueue puts a message at the end of one of the actor's queues. m says who sent it.
func (t *turn) enqueue(queue string, body []byte, m meta) error {
	_, err := t.enqueued(queue, body, m)
	return err
}

// enqueued is enqueue, and returns the name of the message's rows.
func (t *turn) enqueued(queue string, body []byte, m meta) ([]byte, error) {
	if err := t.checkMessage(queue, body); err != nil {
		return nil, err
	}
	o := t.options()
	if most := choice(o.MaxQueueSize, abi.MaxQueueSize, mostQueueSize); t.dueRows(agendaQueue) >= most {
		return nil, (&abi.Error{Code: abi.CodeQueueFull, Retry: time.Second}).With(map[string]any{"limit": most})
	}
	if m.Sent == 0 {
		m.Sent = t.now.UnixMilli()
	}
	m.Size = len(body)
	name := append(queueName(queue), t.newID()...)
	if err := t.put(bodyKey(name), body); err != nil {
		return nil, err
	}
	return name, t.dueRow(agendaQueue, name, t.now, encode(m))
}

// checkMessage refuses what no queue of the actor takes.
func (t *turn) checkMessage(queue string, body []byte) error {
	if _, ok := t.a.version.Actors[t.a.record.Name].Queues[queue]; !ok {
		return errNoQueue
	}
	if most := choice(t.options().MaxQueueMessageSize, abi.MaxQueueMessage, mostQueueMessage); len(body) > most {
		return abi.Errorf(abi.CodeQueueMessageTooLarge, "the message is larger than %d bytes", most)
	}
	if !isJSON(body) {
		return errNotJSON
	}
	return t.a.checker().Body(queue, body)
}

var errNoQueue = &abi.Error{Code: abi.CodeQueueNotFound}

// Message is what a client sends to a queue.
type Message struct {
	Queue  string
	Body   json.RawMessage // one JSON value
	Caller string          // verified subject of the client; empty means anonymous
	// Wait asks for the outcome, for up to Timeout: zero means the time of a turn, and five minutes is the
	// most.
	Wait    bool
	Timeout time.Duration
	// Once is an idempotency key, as in Request. Who repeats the message is told that it is there; the response
	// of its handler goes to those who wait meanwhile.
	Once   string
	Origin string // of the web page, as the browser says; empty means none
}

// Completion is how a message fared.
type Completion struct {
	TimedOut bool            // nobody has completed it yet; it is still in the queue, or in work
	Response json.RawMessage // nil means no value
}

// maxWait bounds how long a sender may wait.
const maxWait = 5 * time.Minute

// Enqueue puts a message into a queue and returns once it is durable or, if the message says so, once it is
// done. The error is then that of its last attempt.
func (h *Host) Enqueue(ctx context.Context, id tenants.ActorID, m Message) (Completion, error) {
	wait, err := h.BeginEnqueue(ctx, id, m)
	if err != nil {
		return Completion{}, err
	}
	return wait(ctx)
}

// BeginEnqueue is Enqueue in two steps: it returns when the message is durable. wait, which is to be called once,
// waits until it is done, if the message asks for that.
func (h *Host) BeginEnqueue(ctx context.Context, id tenants.ActorID, m Message) (wait func(context.Context) (Completion, error), err error) {
	if !isJSON(m.Body) {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the message is not one JSON value")
	}
	if err := checkOnce(m.Once); err != nil {
		return nil, err
	}
	if err := h.checkOrigin(ctx, id, m.Origin); err != nil {
		return nil, err
	}
	var w *request
	if m.Wait {
		if m.Timeout <= 0 {
			m.Timeout = h.cfg.TurnTime
		}
		w = &request{deadline: time.Now().Add(min(m.Timeout, maxWait)), result: make(chan result, 1), held: true}
	}
	came := false // it is not there already, from an earlier send with its idempotency key
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		came = true
		return Reply{}, t.receive(m, w)
	})
	e.outside, e.brief = true, true
	if e.writes = true; m.Once != "" {
		e.once(newOnceKey("queue", m.Caller, m.Queue, m.Once, m.Body))
	}
	e.lineage = lineage{subject: m.Caller, origin: m.Caller}
	if _, err := h.post(ctx, id, e); err != nil {
		return nil, err
	}
	if w == nil || !came {
		return func(context.Context) (Completion, error) { return Completion{}, nil }, nil
	}
	return w.completion, nil
}

// receive is the turn in which a client's message comes in. w waits for its outcome, if not nil.
func (t *turn) receive(m Message, w *request) error {
	if err := t.checkMessage(m.Queue, m.Body); err != nil {
		return err
	}
	if w != nil && t.a.awaited() >= abi.MaxOpenRequests {
		return &abi.Error{Code: abi.CodeTooManyOpen, Retry: time.Second}
	}
	if spec := t.a.version.Actors[t.a.record.Name]; spec.HasHook(abi.HookPublish) {
		if _, err := t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindPublish, Name: m.Queue}}); err != nil {
			return err
		}
		t.open = false // it has no answer to give later
	}
	name, err := t.enqueued(m.Queue, m.Body, meta{Subject: m.Caller})
	if err != nil || w == nil {
		return err
	}
	key := string(agendaKey(agendaQueue, name))
	t.a.waiters.add(key, w)
	t.unless(func() { t.a.waiters.remove(key) })
	return nil
}

// completion waits for the outcome of a message that is on disk.
func (r *request) completion(ctx context.Context) (Completion, error) {
	late := time.NewTimer(time.Until(r.deadline))
	defer late.Stop()
	var got result
	select {
	case got = <-r.result:
	case <-late.C:
		r.state.Store(requestGivenUp)
		return Completion{TimedOut: true}, nil
	case <-ctx.Done():
		r.state.Store(requestGivenUp)
		return Completion{}, &abi.Error{Code: abi.CodeActionTimedOut, Message: "The client went away", Cause: context.Cause(ctx)}
	}
	if got.err == errWaitedEnough || got.err != nil && !time.Now().Before(r.deadline) && abi.CodeOf(got.err) == abi.CodeActionTimedOut {
		return Completion{TimedOut: true}, nil
	}
	return Completion{Response: got.reply.Output}, got.err
}
