package actors

import (
	"encoding/json"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

func init() {
	agendaWorks[agendaQueue] = handleMessages
	revivers["queue"] = reviveMessage
}

// attempt is one attempt at one message, or at several of one queue that are new: a turn in whose delta
// they are removed. Messages come in the order in which they were sent; one that failed steps aside until
// its next attempt, alone, and does not hold up those behind it.
type attempt struct {
	queue    string
	messages []*message
}

type message struct {
	meta
	name   []byte // of its rows
	id     string
	waiter *request // nil if nobody waits
}

func (m *message) key() string { return string(agendaKey(agendaQueue, m.name)) }

// handleMessages returns the turn of a queue's oldest message that is due, and of those behind it that may
// go along.
func handleMessages(a *actor, name, body []byte) (*entry, error) {
	first, queue, err := readMessage(name, body)
	if err != nil {
		return nil, err
	}
	d := &attempt{queue: queue, messages: []*message{first}}
	if first.Attempts == 0 {
		if err := d.gather(a); err != nil {
			for _, m := range d.messages[1:] {
				a.agenda.idle(m.key(), time.Time{})
			}
			return nil, err
		}
	}
	e := &entry{request: &request{deadline: a.h.deadline()}, run: d.run, settle: d.settle}
	for _, m := range d.messages {
		e.rows = append(e.rows, m.key())
	}
	return e, nil
}

func readMessage(name, body []byte) (m *message, queue string, err error) {
	m = &message{name: append([]byte(nil), name...)}
	if queue, m.id, err = cutQueueName(name); err != nil {
		return nil, "", err
	}
	if json.Unmarshal(body, &m.meta) != nil {
		return nil, "", kv.ErrCorrupt
	}
	return m, queue, nil
}

// gather adds new messages behind the first, as many as the handler takes at a time and as arguments may be
// long.
func (d *attempt) gather(a *actor) error {
	batch := d.batch(a)
	if batch < 2 {
		return nil
	}
	view, size := a.view(&kv.Overlay{}), d.messages[0].Size
	r := kv.PrefixRange(agendaKey(agendaQueue, queueName(d.queue)))
	r.Lo = append(agendaKey(agendaQueue, d.messages[0].name), 0)
	for it, err := range view.Scan(a.h.ctx, r) {
		if err != nil {
			return readError(err)
		}
		_, body, err := cutAgendaRow(it.Value)
		if err != nil {
			return err
		}
		m, _, err := readMessage(it.Key[2:], body)
		if err != nil {
			return err
		}
		if m.Attempts > 0 {
			continue
		}
		if size += m.Size; size > abi.MaxArgs || !a.agenda.seize(m.key(), a.h.now()) {
			break
		}
		if d.messages = append(d.messages, m); len(d.messages) == batch {
			break
		}
	}
	return nil
}

// batch is how many messages the handler of the queue takes at a time. No version is known right after the
// actor woke; the first message then goes alone.
func (d *attempt) batch(a *actor) int {
	v, err := a.h.cfg.Registry.Resolve(a.id.Namespace, a.record.Name)
	if err != nil {
		return 1
	}
	return min(v.Actors[a.record.Name].Queues[d.queue].Batch, abi.MaxQueueBatch)
}

// run calls the handler. The messages are taken out first: the handler sees the queue without them.
func (d *attempt) run(t *turn) (Reply, error) {
	if _, ok := t.a.version.Actors[t.a.record.Name].Queues[d.queue]; !ok {
		return Reply{}, errNoQueue
	}
	args, err := d.take(t)
	if err != nil {
		return Reply{}, err
	}
	d.open(t)
	reply, err := t.runGuest(&ask{Turn: abi.Turn{Kind: abi.KindQueue, Name: d.queue, Args: args, Head: encode(d.head())}})
	if err != nil || !t.left {
		d.shut(t)
	}
	if err == nil {
		d.complete(t, reply)
	}
	return Reply{}, err
}

// take removes the messages and returns the list of their bodies.
func (d *attempt) take(t *turn) ([]byte, error) {
	args := []byte{'['}
	for i, m := range d.messages {
		body, ok, err := t.get(bodyKey(m.name))
		if err == nil && !ok {
			err = kv.ErrCorrupt
		}
		if err == nil {
			err = d.remove(t, m)
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			args = append(args, ',')
		}
		args = append(args, body...)
	}
	return append(args, ']'), nil
}

func (d *attempt) remove(t *turn, m *message) error {
	if err := t.delete(bodyKey(m.name)); err != nil {
		return err
	}
	return t.dropRow(agendaQueue, m.name)
}

// open makes the waiting senders' requests such that the handler can answer them itself. A trap does not
// lose them: the message is tried again.
func (d *attempt) open(t *turn) {
	for _, m := range d.messages {
		if m.waiter = t.a.waiters.get(m.key()); m.waiter != nil {
			m.waiter.held = true
			t.a.requests.number(m.waiter)
			t.a.requests.keep(m.waiter)
		}
	}
}

// shut ends that.
func (d *attempt) shut(t *turn) {
	for _, m := range d.messages {
		if m.waiter != nil {
			t.a.requests.drop(m.waiter)
		}
	}
}

func (d *attempt) head() []abi.QueueMessage {
	list := make([]abi.QueueMessage, len(d.messages))
	for i, m := range d.messages {
		list[i] = abi.QueueMessage{ID: m.id, Sent: m.Sent, Attempt: m.Attempts + 1, Sender: m.Sender, Subject: m.Subject}
		if m.waiter != nil {
			list[i].Request = m.waiter.id
		}
	}
	return list
}

// complete answers the senders once the turn is durable, or leaves their requests open for a later turn.
func (d *attempt) complete(t *turn, reply Reply) {
	results := d.results(t, reply.Output)
	for i, m := range d.messages {
		if m.waiter == nil {
			continue
		}
		if t.left {
			m.waiter.held = false // the message is done with; what answers is the guest's memory
			t.after(func() { t.a.waiters.remove(m.key()) })
			continue
		}
		t.after(func() { t.a.waiters.answer(m.key(), Reply{Kind: ReplyJSON, Output: results[i]}, nil) })
	}
}

// results gives each message its completion. The handler of a queue with batches may return a list with one
// entry for each; any other value is for all.
func (d *attempt) results(t *turn, output json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if t.a.version.Actors[t.a.record.Name].Queues[d.queue].Batch > 1 {
		if json.Unmarshal(output, &list) == nil && len(list) == len(d.messages) {
			return list
		}
	}
	list = make([]json.RawMessage, len(d.messages))
	for i := range list {
		list[i] = output
	}
	return list
}

// settle gives the messages of a failed attempt another one later, or gives them up.
func (d *attempt) settle(t *turn, failure error) error {
	for _, m := range d.messages {
		m.Attempts, m.Error = m.Attempts+1, failureText(failure)
		var err error
		if m.Attempts < abi.MaxAttempts {
			err = t.dueRow(agendaQueue, m.name, t.now.Add(retryAfter(m.Attempts)), encode(m.meta))
		} else {
			err = d.giveUp(t, m, failure)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retryAfter is the pause after a failed attempt: 1, 4, 16 and 60 seconds.
func retryAfter(attempts int) time.Duration {
	return min(time.Second<<(2*(attempts-1)), time.Minute)
}

// giveUp makes a message a dead letter.
func (d *attempt) giveUp(t *turn, m *message, failure error) error {
	body, _, err := t.get(bodyKey(m.name))
	if err != nil {
		return err
	}
	if err := d.remove(t, m); err != nil {
		return err
	}
	t.after(func() { t.a.waiters.answer(m.key(), Reply{}, failure) })
	return t.bury(&letter{
		DeadLetter: abi.DeadLetter{Kind: "queue", Name: d.queue, Body: body, Error: m.Error, Attempts: m.Attempts},
		Revive:     encode(meta{Sent: m.Sent, Sender: m.Sender, Subject: m.Subject}), // as if it were new
	})
}

// reviveMessage puts a dead message at the end of its queue.
func reviveMessage(t *turn, l *letter) error {
	var m meta
	if json.Unmarshal(l.Revive, &m) != nil {
		return kv.ErrCorrupt
	}
	return t.enqueue(l.Name, l.Body, m)
}
