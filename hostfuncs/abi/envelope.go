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

// The kinds of turn. Numbers 3 to 31 are reserved for wake, sleep, destroy, connections, raw
// requests, schedules, queue messages, task results and upgrades.
const (
	KindAction Kind = 1 // Name is the action, Args a document that is a list
	KindCreate Kind = 2 // Args is the creation input, empty for none
)

// Turn is what the guest is asked to do.
type Turn struct {
	Kind    Kind
	Actor   string // which of the module's actors this instance is
	Name    string // action name
	Args    []byte // document in the module's codec
	Request uint64 // the open request that waits for this turn's answer; zero means nobody waits
	Reload  bool   // what the guest keeps in memory may be stale: read state again
	Caller  string // verified subject of the client; empty means anonymous
}

// Status says how a turn ended. Only append.
type Status uint8

// The statuses. After any but StatusOK the host drops all the turn did. Number 4 is reserved for a
// turn that ends with its request open, to be answered by the operation reply in a later turn.
const (
	StatusOK     Status = 0 // Result is the answer, empty for none
	StatusUser   Status = 1 // Name, Message and Metadata are for the client
	StatusHidden Status = 2 // Message is for the actor's log only
	StatusHost   Status = 3 // a host function failed with Code and the guest did not handle it
	StatusNoName Status = 5 // the actor has no such action
)

// Reply is the guest's answer to a Turn.
type Reply struct {
	Status   Status
	Result   []byte // document in the module's codec
	Name     string // user error code
	Message  string // UTF-8
	Metadata []byte // document in the module's codec; empty means none
	Code     Code   // for StatusHost
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
	tagStatus   = 16
	tagResult   = 17
	tagErrName  = 18
	tagMessage  = 19
	tagMetadata = 20
	tagCode     = 21
)

const flagReload = 1

// AppendTurn appends t's envelope to b.
func AppendTurn(b []byte, t *Turn) []byte {
	b = appendField(b, tagKind, []byte{byte(t.Kind)})
	b = appendString(b, tagActor, t.Actor)
	b = appendString(b, tagName, t.Name)
	b = appendBytes(b, tagArgs, t.Args)
	if t.Request != 0 {
		b = appendField(b, tagRequest, binary.LittleEndian.AppendUint64(nil, t.Request))
	}
	if t.Reload {
		b = appendField(b, tagFlags, []byte{flagReload})
	}
	return appendString(b, tagCaller, t.Caller)
}

// ParseTurn reads an envelope. Args refers to b.
func ParseTurn(b []byte) (Turn, error) {
	var t Turn
	err := fields(b, func(tag uint8, v []byte) error {
		switch tag {
		case tagKind:
			n, err := oneByte(v)
			t.Kind = Kind(n)
			return err
		case tagActor:
			return text(&t.Actor, v)
		case tagName:
			return text(&t.Name, v)
		case tagArgs:
			t.Args = v
		case tagRequest:
			if len(v) != 8 {
				return errField
			}
			t.Request = binary.LittleEndian.Uint64(v)
		case tagFlags:
			n, err := oneByte(v)
			t.Reload = n&flagReload != 0
			return err
		case tagCaller:
			return text(&t.Caller, v)
		}
		return nil
	})
	return t, err
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
	return b
}

// ParseReply reads an envelope. Result and Metadata refer to b.
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

func text(dst *string, v []byte) error {
	if !utf8.Valid(v) {
		return errField
	}
	*dst = string(v)
	return nil
}
