package abi

import (
	"errors"
	"fmt"
	"time"
)

// Error is a failure with a public face: what a client or a guest may know of it. What only the
// log may know is wrapped in Cause.
type Error struct {
	Code     Code
	Name     string        // replaces Code.Name() when not empty; for user errors and quotas
	Message  string        // replaces Code.Message() when not empty
	Metadata any           // JSON-encodable, or json.RawMessage; nil means none
	Retry    time.Duration // when to try again; zero means no statement
	Cause    error         // for the log only
}

// Errorf returns an *Error with code c and a formatted public message.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an *Error with code c and its default message; cause is for the log only.
func Wrap(c Code, cause error) *Error { return &Error{Code: c, Cause: cause} }

// With returns a copy of e with metadata m.
func (e *Error) With(m any) *Error {
	d := *e
	d.Metadata = m
	return &d
}

// Error returns the whole story for the log: public face and cause.
func (e *Error) Error() string {
	s := e.Code.Group() + "/" + e.PublicName() + ": " + e.PublicMessage()
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error with the same code and public name, so that sentinels
// compare by what clients see and not by pointer.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.PublicName() == e.PublicName()
}

// PublicName returns the code string for clients.
func (e *Error) PublicName() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Code.Name()
}

// PublicMessage returns the message for clients.
func (e *Error) PublicMessage() string {
	if e.Message != "" {
		return e.Message
	}
	return e.Code.Message()
}

// AsError returns the *Error in err's chain. An error without one is ours: CodeInternal with err
// as the cause. It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Wrap(CodeInternal, err)
}

// CodeOf returns the code of err, CodeInternal if it has none, and 0 for nil.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	return AsError(err).Code
}
