package actors

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/kv"
)

// A request with an idempotency key is done once: its answer is recorded in the same delta as what it did,
// and given again to whoever repeats it. Results and user errors are recorded; traps, limits and refusals are
// not, since after them nothing was done and a repetition is right.
//
// Rows of an actor's space, x being the hash of subject, action and key:
//
//	'x' 'k' x            the record
//	'x' 't' expires x    when it may go
//	'x' 'n'              how many records there are

// onceKey is what tells a request with an idempotency key from others.
type onceKey struct {
	id     [32]byte // of subject, action and key
	digest [32]byte // of the arguments
}

// newOnceKey returns the key of a request; kind keeps actions and queues apart.
func newOnceKey(kind, subject, name, key string, args ...[]byte) *onceKey {
	k := &onceKey{}
	h := sha256.New()
	for _, s := range []string{kind, subject, name, key} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Sum(k.id[:0])
	k.digest = sha256.Sum256(bytes.Join(args, []byte{0}))
	return k
}

// onceRecord is what is kept of a request that is done.
type onceRecord struct {
	Digest  []byte          `json:"digest"`
	Expires int64           `json:"expires"`
	Kind    ReplyKind       `json:"kind,omitempty"`
	Output  json.RawMessage `json:"output,omitempty"`
	Bytes   []byte          `json:"bytes,omitempty"`
	Large   bool            `json:"large,omitempty"` // the answer was too large to keep
	Error   *onceError      `json:"error,omitempty"`
}

type onceError struct {
	Name     string          `json:"name,omitempty"`
	Message  string          `json:"message,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

var onceCountKey = []byte{tableOnce, 'n'}

func (k *onceKey) row() []byte { return append([]byte{tableOnce, 'k'}, k.id[:]...) }

func onceTimeRow(expires int64, id []byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{tableOnce, 't'}, uint64(expires)), id...)
}

// checkOnce bounds an idempotency key.
func checkOnce(key string) error {
	if len(key) > abi.MaxIdempotencyKey {
		return abi.Errorf(abi.CodeInvalidRequest, "an idempotency key has at most %d bytes", abi.MaxIdempotencyKey)
	}
	return nil
}

// once makes e a request that is done once.
func (e *entry) once(k *onceKey) {
	e.kept = true // for who repeats it
	run, recalled := e.run, false
	e.writes = false // not if it is done already
	e.answered = func(t *turn, reply Reply, failure error) error { return t.recordOnce(k, reply, failure) }
	e.run = func(t *turn) (Reply, error) {
		known, reply, err := t.recall(k)
		if recalled = known; known || err != nil {
			return reply, err
		}
		if err := t.a.h.Writable(); err != nil {
			return reply, err
		}
		reply, err = run(t)
		switch {
		case err != nil:
			return reply, err
		case t.open:
			t.a.remember(k, e.request)
			return reply, nil
		case t.replied: // and recorded with it
			return reply, nil
		}
		return reply, t.recordOnce(k, reply, nil)
	}
	e.settle = func(t *turn, failure error) error {
		if recalled {
			return nil // it is the recorded error
		}
		return t.recordOnce(k, Reply{}, failure)
	}
}

// recall returns the answer to a request that is done, or waits with the one that is under way.
func (t *turn) recall(k *onceKey) (known bool, reply Reply, err error) {
	if first := t.a.underWay[k.id]; first != nil && first.digest == k.digest && t.a.requests.get(first.request.id) != nil {
		if _, open := t.a.requests.expire(); open >= abi.MaxOpenRequests {
			return true, Reply{}, &abi.Error{Code: abi.CodeTooManyOpen, Retry: time.Second}
		}
		first.request.follow(t.entry.request)
		t.open = true
		return true, Reply{}, nil
	}
	row, ok, err := t.get(k.row())
	if err != nil {
		return false, Reply{}, err
	}
	var rec onceRecord
	if ok {
		if err := json.Unmarshal(row, &rec); err != nil {
			return false, Reply{}, fmt.Errorf("actors: record of an idempotency key: %w", kv.ErrCorrupt)
		}
	}
	switch {
	case !ok:
		return false, Reply{}, t.roomForOnce(0)
	case rec.Expires <= t.now.UnixMilli():
		t.changes.Delete(k.row()) // its time row, too, or that would end the record which is made now
		t.changes.Delete(onceTimeRow(rec.Expires, k.id[:]))
		return false, Reply{}, t.roomForOnce(1)
	case !bytes.Equal(rec.Digest, k.digest[:]):
		return true, Reply{}, &abi.Error{Code: abi.CodeIdempotencyMismatch}
	case rec.Large:
		return true, Reply{}, &abi.Error{Code: abi.CodeAlreadyDone}
	case rec.Error != nil:
		e := &abi.Error{Code: abi.CodeUser, Name: rec.Error.Name, Message: rec.Error.Message}
		if rec.Error.Metadata != nil {
			e.Metadata = rec.Error.Metadata
		}
		return true, Reply{}, e
	}
	reply = Reply{Kind: rec.Kind, Output: rec.Output}
	if rec.Kind == ReplyRaw {
		reply.Raw = rec.Bytes
	} else if rec.Kind == ReplyBytes {
		reply.Bytes = rec.Bytes
	}
	return true, reply, nil
}

// roomForOnce makes room for a record by deleting what has expired, two at most, so that no turn pays for
// many. left records are deleted already.
func (t *turn) roomForOnce(left uint64) error {
	n, err := t.counter(onceCountKey)
	if err != nil {
		return err
	}
	hi := onceTimeRow(t.now.UnixMilli()+1, nil)
	for it, err := range t.view.Scan(t.ctx, kv.Range{Lo: onceTimeRow(0, nil), Hi: hi}) {
		if err != nil {
			return t.readError(err)
		}
		t.changes.Delete(bytes.Clone(it.Key))
		t.changes.Delete(append([]byte{tableOnce, 'k'}, it.Key[10:]...))
		if left++; left >= 2 {
			break
		}
	}
	if n -= min(n, left); n >= abi.MaxIdempotencyKeys {
		return &abi.Error{Code: abi.CodeIdempotencyFull, Retry: time.Minute}
	}
	if left > 0 {
		t.setCounter(onceCountKey, n)
	}
	return nil
}

// recordOnce adds the record of a request to the turn that did it, or, after a user error, to the one that is
// committed in its place. Of other failures nothing is kept.
func (t *turn) recordOnce(k *onceKey, reply Reply, failure error) error {
	rec := onceRecord{Digest: k.digest[:], Expires: t.now.Add(abi.IdempotencyHours * time.Hour).UnixMilli(), Kind: reply.Kind, Output: reply.Output}
	if rec.Bytes = reply.Bytes; reply.Kind == ReplyRaw {
		rec.Bytes = reply.Raw
	}
	if failure != nil {
		var e *abi.Error
		if !errors.As(failure, &e) || e.Code != abi.CodeUser {
			return nil
		}
		rec.Error = &onceError{Name: e.PublicName(), Message: e.PublicMessage()}
		rec.Error.Metadata, _ = e.Metadata.(json.RawMessage)
	}
	row, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if len(row) > abi.MaxIdempotencyBody*3/2 || len(reply.Output)+len(rec.Bytes) > abi.MaxIdempotencyBody {
		rec = onceRecord{Digest: rec.Digest, Expires: rec.Expires, Large: true}
		if row, err = json.Marshal(rec); err != nil {
			return err
		}
	}
	n, err := t.counter(onceCountKey)
	if err != nil {
		return err
	}
	t.setCounter(onceCountKey, n+1)
	t.changes.Put(k.row(), row)
	t.changes.Put(onceTimeRow(rec.Expires, k.id[:]), nil)
	return nil
}

// onceOpen is a request with an idempotency key that outlived its turn.
type onceOpen struct {
	digest  [32]byte
	request *request
}

// remember notes that a request is under way, so that a repetition waits with it, and that the turn which
// answers it records the answer.
func (a *actor) remember(k *onceKey, r *request) {
	if a.underWay == nil {
		a.underWay = map[[32]byte]*onceOpen{}
	}
	for id, o := range a.underWay {
		if a.requests.get(o.request.id) == nil && o.request != r {
			delete(a.underWay, id)
		}
	}
	a.underWay[k.id] = &onceOpen{k.digest, r}
}
