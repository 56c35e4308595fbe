package actors

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
	"github.com/vivarium-run/vivarium/tenants"
)

// Dead letters are work that was given up: queue messages, sends, task results. They are kept, oldest first
// out, until somebody tries them again:
//
//	'd' 'n'       ->  how many there are
//	'd' 'l' <id>  ->  a letter

var deadCountKey = []byte{tableDead, 'n'}

const deadLetter = 'l'

func deadKey(id string) []byte { return append([]byte{tableDead, deadLetter}, id...) }

// letter is a dead letter and what it takes to try it again, as JSON.
type letter struct {
	abi.DeadLetter
	Revive json.RawMessage `json:"revive,omitempty"` // known to the reviver of its kind
}

// revivers try a letter of their kind again, in the turn in which it leaves the list.
var revivers = map[string]func(t *turn, l *letter) error{}

// bury puts a letter into the list, for a settle function: the same turn drops the record that the letter
// stands for. ID and At are set here.
func (t *turn) bury(l *letter) error {
	l.ID, l.At = t.newID(), t.now.UnixMilli()
	n, err := t.deadCount()
	if err != nil {
		return err
	}
	if n >= abi.MaxDeadLetters {
		if err := t.dropOldestLetter(); err != nil {
			return err
		}
		n--
	}
	if err := t.setDeadCount(n + 1); err != nil {
		return err
	}
	return t.put(deadKey(l.ID), encode(l))
}

func (t *turn) deadCount() (int, error) {
	b, ok, err := t.get(deadCountKey)
	if err != nil || !ok {
		return 0, err
	}
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, kv.ErrCorrupt
	}
	return int(n), nil
}

func (t *turn) setDeadCount(n int) error {
	return t.put(deadCountKey, binary.AppendUvarint(nil, uint64(n)))
}

func (t *turn) dropOldestLetter() error {
	for it, err := range t.view.Scan(t.ctx, kv.PrefixRange(deadKey(""))) {
		if err != nil {
			return t.readError(err)
		}
		return t.delete(slices.Clone(it.Key))
	}
	return nil
}

// DeadLetters implements hostfuncs.Actor.
func (t *turn) DeadLetters(after string) ([]byte, error) {
	if t.startup {
		return nil, errStartup
	}
	list, _, err := readLetters(t.ctx, t.view.Scan, after, abi.MaxListItems)
	if err != nil {
		return nil, t.readError(err)
	}
	return encode(list), nil
}

// readLetters returns letters after an id, oldest first, at most limit and not much more than
// abi.MaxListBytes; more says whether there are others.
func readLetters(ctx context.Context, scan scanFunc, after string, limit int) (list []abi.DeadLetter, more bool, err error) {
	r := kv.PrefixRange(deadKey(""))
	if after != "" {
		r.Lo = append(deadKey(after), 0)
	}
	list = []abi.DeadLetter{}
	more, err = readPage(ctx, scan, r, limit, func(it kv.Item) error {
		var l letter
		if json.Unmarshal(it.Value, &l) != nil {
			return kv.ErrCorrupt
		}
		list = append(list, l.DeadLetter)
		return nil
	})
	return list, more, err
}

// Redrive implements hostfuncs.Actor.
func (t *turn) Redrive(id string) (bool, error) {
	if len(id) > abi.MaxEventName {
		return false, nil
	}
	b, ok, err := t.get(deadKey(id))
	if err != nil || !ok || id == "" {
		return false, err
	}
	var l letter
	if json.Unmarshal(b, &l) != nil {
		return false, kv.ErrCorrupt
	}
	revive := revivers[l.Kind]
	if revive == nil {
		return false, errNotYet
	}
	n, err := t.deadCount()
	if err != nil {
		return false, err
	}
	if err := revive(t, &l); err != nil {
		return false, err
	}
	if err := t.setDeadCount(n - 1); err != nil {
		return false, err
	}
	return true, t.delete(deadKey(id))
}

// RetryDead tries a dead letter of an actor again, or says CodeNotFound.
func (h *Host) RetryDead(ctx context.Context, id tenants.ActorID, letter string) error {
	e := newEntry(entryTurn, h.deadline(), func(t *turn) (Reply, error) {
		ok, err := t.Redrive(letter)
		if err == nil && !ok {
			err = abi.Errorf(abi.CodeNotFound, "the actor has no such dead letter")
		}
		return Reply{}, err
	})
	e.outside, e.writes = true, true
	_, err := h.post(ctx, id, e)
	return err
}
