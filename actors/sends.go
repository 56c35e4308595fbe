package actors

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vivarium-run/vivarium/actors/internal/failpoint"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// A send is part of the sender's turn and happens once in effect. Sends of one actor to another are
// numbered, delivered in order, one at a time:
//
//  1. the sender's delta holds the send, an agenda row, and the number of the last one to the receiver;
//  2. once it is durable a courier posts it to the receiver, whose delta holds what the action did and
//     the number; a number that is not above the receiver's is done already;
//  3. once that is durable the sender's next delta deletes the send;
//  4. once that is durable, and nothing more has been sent for a while, the receiver is told that its row
//     may go, and then the sender's number goes.
//
// A crash between any two steps repeats the later one, which finds its effect there. No row is dropped by
// age.

// outgoing is the body of a send's agenda row.
type outgoing struct {
	Queue    bool            `json:"queue,omitempty"` // Name is a queue and Body its message
	Name     string          `json:"name"`
	Body     json.RawMessage `json:"body,omitempty"`
	Origin   string          `json:"origin,omitempty"`
	Attempts int             `json:"attempts,omitempty"`
	Error    string          `json:"error,omitempty"`
}

func init() {
	agendaWorks[agendaOutgoing] = (*actor).deliver
	agendaWorks[agendaForget] = (*actor).tellDone
	revivers["send"] = reviveSend
}

// forgetTime is how long a pair of actors is quiet before its numbers go.
const forgetTime = 20 * time.Second

func sentKey(to string) []byte       { return tableKey(tableSent, []byte(to)) }
func receivedKey(from string) []byte { return tableKey(tableReceived, []byte(from)) }

// pair is the sender and the receiver of sends, as texts of ids. In the agenda of the sender it is named by the
// receiver; in that of the post office, which has taken over from senders that are no more, by both.
type pair struct {
	from, to string
	name     string
}

// pairOf is the inverse of a pair's name.
func (a *actor) pairOf(name string) (pair, error) {
	p := pair{from: a.id.String(), to: name, name: name}
	if half := len(p.from); a.isPostOffice() && len(name) == 2*half {
		p.from, p.to = name[:half], name[half:]
	}
	if _, ok := tenants.ParseActorID(a.id.Namespace, p.to); !ok {
		return p, fmt.Errorf("actors: sends to %q: %w", p.to, kv.ErrCorrupt)
	}
	return p, nil
}

// receiver returns the id of the pair's receiver.
func (p pair) receiver(ns tenants.ID) tenants.ActorID {
	id, _ := tenants.ParseActorID(ns, p.to)
	return id
}

// sender returns the id of the pair's sender, who may be no more.
func (p pair) sender(ns tenants.ID) tenants.ActorID {
	id, _ := tenants.ParseActorID(ns, p.from)
	return id
}

// key returns the key of send number n's agenda row: byte order is order of numbers.
func (p pair) key(n uint64) []byte {
	return agendaKey(agendaOutgoing, binary.BigEndian.AppendUint64([]byte(p.name), n))
}

// prefix begins the keys of the pair's sends.
func (p pair) prefix() []byte { return agendaKey(agendaOutgoing, []byte(p.name)) }

// forgetKey is the key of the row that ends the pair.
func (p pair) forgetKey() []byte { return agendaKey(agendaForget, []byte(p.name)) }

// Send implements hostfuncs.Peers.
func (t *turn) Send(target []byte, action string, args []byte) error {
	if !isList(args) {
		return errArgs
	}
	if len(args) > abi.MaxArgs {
		return abi.Errorf(abi.CodeBodyTooLarge, "the arguments are larger than %d bytes", abi.MaxArgs)
	}
	return t.send(target, outgoing{Name: action, Body: slices.Clone(args)})
}

// send adds a send to the turn.
func (t *turn) send(target []byte, o outgoing) error {
	id, err := t.resolve(target)
	if err != nil {
		return err
	}
	if t.dueRows(agendaOutgoing) >= abi.MaxSends {
		return &abi.Error{Code: abi.CodeTooManySends, Retry: time.Second}
	}
	p := pair{from: t.a.id.String(), to: id.String(), name: id.String()}
	n, err := t.counter(sentKey(p.to))
	if err != nil {
		return err
	}
	o.Origin = t.entry.origin
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := t.dueRow(agendaOutgoing, p.key(n + 1)[2:], t.now, body); err != nil {
		return err
	}
	t.setCounter(sentKey(p.to), n+1)
	return nil
}

// counter reads a row that is a number; zero if there is none.
func (t *turn) counter(key []byte) (uint64, error) {
	b, ok, err := t.get(key)
	switch {
	case err != nil || !ok:
		return 0, err
	case len(b) != 8:
		return 0, fmt.Errorf("actors: counter %q: %w", key, kv.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(b), nil
}

// setCounter writes a row of the host's own, which is not counted against what the guest may write.
func (t *turn) setCounter(key []byte, n uint64) {
	t.changes.Put(key, binary.BigEndian.AppendUint64(nil, n))
}

// deliver hands the oldest send of a pair to a courier; the others of the pair wait.
func (a *actor) deliver(name, body []byte) (*entry, error) {
	var o outgoing
	if len(name) < 9 || json.Unmarshal(body, &o) != nil {
		return nil, fmt.Errorf("actors: send %q: %w", name, kv.ErrCorrupt)
	}
	at := len(name) - 8
	p, err := a.pairOf(string(name[:at]))
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(name[at:])
	if a.agenda.first(p.prefix()) != string(p.key(n)) {
		return nil, nil // busy, until the one before it is done
	}
	id, h := a.id, a.h
	carry := func() { // ends with the request's deadline at the latest; a host that drains does not wait for it
		failpoint.Reach(failpoint.SendTaken)
		_, err := h.post(h.ctx, p.receiver(id.Namespace), h.receiveEntry(p.sender(id.Namespace), n, &o))
		failpoint.Reach(failpoint.SendReceived)
		if errors.Is(err, errWaited) {
			err = errStillBusy
		}
		h.tell(id, func(t *turn) (Reply, error) { return Reply{}, t.delivered(p, n, &o, err) })
		failpoint.Reach(failpoint.SendNoted)
	}
	a.whenDurable(func() { go carry() }, func() {}) // a send of a refused turn is none
	return nil, nil
}

// errStillBusy says that a receiver did not get to a send: that is no attempt.
var errStillBusy = &abi.Error{Code: abi.CodeActorOverloaded, Retry: snoozeTime}

// tell runs a turn without a guest on an actor, for work that went on elsewhere. An actor that is busy for long is
// told again: it keeps the record as work that goes on, and waits for this. One that cannot be told otherwise does
// the work again when it wakes, or has a new lease: the record is still there.
func (h *Host) tell(id tenants.ActorID, run func(*turn) (Reply, error)) {
	for {
		e := newEntry(entryTurn, h.deadline(), run)
		e.bare = true
		_, err := h.post(h.ctx, id, e)
		if abi.CodeOf(err) == abi.CodeActionTimedOut && h.rest(snoozeTime) {
			continue
		}
		if abi.CodeOf(err) == abi.CodeInternal {
			h.cfg.Logger.Error("work of an actor is not noted", "tenant", id.Namespace, "actor", id, "error", err)
		}
		return
	}
}

// receiveEntry is the turn of a send on its receiver.
func (h *Host) receiveEntry(from tenants.ActorID, n uint64, o *outgoing) *entry {
	key := receivedKey(from.String())
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		done, err := t.counter(key)
		if err != nil || n <= done && !failpoint.Omitted(failpoint.SendTwice) {
			return Reply{}, err
		}
		if err := t.takeIn(from, o); err != nil {
			return Reply{}, err
		}
		t.setCounter(key, n)
		return Reply{}, nil
	})
	e.writes, e.lineage = true, lineage{sender: from, origin: o.Origin}
	return e
}

// takeIn does on the receiver what a send asks for.
func (t *turn) takeIn(from tenants.ActorID, o *outgoing) error {
	if o.Queue {
		return t.enqueue(o.Name, o.Body, meta{Sender: from.String()})
	}
	_, err := t.action(&ask{Turn: abi.Turn{Kind: abi.KindAction, Name: o.Name, Args: o.Body}})
	return err
}

// delivered notes on the sender how a send went.
func (t *turn) delivered(p pair, n uint64, o *outgoing, failure error) error {
	a := t.a
	key := p.key(n)
	if !a.agenda.has(string(key)) {
		return nil // noted already
	}
	if failure != nil && (isRefusal(failure) || errors.Is(failure, context.Canceled)) {
		a.agenda.idle(string(key), t.now.Add(snoozeTime))
		return nil
	}
	if failure != nil {
		o.Attempts++
		o.Error = clip(abi.AsError(failure).PublicMessage())
		if o.Attempts < abi.MaxAttempts && abi.CodeOf(failure) != abi.CodeActorNotFound {
			body, err := json.Marshal(o)
			if err != nil {
				return err
			}
			t.changes.Put(key, agendaRow(t.now.Add(backoff(o.Attempts)), body))
			return nil
		}
		if err := t.buryOutgoing(p.to, o); err != nil {
			return err
		}
	}
	t.changes.Delete(key)
	next := a.agenda.after(string(key), p.prefix())
	if next != "" {
		a.agenda.idle(next, t.now)
		return nil
	}
	t.changes.Put(p.forgetKey(), agendaRow(t.now.Add(forgetTime), binary.BigEndian.AppendUint64(nil, n)))
	return nil
}

// backoff is the wait after a number of failed attempts: 1 s, doubling, to a minute.
func backoff(attempts int) time.Duration {
	return min(time.Second<<min(attempts-1, 6), time.Minute)
}

// tellDone lets the receiver, and then the sender, forget the numbers of a pair.
func (a *actor) tellDone(name, body []byte) (*entry, error) {
	p, err := a.pairOf(string(name))
	if err != nil || len(body) != 8 {
		return nil, errors.Join(err, fmt.Errorf("actors: end of sends to %q: %w", name, kv.ErrCorrupt))
	}
	n := binary.BigEndian.Uint64(body)
	id, h := a.id, a.h
	office := a.isPostOffice()
	carry := func() { // as in deliver
		failpoint.Reach(failpoint.PairQuiet)
		if office {
			// If a crash kept the sender from going it may still deliver what the office has, and needs the number.
			if err := h.outlive(p.sender(id.Namespace)); abi.CodeOf(err) != abi.CodeActorNotFound {
				h.tell(id, func(t *turn) (Reply, error) { return Reply{}, t.forgotten(p, n, err) })
				return
			}
		}
		e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
			done, err := t.counter(receivedKey(p.from))
			if err == nil && done <= n { // it is below n if the last sends were given up
				t.changes.Delete(receivedKey(p.from))
			}
			return Reply{}, err
		})
		e.bare = true
		_, err := h.post(h.ctx, p.receiver(id.Namespace), e)
		failpoint.Reach(failpoint.PairReceiver)
		h.tell(id, func(t *turn) (Reply, error) { return Reply{}, t.forgotten(p, n, err) })
		failpoint.Reach(failpoint.PairSender)
	}
	a.whenDurable(func() { go carry() }, func() {})
	return nil, nil
}

// outlive waits until an actor is not within a turn or its end, and returns CodeActorNotFound if it is gone.
func (h *Host) outlive(id tenants.ActorID) error {
	e := newEntry(entryTurn, h.deadline(), func(*turn) (Reply, error) { return Reply{}, nil })
	e.bare = true
	_, err := h.post(h.ctx, id, e)
	return err
}

// forgotten ends the sender's side of a pair.
func (t *turn) forgotten(p pair, n uint64, failure error) error {
	if failure != nil && abi.CodeOf(failure) != abi.CodeActorNotFound {
		t.a.agenda.idle(string(p.forgetKey()), t.now.Add(forgetTime))
		return nil
	}
	last, err := t.counter(sentKey(p.name))
	if err != nil {
		return err
	}
	if last == n { // else there is a newer send, and its end will come
		t.changes.Delete(sentKey(p.name))
	}
	row, ok, err := t.get(p.forgetKey())
	if err != nil || !ok {
		return err
	}
	// The newer send's end may have come already: the row is then its.
	if _, body, err := cutAgendaRow(row); err != nil || len(body) == 8 && binary.BigEndian.Uint64(body) != n {
		return err
	}
	t.changes.Delete(p.forgetKey())
	return nil
}

// first returns the first key of a pair's sends; empty if there is none.
func (g *agenda) first(pair []byte) string { return g.after("", pair) }

// after returns the first key of a pair's sends behind key; empty if there is none.
func (g *agenda) after(key string, pair []byte) string {
	keys := g.sends[string(pair)]
	at, found := slices.BinarySearch(keys, key)
	if found {
		at++
	}
	if at == len(keys) {
		return ""
	}
	return keys[at]
}

// buryOutgoing gives a send up.
func (t *turn) buryOutgoing(to string, o *outgoing) error {
	t.a.log("error", "host", fmt.Sprintf("a send of %s to %s was given up: %s", clip(o.Name), to, o.Error))
	revive, err := json.Marshal(deadSend{To: to, Queue: o.Queue, Origin: o.Origin})
	if err != nil {
		return err
	}
	return t.bury(&letter{
		DeadLetter: abi.DeadLetter{Kind: "send", Name: o.Name, Body: o.Body, Error: o.Error, Attempts: o.Attempts},
		Revive:     revive,
	})
}

// deadSend is what it takes to send a dead letter again.
type deadSend struct {
	To     string `json:"to"`
	Queue  bool   `json:"queue,omitempty"`
	Origin string `json:"origin,omitempty"`
}

// reviveSend sends a dead letter again, behind what was sent meanwhile.
func reviveSend(t *turn, l *letter) error {
	var d deadSend
	if json.Unmarshal(l.Revive, &d) != nil {
		return kv.ErrCorrupt
	}
	target, err := json.Marshal(abi.Target{ID: d.To})
	if err != nil {
		return err
	}
	return t.send(target, outgoing{Queue: d.Queue, Name: l.Name, Body: l.Body})
}
