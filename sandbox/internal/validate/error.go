package validate

import (
	"fmt"

	"github.com/vivarium-run/vivarium/sandbox/internal/wasm"
)

// Kind says why a module is refused.
type Kind int

const (
	// Malformed means that the bytes are not a valid module in any dialect.
	Malformed Kind = iota + 1
	// Limit means that the module may be valid but breaks a limit of this host.
	Limit
	// Unsupported means that the module needs what this host does not have, named by the message.
	Unsupported
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Malformed:
		return "malformed"
	case Limit:
		return "limit"
	case Unsupported:
		return "unsupported"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error says why a module is refused and where.
type Error struct {
	Kind    Kind
	Section string // name of the section, "module" outside of all
	Offset  int64  // in bytes from the start of the module
	Msg     string // for the author of the module; one line, at most 300 bytes
}

// Error returns the message with the place.
func (e *Error) Error() string {
	return fmt.Sprintf("%s section at byte %d: %s", e.Section, e.Offset, e.Msg)
}

// fail makes an error at an offset in the current section.
func (c *checker) fail(k Kind, at int64, format string, args ...any) error {
	msg := fmt.Sprintf(format, args...)
	if len(msg) > 300 {
		msg = msg[:300]
	}
	return &Error{Kind: k, Section: c.section, Offset: at, Msg: msg}
}

func (c *checker) malformed(at int64, format string, args ...any) error {
	return c.fail(Malformed, at, format, args...)
}

func (c *checker) unsupported(at int64, proposal string) error {
	return c.fail(Unsupported, at, "the module uses %s, which this host does not support", proposal)
}

// over is the error of a limit.
func (c *checker) over(at int64, what string, got, limit uint64) error {
	return c.fail(Limit, at, "%s: %d, the limit is %d", what, got, limit)
}

// readErr is the error of r, which has one.
func (c *checker) readErr(r *wasm.Reader) error {
	return c.malformed(r.ErrOffset(), "%v", r.Err())
}
