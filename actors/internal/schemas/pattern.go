package schemas

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// maxPattern bounds a pattern, in the states of its automaton. Go's regular expressions take time in
// proportion to states times text, and no more, whatever either is.
const maxPattern = 1000

// maxPatterns bounds the states of all patterns of an actor, which are memory while it is awake.
const maxPatterns = 20_000

// pattern compiles a regular expression of a schema. It is Go's syntax, which lacks what ECMAScript has
// beyond regular languages, such as look-ahead.
func (b *budget) pattern(text string) (jsonschema.Regexp, error) {
	if re := b.patterns[text]; re != nil {
		return re, nil // the library asks twice, to check the schema and to compile it
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("a pattern is longer than %d bytes", maxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := states(parsed)
	if n > maxPattern {
		return nil, fmt.Errorf("a pattern has more than %d states", maxPattern)
	}
	if b.states += n; b.states > maxPatterns {
		return nil, fmt.Errorf("the patterns have more than %d states", maxPatterns)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	b.patterns[text] = &counted{Regexp: re, b: b, states: n}
	return b.patterns[text], nil
}

// counted is a regular expression that charges before it looks.
type counted struct {
	*regexp.Regexp
	b      *budget
	states int64
}

func (c *counted) MatchString(s string) bool {
	c.b.charge(1 + c.states*int64(len(s))/64)
	return c.Regexp.MatchString(s)
}

// states returns about how many states an expression has once its repetitions are written out, without
// writing them out.
func states(re *syntax.Regexp) int64 {
	n := int64(1)
	if re.Op == syntax.OpLiteral {
		n = int64(len(re.Rune))
	}
	for _, sub := range re.Sub {
		n += states(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= int64(max(re.Max, re.Min, 1))
	}
	return n
}
