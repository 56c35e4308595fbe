package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth bounds the nesting of arguments and inputs: deep enough for any real value, and far
// from what overruns a recursive decoder in a guest.
const MaxDepth = 512

// CheckJSON returns an error unless b is exactly one JSON value, in UTF-8, nested at most depth
// deep. It allocates nothing and leaves b as it is, so that values pass through untouched.
func CheckJSON(b []byte, depth int) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	c := checker{b: b}
	if err := c.value(depth); err != nil {
		return err
	}
	return c.end()
}

// ParseArgs returns the list of arguments in an action's body, which is {"args":[…]} and nothing
// else. The result refers to b.
func ParseArgs(b []byte) (json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	c := checker{b: b}
	var args json.RawMessage
	c.space()
	if c.peek() != '{' {
		return nil, c.unexpected("an object")
	}
	err := c.object(MaxDepth, func(name []byte) error {
		if !isName(name, "args") {
			return fmt.Errorf("unknown member %s", clip(string(name)))
		}
		if args != nil {
			return errors.New(`the member "args" is there twice`)
		}
		if c.peek() != '[' {
			return errors.New(`the member "args" is not a list`)
		}
		start := c.i
		if err := c.value(MaxDepth - 1); err != nil {
			return err
		}
		args = b[start:c.i:c.i]
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case args == nil:
		return nil, errors.New(`there is no member "args"`)
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	return args, nil
}

// isName reports whether a quoted member name is name, however it is escaped.
func isName(quoted []byte, name string) bool {
	if string(quoted[1:len(quoted)-1]) == name {
		return true
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}

// checker reads JSON (RFC 8259) without building anything.
type checker struct {
	b []byte
	i int // b[:i] is read
}

// peek returns the next byte, 0 at the end. A real 0 is nowhere valid.
func (c *checker) peek() byte {
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *checker) space() {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return
		}
	}
}

func (c *checker) end() error {
	if c.space(); c.i < len(c.b) {
		return fmt.Errorf("something follows the value, at byte %d", c.i)
	}
	return nil
}

func (c *checker) unexpected(want string) error {
	if c.i >= len(c.b) {
		return fmt.Errorf("it ends where %s is expected", want)
	}
	return fmt.Errorf("%s is expected at byte %d", want, c.i)
}

// value reads a value that may be nested depth deep.
func (c *checker) value(depth int) error {
	c.space()
	switch b := c.peek(); {
	case b == '"':
		return c.str()
	case b == '{':
		return c.object(depth, func([]byte) error { return c.value(depth - 1) })
	case b == '[':
		return c.array(depth)
	case b == '-' || '0' <= b && b <= '9':
		return c.number()
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	}
	return c.unexpected("a value")
}

var errTooDeep = errors.New("it is nested too deeply")

// object reads an object and calls member with each quoted name when the value comes next.
func (c *checker) object(depth int, member func(name []byte) error) error {
	if depth <= 0 {
		return errTooDeep
	}
	c.i++ // {
	if c.space(); c.peek() == '}' {
		c.i++
		return nil
	}
	for {
		c.space()
		start := c.i
		if c.peek() != '"' {
			return c.unexpected("a member name")
		}
		if err := c.str(); err != nil {
			return err
		}
		name := c.b[start:c.i]
		if c.space(); c.peek() != ':' {
			return c.unexpected("a colon")
		}
		c.i++
		c.space()
		if err := member(name); err != nil {
			return err
		}
		if done, err := c.separator('}'); done || err != nil {
			return err
		}
	}
}

func (c *checker) array(depth int) error {
	if depth <= 0 {
		return errTooDeep
	}
	return c.elements(func() error { return c.value(depth - 1) })
}

// separator reads a comma, or end and reports done.
func (c *checker) separator(end byte) (done bool, err error) {
	c.space()
	switch c.peek() {
	case ',':
		c.i++
		return false, nil
	case end:
		c.i++
		return true, nil
	}
	return false, c.unexpected("a comma or an end")
}

func (c *checker) literal(text string) error {
	if len(c.b)-c.i < len(text) || string(c.b[c.i:c.i+len(text)]) != text {
		return c.unexpected("a value")
	}
	c.i += len(text)
	return nil
}

func (c *checker) str() error {
	for c.i++; c.i < len(c.b); c.i++ {
		switch b := c.b[c.i]; {
		case b == '"':
			c.i++
			return nil
		case b < 0x20:
			return c.unexpected("a character that is no control character")
		case b == '\\':
			c.i++
			if err := c.escape(); err != nil {
				return err
			}
		}
	}
	return c.unexpected("the end of a string")
}

// escape reads what follows a backslash, but for its last byte.
func (c *checker) escape() error {
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			c.i++
			b := c.peek()
			if ('0' > b || b > '9') && ('a' > b || b > 'f') && ('A' > b || b > 'F') {
				return c.unexpected("a hexadecimal digit")
			}
		}
		return nil
	}
	return c.unexpected("an escape")
}

func (c *checker) number() error {
	if c.peek() == '-' {
		c.i++
	}
	if c.peek() == '0' {
		c.i++
	} else if err := c.digits(); err != nil {
		return err
	}
	if c.peek() == '.' {
		c.i++
		if err := c.digits(); err != nil {
			return err
		}
	}
	if b := c.peek(); b != 'e' && b != 'E' {
		return nil
	}
	c.i++
	if b := c.peek(); b == '+' || b == '-' {
		c.i++
	}
	return c.digits()
}

// digits reads one digit or more.
func (c *checker) digits() error {
	start := c.i
	for b := c.peek(); '0' <= b && b <= '9'; b = c.peek() {
		c.i++
	}
	if c.i == start {
		return c.unexpected("a digit")
	}
	return nil
}

// clip keeps an error short, whatever a client chose.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// elements reads a list and calls element when a value comes next.
func (c *checker) elements(element func() error) error {
	c.i++ // [
	if c.space(); c.peek() == ']' {
		c.i++
		return nil
	}
	for {
		c.space()
		if err := element(); err != nil {
			return err
		}
		if done, err := c.separator(']'); done || err != nil {
			return err
		}
	}
}
