package guest

import (
	"encoding/json"
	"errors"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Error is an error for the client: what an action returns to refuse a request. Wrapped or not, it
// reaches the client with its code, message and metadata. Any other error does not: the client is
// told of an internal error and the text goes to the actor's log.
//
// Errors of operations are *abi.Error. One that an action returns without handling it, such as
// abi.CodeDeltaTooLarge, reaches the client under the host's own code; see abi.CodeOf.
type Error struct {
	Code     string // for programs, such as "insufficient_funds"
	Message  string // for people, UTF-8
	Metadata any    // what JSON can encode; nil means none
}

// UserError returns an error for the client.
func UserError(code, message string) *Error { return &Error{Code: code, Message: message} }

// With returns a copy of e with metadata m, which must be something that JSON can encode.
func (e *Error) With(m any) *Error {
	d := *e
	d.Metadata = m
	return &d
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// replyTo says how a turn that failed with err ends.
func replyTo(err error) abi.Reply {
	var ue *Error
	var he *abi.Error
	switch {
	case err == errNoAction:
		return abi.Reply{Status: abi.StatusNoName}
	case errors.As(err, &ue):
		return userReply(ue)
	case errors.As(err, &he):
		return abi.Reply{Status: abi.StatusHost, Code: he.Code, Message: valid(he.PublicMessage())}
	}
	return abi.Reply{Status: abi.StatusHidden, Message: valid(err.Error())}
}

func userReply(e *Error) abi.Reply {
	r := abi.Reply{Status: abi.StatusUser, Name: valid(e.Code), Message: valid(e.Message)}
	if e.Metadata == nil {
		return r
	}
	b, err := json.Marshal(e.Metadata)
	if err != nil {
		return abi.Reply{Status: abi.StatusHidden, Message: valid("metadata of error " + e.Code + ": " + err.Error())}
	}
	r.Metadata = b
	return r
}
