// Package memhost is a host in memory for one actor, for tests of guests and of the SDK.
//
// It owns the semantics that a guest can observe: the result convention, the main limits, and that a
// failed turn leaves nothing behind. It leaves out metering, time limits and sockets. It is not safe
// for concurrent use.
package memhost

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Event is one broadcast.
type Event struct {
	Name    string
	Payload []byte // a JSON list of its arguments
}

// Line is one line of the actor's log.
type Line struct {
	Level int64 // 0, trace, to 4, error
	Text  string
}

// Host is the host of one actor. The exported fields may be set before and read after a turn.
type Host struct {
	Identity abi.Self
	Settings map[string]string
	Time     time.Time

	State    []byte
	HasState bool
	KV       map[string][]byte
	Events   []Event // of the turns that succeeded
	Lines    []Line  // of all turns
	Writes   int     // how many times the state was set, in turns that succeeded or not

	random  *rand.ChaCha8
	in, out []byte
	delta   int // bytes that this turn wrote
	sent    int // events of this turn
}

var _ hostcall.Host = (*Host)(nil)

// New returns the host of an actor that does not exist yet.
func New(self abi.Self) *Host {
	return &Host{Identity: self, Time: time.UnixMilli(1_700_000_000_000).UTC(), random: rand.NewChaCha8([32]byte{1}), KV: map[string][]byte{}}
}

// Run gives t to a guest by calling turn, which is to use h as its host, and returns the reply. If
// the turn does not succeed, or turn returns an error, h is as before but for the log.
func (h *Host) Run(t *abi.Turn, turn func() error) (abi.Reply, error) {
	before := *h
	before.KV = maps.Clone(h.KV)
	h.in, h.out, h.delta, h.sent = abi.AppendTurn(nil, t), nil, 0, 0
	err := turn()
	var r abi.Reply
	if err == nil {
		r, err = abi.ParseReply(h.out)
	}
	if err != nil || r.Status != abi.StatusOK {
		h.State, h.HasState, h.KV, h.Events = before.State, before.HasState, before.KV, before.Events
	}
	return r, err
}

// Input and Output carry the envelopes.
func (h *Host) Input() []byte { return h.in }

// Output takes the reply, or the manifest.
func (h *Host) Output(b []byte) { h.out = slices.Clone(b) }

// Reply returns what Output took last.
func (h *Host) Reply() []byte { return h.out }

// StateGet implements the operation state_get.
func (h *Host) StateGet() ([]byte, bool, error) { return slices.Clone(h.State), h.HasState, nil }

// StateSet implements the operation state_set.
func (h *Host) StateSet(b []byte) error {
	if len(b) > abi.MaxState {
		return &abi.Error{Code: abi.CodeStateTooLarge}
	}
	if err := h.charge(len(b)); err != nil {
		return err
	}
	h.State, h.HasState = append([]byte{}, b...), true
	h.Writes++
	return nil
}

// KVGet implements the operation kv_get.
func (h *Host) KVGet(key string) ([]byte, bool, error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	v, ok := h.KV[key]
	return append([]byte{}, v...), ok, nil
}

// KVPut implements the operation kv_put.
func (h *Host) KVPut(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > abi.MaxKVValue {
		return &abi.Error{Code: abi.CodeValueTooLarge}
	}
	if err := h.charge(len(key) + len(value)); err != nil {
		return err
	}
	h.KV[key] = append([]byte{}, value...)
	return nil
}

// KVDelete implements the operation kv_delete.
func (h *Host) KVDelete(key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	delete(h.KV, key)
	return nil
}

// KVList implements the operation kv_list.
func (h *Host) KVList(lo, hi, cursor string, limit, flags int64) ([]byte, error) {
	if limit < 0 {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "negative limit")
	}
	most := abi.MaxListItems
	if limit > 0 {
		most = min(most, int(limit))
	}
	keys := h.keys(lo, hi, flags)
	if cursor != "" {
		past := func(k string) bool { return k > cursor }
		if flags&abi.ListReverse != 0 {
			past = func(k string) bool { return k < cursor }
		}
		i := slices.IndexFunc(keys, past)
		if i < 0 {
			i = len(keys)
		}
		keys = keys[i:]
	}
	n, size := 0, 0
	for n < len(keys) && n < most && (n == 0 || size < abi.MaxListBytes) {
		size += len(keys[n]) + len(h.KV[keys[n]])
		n++
	}
	page := abi.AppendPageHead(nil, n < len(keys))
	for _, k := range keys[:n] {
		v := h.KV[k]
		if flags&abi.ListKeys != 0 {
			v = nil
		}
		page = abi.AppendItem(page, []byte(k), v)
	}
	return page, nil
}

// KVDeleteRange implements the operation kv_delete_range.
func (h *Host) KVDeleteRange(lo, hi string, limit, flags int64) (int64, error) {
	if limit < 0 {
		return 0, abi.Errorf(abi.CodeInvalidArgument, "negative limit")
	}
	keys := h.keys(lo, hi, flags)
	if limit > 0 && int64(len(keys)) > limit {
		keys = keys[:limit]
	}
	for _, k := range keys {
		delete(h.KV, k)
	}
	return int64(len(keys)), nil
}

// keys returns the KV keys of a range in the order of its flags.
func (h *Host) keys(lo, hi string, flags int64) []string {
	in := func(k string) bool { return k >= lo && (hi == "" || k < hi) }
	if flags&abi.ListPrefix != 0 {
		in = func(k string) bool { return strings.HasPrefix(k, lo) }
	}
	var keys []string
	for k := range h.KV {
		if in(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	if flags&abi.ListReverse != 0 {
		slices.Reverse(keys)
	}
	return keys
}

// Broadcast implements the operation broadcast.
func (h *Host) Broadcast(event string, payload []byte) error {
	if event == "" || len(event) > abi.MaxEventName {
		return abi.Errorf(abi.CodeInvalidArgument, "event name of %d bytes", len(event))
	}
	if h.sent++; h.sent > abi.MaxEvents {
		return &abi.Error{Code: abi.CodeTooManyEvents}
	}
	h.Events = append(h.Events, Event{event, append([]byte{}, payload...)})
	return nil
}

// Self implements the operation self.
func (h *Host) Self() ([]byte, error) { return json.Marshal(&h.Identity) }

// Log implements the operation log.
func (h *Host) Log(level int64, text string) error {
	h.Lines = append(h.Lines, Line{level, text})
	return nil
}

// Now implements the operation now.
func (h *Host) Now() (int64, error) { return h.Time.UnixMilli(), nil }

// Random implements the operation random. The bytes are the same in each run of a test.
func (h *Host) Random(n int64) ([]byte, error) {
	if n < 0 || n > abi.MaxKVValue {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "%d random bytes", n)
	}
	b := make([]byte, n)
	_, err := h.random.Read(b)
	return b, err
}

// Config implements the operation config.
func (h *Host) Config(name string) (string, bool) {
	v := h.Settings[name]
	return v, v != ""
}

// charge counts n bytes that the turn writes.
func (h *Host) charge(n int) error {
	if h.delta += n; h.delta > abi.MaxDelta {
		return &abi.Error{Code: abi.CodeDeltaTooLarge}
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return abi.Errorf(abi.CodeInvalidArgument, "empty KV key")
	case len(key) > abi.MaxKVKey:
		return &abi.Error{Code: abi.CodeKeyTooLarge, Message: fmt.Sprintf("KV key of %d bytes", len(key))}
	}
	return nil
}
