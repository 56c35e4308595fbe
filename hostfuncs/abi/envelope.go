package abi

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// A turn enters and leaves an SDK module as an envelope: a sequence of fields, each
//
//	tag u8 | length u32 little endian | bytes
//
// in any order, each tag at most once, unknown tags skipped. Values in user hands (arguments,
// results, metadata) are documents of the module's codec and pass through untouched.

// Exports of an SDK module, both of type () -> i32 where zero means that the output was set.
const (
	ExportManifest = "actor_manifest" // outputs the manifest, JSON
	ExportTurn     = "actor_turn"     // takes a Turn, outputs a Reply
)

// ABIVersion is the version of this contract that a manifest names.
const ABIVersion = 1

// Kind says what a turn is for. Zero is no kind. Only append.
type Kind uint8

// The kinds of turn. A guest gets one of those behind KindCreate only if its manifest asks for it:
// by a hook of the same name, or by a queue. Their documents are in documents.go.
const (
	KindAction     Kind = 1  // Name is the action, Args a document that is a list; Head a Fire if a schedule began it, a RequestHead if Hooks is set
	KindCreate     Kind = 2  // Args is the creation input, empty for none
	KindWake       Kind = 3  // Head is a Wake
	KindSleep      Kind = 4  // the last turn before the instance goes
	KindDestroy    Kind = 5  // the actor goes, whatever the turn does
	KindConnect    Kind = 6  // Conn wants in, Head is the RequestHead of its upgrade; an error refuses it
	KindDisconnect Kind = 7  // Conn has gone, Head is a Gone
	KindRequest    Kind = 8  // a raw HTTP request: Head is a RequestHead, Args the body
	KindGone       Kind = 9  // the client of the open raw request Request has gone
	KindOpen       Kind = 10 // a raw socket wants in: as KindConnect
	KindMessage    Kind = 11 // Conn's raw socket got a message: Args its bytes, Head a Frame
	KindClose      Kind = 12 // Conn's raw socket is closed, Head is a Gone
	KindQueue      Kind = 13 // Name is the queue, Args a list of bodies, Head a list of QueueMessage
	KindTask       Kind = 14 // Args is the Reply envelope of a task's outcome, Head a Task, Context the guest's own
	KindUpgrade    Kind = 15 // the version is new: Head is an Upgrade
	KindSubscribe  Kind = 16 // Conn wants the event Name; an error refuses it
	KindPublish    Kind = 17 // a client wants to send to the queue Name; an error refuses it
)

// Turn is what the guest is asked to do.
type Turn struct {
	Kind    Kind
	Actor   string // which of the module's actors this instance is
	Name    string // action name
	Args    []byte // document in the module's codec
	Request uint64 // the request that waits for this turn's answer; zero means nobody waits
	Reload  bool   // what the guest keeps in memory may be stale: read state again
	// Hooks says that the action came without a connection, and that the guest is to run its
	// connection hooks around it, in this turn, on Conn.
	Hooks   bool
	Caller  string // verified subject of the client that asked directly; empty means anonymous, or an actor
	Sender  string // id of the actor that asked directly; empty means a client or the host
	Origin  string // verified subject of the client at the beginning of the chain of calls
	Conn    []byte // JSON of a Conn; empty means none
	Head    []byte // JSON, as Kind says; empty means none
	Context []byte // what the guest gave when it began the task
}

// Status says how a turn ended. Only append.
type Status uint8

// The statuses. After any but StatusOK and StatusOpen the host drops all the turn did.
const (
	StatusOK     Status = 0 // Result is the answer, empty for none
	StatusUser   Status = 1 // Name, Message and Metadata are for the client
	StatusHidden Status = 2 // Message is for the actor's log only
	StatusHost   Status = 3 // a host function failed with Code and the guest did not handle it
	StatusOpen   Status = 4 // as StatusOK, but the request stays open until the operation reply answers it
	StatusNoName Status = 5 // the actor has no such action
)

// Reply is the guest's answer to a Turn, what the operation reply gives, and what an actor that was
// called or a server that was fetched from answered.
type Reply struct {
	Status   Status
	Result   []byte // document in the module's codec
	Name     string // user error code
	Message  string // UTF-8
	Metadata []byte // document in the module's codec; empty means none
	Code     Code   // for StatusHost
	Head     []byte // JSON of a ResponseHead, for raw HTTP requests and fetches
}

// Field tags of both envelopes. Only append.
const (
	tagKind     = 1
	tagActor    = 2
	tagName     = 3
	tagArgs     = 4
	tagRequest  = 5
	tagFlags    = 6
	tagCaller   = 7
	tagSender   = 8
	tagOrigin   = 9
	tagConn     = 10
	tagHead     = 11
	tagContext  = 12
	tagStatus   = 16
	tagResult   = 17
	tagErrName  = 18
	tagMessage  = 19
	tagMetadata = 20
	tagCode     = 21
	tagRespHead = 22
)

const (
	flagReload = 1 << 0
	flagHooks  = 1 << 1
)

// AppendTurn appends t's envelope to b.
func AppendTurn(b []byte, t *Turn) []byte {
	b = appendField(b, tagKind, []byte{byte(t.Kind)})
	b = appendString(b, tagActor, t.Actor)
	b = appendString(b, tagName, t.Name)
	b = appendBytes(b, tagArgs, t.Args)
	if t.Request != 0 {
		b = appendField(b, tagRequest, binary.LittleEndian.AppendUint64(nil, t.Request))
	}
	var flags byte
	if t.Reload {
		flags |= flagReload
	}
	if t.Hooks {
		flags |= flagHooks
	}
	if flags != 0 {
		b = appendField(b, tagFlags, []byte{flags})
	}
	b = appendString(b, tagCaller, t.Caller)
	b = appendString(b, tagSender, t.Sender)
	b = appendString(b, tagOrigin, t.Origin)
	b = appendBytes(b, tagConn, t.Conn)
	b = appendBytes(b, tagHead, t.Head)
	return appendBytes(b, tagContext, t.Context)
}

// ParseTurn reads an envelope into t, which is written over. Byte slices refer to b. A text that t had before keeps its memory: a
// guest gets much the same names turn after turn.
func ParseTurn(t *Turn, b []byte) error {
	old := *t
	*t = Turn{}
	return fields(b, func(tag uint8, v []byte) error {
		switch tag {
		case tagKind:
			n, err := oneByte(v)
			t.Kind = Kind(n)
			return err
		case tagActor:
			return again(&t.Actor, old.Actor, v)
		case tagName:
			return again(&t.Name, old.Name, v)
		case tagArgs:
			t.Args = v
		case tagRequest:
			if len(v) != 8 {
				return errField
			}
			t.Request = binary.LittleEndian.Uint64(v)
		case tagFlags:
			n, err := oneByte(v)
			t.Reload, t.Hooks = n&flagReload != 0, n&flagHooks != 0
			return err
		case tagCaller:
			return again(&t.Caller, old.Caller, v)
		case tagSender:
			return again(&t.Sender, old.Sender, v)
		case tagOrigin:
			return again(&t.Origin, old.Origin, v)
		case tagConn:
			t.Conn = v
		case tagHead:
			t.Head = v
		case tagContext:
			t.Context = v
		}
		return nil
	})
}

// AppendReply appends r's envelope to b.
func AppendReply(b []byte, r *Reply) []byte {
	b = appendField(b, tagStatus, []byte{byte(r.Status)})
	b = appendBytes(b, tagResult, r.Result)
	b = appendString(b, tagErrName, r.Name)
	b = appendString(b, tagMessage, r.Message)
	b = appendBytes(b, tagMetadata, r.Metadata)
	if r.Code != 0 {
		b = appendField(b, tagCode, binary.LittleEndian.AppendUint16(nil, uint16(r.Code)))
	}
	return appendBytes(b, tagRespHead, r.Head)
}

// ParseReply reads an envelope. Result, Metadata and Head refer to b.
func ParseReply(b []byte) (Reply, error) {
	r := Reply{Status: 255}
	err := fields(b, func(tag uint8, v []byte) error {
		switch tag {
		case tagStatus:
			n, err := oneByte(v)
			r.Status = Status(n)
			return err
		case tagResult:
			r.Result = v
		case tagErrName:
			return text(&r.Name, v)
		case tagMessage:
			return text(&r.Message, v)
		case tagMetadata:
			r.Metadata = v
		case tagCode:
			if len(v) != 2 {
				return errField
			}
			r.Code = Code(binary.LittleEndian.Uint16(v))
		case tagRespHead:
			r.Head = v
		}
		return nil
	})
	if err == nil && r.Status == 255 {
		err = fmt.Errorf("abi: envelope without a status")
	}
	return r, err
}

var (
	errField     = fmt.Errorf("abi: malformed envelope field")
	errTruncated = fmt.Errorf("abi: truncated envelope")
)

// fields calls f with each field of b, in order.
func fields(b []byte, f func(tag uint8, v []byte) error) error {
	var seen [256]bool
	for len(b) > 0 {
		if len(b) < 5 {
			return errTruncated
		}
		tag, n := b[0], binary.LittleEndian.Uint32(b[1:])
		if uint64(n) > uint64(len(b)-5) {
			return errTruncated
		}
		if seen[tag] {
			return fmt.Errorf("abi: envelope field %d twice", tag)
		}
		seen[tag] = true
		if err := f(tag, b[5:5+n:5+n]); err != nil {
			return err
		}
		b = b[5+n:]
	}
	return nil
}

func appendField(b []byte, tag uint8, v []byte) []byte {
	b = append(b, tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
	return append(b, v...)
}

func appendBytes(b []byte, tag uint8, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return appendField(b, tag, v)
}

func appendString(b []byte, tag uint8, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func oneByte(v []byte) (byte, error) {
	if len(v) != 1 {
		return 0, errField
	}
	return v[0], nil
}

// again is text for one that is likely what it was before.
func again(dst *string, before string, v []byte) error {
	if before != "" && before == string(v) {
		*dst = before
		return nil
	}
	return text(dst, v)
}

func text(dst *string, v []byte) error {
	if !utf8.Valid(v) {
		return errField
	}
	*dst = string(v)
	return nil
}
