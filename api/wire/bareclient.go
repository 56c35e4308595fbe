package wire

import (
	"encoding/binary"
	"encoding/json"
)

func (bareEncoding) Action(id uint64, name string, args []byte) []byte {
	b := bareText(binary.AppendUvarint(bareMessage(bareAction), id), name)
	return bareValue(b, escapeArgs(args))
}

func (bareEncoding) Subscription(event string, on bool) []byte {
	return bareBool(bareText(bareMessage(bareSubscription), event), on)
}

func (bareEncoding) ActionRequest(args []byte) []byte { return bareValue(bareBody(), escapeArgs(args)) }

func (bareEncoding) QueueRequest(m QueueMessage) []byte {
	b := bareValue(bareBody(), escapeSent(m.Body))
	b = bareText(append(b, 1), m.Queue)
	b = bareBool(append(b, 1), m.Wait)
	if !m.Wait || m.Timeout == 0 {
		return append(b, 0)
	}
	return binary.LittleEndian.AppendUint64(append(b, 1), m.Timeout)
}

func bareBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (bareEncoding) ParseHost(data []byte, limit int) (m HostMessage, err error) {
	r := newBareReader(data)
	r.limit = limit
	switch r.byte() {
	case bareInit:
		m.Kind, m.ActorID, m.ConnID = KindInit, r.text(), r.text()
		if r.version == 1 {
			r.text() // a token that no client needs
		}
	case bareError:
		m.Kind = KindFailure
		m.Failure = r.failure()
		if r.optional() {
			id := r.uint()
			m.Failure.Action = &id
		}
		r.actor()
	case bareResponse:
		m.Kind, m.ID, m.Output = KindResponse, r.uint(), orNil(r.value())
	case bareEvent:
		m.Kind, m.Event, m.Args = KindEvent, r.text(), r.value()
	default:
		r.fail(errMessage)
	}
	return checkHost(m, r.end())
}

// failure reads an error up to its metadata.
func (r *bareReader) failure() (f Failure) {
	f.Group, f.Code, f.Message = r.text(), r.text(), r.text()
	if r.optional() {
		f.Metadata = orNil(r.value())
	}
	if r.err == nil && (f.Group == "" || f.Code == "") {
		r.err = errMessage
	}
	return f
}

// actor reads which actor an error is of. Versions before 4 do not say.
func (r *bareReader) actor() {
	if r.version < bareVersion || !r.optional() {
		return
	}
	r.text() // id
	r.uint() // generation
	if r.optional() {
		r.text() // key
	}
}

func (bareEncoding) ParseOutput(body []byte, limit int) (json.RawMessage, error) {
	r := newBareReader(body)
	r.limit = limit
	out := r.value()
	return orNil(out), r.end()
}

func (bareEncoding) ParseCompletion(body []byte, limit int) (c Completion, err error) {
	r := newBareReader(body)
	r.limit = limit
	c.Status = r.text()
	if r.optional() {
		c.Response = orNil(r.value())
	}
	return c, r.end()
}

func (bareEncoding) ParseFailure(body []byte, limit int) (Failure, error) {
	r := newBareReader(body)
	r.limit = limit
	f := r.failure()
	r.actor()
	return f, r.end()
}
