// Package memhost is a host in memory for one actor, for tests of guests and of the SDK.
//
// It owns the semantics that a guest can observe: the result convention, the main limits, and that a
// failed turn leaves nothing behind. What clients, time, servers and other actors do is played by the
// test: see the fields of Host. It leaves out metering and time limits. It is not safe for concurrent
// use.
package memhost

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
	Gas      int64 // what gas_left says

	Lines  []Line // of all turns
	Writes int    // how many times the state was set, in turns that succeeded or not

	Data  // undone with the turn
	World // not undone

	random  *rand.ChaCha8
	in, out []byte
	delta   int    // bytes that this turn wrote
	sent    int    // events of this turn
	last    uint64 // number of the last id or request
}

// Data is what a turn that fails leaves as it was.
type Data struct {
	State    []byte
	HasState bool
	KV       map[string][]byte
	Events   []Event // of the turns that succeeded

	Conns
	Schedules
	Tasks       []Task // begun and not ended, oldest first
	Sends       []Send // to other actors
	Queue       []Message
	Requests    map[uint64]*Answer
	DeadLetters []abi.DeadLetter

	Sleeping, Destroyed bool // what the actor asked for
}

var _ hostcall.Host = (*Host)(nil)

// New returns the host of an actor that does not exist yet.
func New(self abi.Self) *Host {
	return &Host{
		Identity: self,
		Time:     time.UnixMilli(1_700_000_000_000).UTC(),
		Gas:      abi.MaxGas,
		random:   rand.NewChaCha8([32]byte{1}),
		Data:     Data{KV: map[string][]byte{}, Requests: map[uint64]*Answer{}},
	}
}

// clone returns a copy that shares nothing that changes.
func (d *Data) clone() Data {
	c := *d
	c.KV = maps.Clone(d.KV)
	c.Conns = d.Conns.clone()
	c.Schedules = d.Schedules.clone()
	c.Requests = make(map[uint64]*Answer, len(d.Requests))
	for id, a := range d.Requests {
		b := *a
		c.Requests[id] = &b
	}
	c.Events, c.Sends = slices.Clip(d.Events), slices.Clip(d.Sends)
	c.Tasks, c.Queue, c.DeadLetters = slices.Clone(d.Tasks), slices.Clone(d.Queue), slices.Clone(d.DeadLetters)
	return c
}

// Run gives t to a guest by calling turn, which is to use h as its host, and returns the reply. If
// the turn does not succeed, or turn returns an error, h is as before but for the log and for what
// acts at once.
func (h *Host) Run(t *abi.Turn, turn func() error) (abi.Reply, error) {
	before := h.Data.clone()
	h.in, h.out, h.delta, h.sent = abi.AppendTurn(nil, t), nil, 0, 0
	err := turn()
	var r abi.Reply
	if err == nil {
		r, err = abi.ParseReply(h.out)
	}
	if err != nil || r.Status != abi.StatusOK && r.Status != abi.StatusOpen {
		h.Data = before
	}
	return r, err
}

// NewID returns the next id of a kind. Ids are the same in each run of a test.
func (h *Host) NewID(kind string) string {
	h.last++
	return fmt.Sprintf("%s-%d", kind, h.last)
}

// Input and Output carry the envelopes.
func (h *Host) Input() []byte { return h.in }

// Output takes the reply, or the manifest.
func (h *Host) Output(b []byte) { h.out = slices.Clone(b) }

// LastOutput returns what Output took last.
func (h *Host) LastOutput() []byte { return h.out }

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

// Broadcast implements the operation broadcast.
func (h *Host) Broadcast(event string, payload []byte) error {
	if err := checkEvent(event); err != nil {
		return err
	}
	if h.sent++; h.sent > abi.MaxEvents {
		return &abi.Error{Code: abi.CodeTooManyEvents}
	}
	h.Events = append(h.Events, Event{event, append([]byte{}, payload...)})
	for _, c := range h.List {
		if slices.Contains(c.Events, event) {
			h.Sent = append(h.Sent, Sent{Conn: c.ID, Event: event, Payload: slices.Clone(payload)})
		}
	}
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

func checkEvent(name string) error {
	if name == "" || len(name) > abi.MaxEventName {
		return abi.Errorf(abi.CodeInvalidArgument, "event name of %d bytes", len(name))
	}
	return nil
}
