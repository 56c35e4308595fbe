package memhost

import (
	"encoding/json"
	"slices"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// World is what other actors and servers do, and what the actor did to them at once.
type World struct {
	// OnCall answers calls of other actors, OnFetch fetches. Nil means that nobody is there.
	OnCall  func(to abi.Target, action string, args []byte) abi.Reply
	OnFetch func(r abi.FetchRequest, body []byte) abi.Reply

	Others  []Other // actors that exist or existed
	Uploads []Upload
}

// Other is another actor.
type Other struct {
	abi.ActorInfo
	Input  []byte
	Child  bool
	Limits abi.ChildLimits
	Usage  abi.ChildUsage
	Gone   bool
}

// Send is a message to another actor: to an action, or to a queue.
type Send struct {
	To            abi.Target
	Action, Queue string
	Body          []byte // a list of arguments, or the body of a queue message
}

// Upload is a module that the actor uploaded.
type Upload struct {
	Module        string
	Wasm, Options []byte
}

// Message is a message that waits in a queue.
type Message struct {
	abi.QueueMessage
	Queue string
	Body  []byte
}

func target(b []byte) (t abi.Target, err error) {
	if err = json.Unmarshal(b, &t); err == nil && (t.ID == "") == (t.Name == "") {
		err = abi.Errorf(abi.CodeInvalidArgument, "a target has an id, or a name and a key")
	}
	return t, err
}

// find returns an actor that exists, nil if there is none.
func (h *Host) find(t abi.Target) *Other {
	for i := range h.Others {
		o := &h.Others[i]
		if !o.Gone && (t.ID != "" && o.ID == t.ID || t.ID == "" && o.Name == t.Name && slices.Equal(o.Key, t.Key)) {
			return o
		}
	}
	return nil
}

// Call implements the operation call.
func (h *Host) Call(to []byte, action string, args []byte) ([]byte, error) {
	t, err := target(to)
	if err != nil {
		return nil, err
	}
	if h.OnCall == nil {
		return nil, &abi.Error{Code: abi.CodeActorNotFound}
	}
	r := h.OnCall(t, action, slices.Clone(args))
	return abi.AppendReply(nil, &r), nil
}

// Send implements the operation send.
func (h *Host) Send(to []byte, action string, args []byte) error {
	t, err := target(to)
	if err != nil {
		return err
	}
	if len(h.Sends) >= abi.MaxSends {
		return &abi.Error{Code: abi.CodeTooManySends}
	}
	h.Sends = append(h.Sends, Send{To: t, Action: action, Body: slices.Clone(args)})
	return nil
}

// QueueSend implements the operation queue_send.
func (h *Host) QueueSend(to []byte, queue string, body []byte) error {
	if len(body) > abi.MaxQueueMessage {
		return &abi.Error{Code: abi.CodeQueueMessageTooLarge}
	}
	if len(to) == 0 {
		return h.Enqueue(Message{Queue: queue, Body: slices.Clone(body), QueueMessage: abi.QueueMessage{Sender: h.Identity.ID}})
	}
	t, err := target(to)
	if err != nil {
		return err
	}
	h.Sends = append(h.Sends, Send{To: t, Queue: queue, Body: slices.Clone(body)})
	return nil
}

// Enqueue adds a message to the actor's own queue. It gets an id and a time.
func (h *Host) Enqueue(m Message) error {
	if len(h.Queue) >= abi.MaxQueueSize {
		return &abi.Error{Code: abi.CodeQueueFull}
	}
	m.ID, m.Sent, m.Attempt = h.NewID("message"), h.Time.UnixMilli(), 1
	h.Queue = append(h.Queue, m)
	return nil
}

// ActorCreate implements the operation actor_create.
func (h *Host) ActorCreate(spec, input []byte) ([]byte, error) {
	var s abi.ActorSpec
	if err := json.Unmarshal(spec, &s); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidArgument, "an actor is made from JSON: %v", err)
	}
	if o := h.find(abi.Target{Name: s.Name, Key: s.Key}); o != nil {
		if !s.Get {
			return nil, &abi.Error{Code: abi.CodeActorExists}
		}
		info := o.ActorInfo
		info.Created = false
		return json.Marshal(info)
	}
	o := Other{Input: slices.Clone(input), Child: s.Child || s.Limits != nil}
	o.ActorInfo = abi.ActorInfo{ID: h.NewID("actor"), Name: s.Name, Key: append([]string{}, s.Key...), Created: true}
	if s.Limits != nil {
		o.Limits = *s.Limits
	}
	h.Others = append(h.Others, o)
	return json.Marshal(o.ActorInfo)
}

// ActorFind implements the operation actor_find.
func (h *Host) ActorFind(to []byte) ([]byte, bool, error) {
	t, err := target(to)
	if err != nil {
		return nil, false, err
	}
	o := h.find(t)
	if o == nil {
		return nil, false, nil
	}
	info := o.ActorInfo
	info.Created = false
	b, err := json.Marshal(info)
	return b, true, err
}

// ActorDestroy implements the operation actor_destroy.
func (h *Host) ActorDestroy(to []byte) (int64, error) {
	t, err := target(to)
	if err != nil {
		return 0, err
	}
	o := h.find(t)
	if o == nil {
		return 0, nil
	}
	if o.Gone = true; o.Child {
		o.Usage.Ended = "killed"
	}
	return 1, nil
}

// ChildUsage implements the operation child_usage.
func (h *Host) ChildUsage(id string) ([]byte, bool, error) {
	for i := range h.Others {
		if o := &h.Others[i]; o.ID == id && o.Child {
			b, err := json.Marshal(&o.Usage)
			return b, true, err
		}
	}
	return nil, false, nil
}

// ModuleUpload implements the operation module_upload.
func (h *Host) ModuleUpload(module string, wasm, options []byte) ([]byte, error) {
	h.Uploads = append(h.Uploads, Upload{module, slices.Clone(wasm), slices.Clone(options)})
	return json.Marshal(map[string]any{"module": module, "version": len(h.Uploads), "live": true, "actors": map[string][]string{}})
}
