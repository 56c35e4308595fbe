package schemas

import (
	"errors"
	"strconv"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The budget of a check, in steps of some hundred nanoseconds. A plain schema takes one or two for each
// byte; one that looks at the same value in many ways runs out.
const (
	baseBudget    = 50_000
	budgetPerByte = 4
)

// budget is what is left for the check that runs, and what patterns there are. Its user holds the Checker's
// lock, or is making the Checker.
type budget struct {
	left     int64
	patterns map[string]*counted
	states   int64 // of all patterns
	parts    int   // schemas, those within others included
}

// errBudget unwinds the library, which has no other way to be stopped.
var errBudget = errors.New("checking it takes too long")

// charge takes n steps, or ends the check.
func (b *budget) charge(n int64) {
	if b.left -= n; b.left < 0 {
		panic(errBudget)
	}
}

// run runs a check and returns what is wrong with the value.
func (b *budget) run(check func() error) (f *fault) {
	defer func() {
		if r := recover(); r == errBudget {
			f = &fault{reason: errBudget.Error()}
		} else if r != nil {
			panic(r)
		}
	}()
	err := check()
	var wrong *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return faultOf(wrong)
	}
	return &fault{reason: err.Error()}
}

// price is what one schema costs for one value: base, and each for every member or element. It includes
// what the schemas right below it cost before they are charged themselves.
type price struct {
	base, each int64
	unique     bool // elements are compared with each other
}

// value adds the price of an assertion.
func (p *price) value(keyword string, v any) {
	switch keyword {
	case "required", "dependentRequired":
		p.base += encodedLen(v) / 16
	case "uniqueItems":
		p.unique = v == true
	}
}

// priceOf is what a schema costs until it is charged: comparing with its enum or const.
func priceOf(schema any) int64 {
	m, ok := schema.(map[string]any)
	if !ok {
		return 1
	}
	n := int64(1)
	for _, k := range []string{"enum", "const"} {
		if v, ok := m[k]; ok {
			n += encodedLen(v) / 16
		}
	}
	return n
}

// register makes the format that charges a price and returns its name. A format is what the library looks
// at before anything that may take long, which makes it the place to count.
func (b *budget) register(c *jsonschema.Compiler, p price) (string, error) {
	if b.parts++; b.parts > MaxParts {
		return "", errParts
	}
	name := "steps-" + strconv.FormatInt(p.base, 10) + "-" + strconv.FormatInt(p.each, 10) + "-" + strconv.FormatBool(p.unique)
	c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
		b.charge(p.steps(v))
		return nil
	}})
	return name, nil
}

// steps returns the price for a value.
func (p price) steps(v any) int64 {
	switch v := v.(type) {
	case string:
		return p.base + int64(len(v))/64
	case map[string]any:
		return p.base + p.each*int64(len(v))
	case []any:
		n := p.base + p.each*int64(len(v))
		if p.unique {
			n += 10 * size(v) // up to 20 are compared with each of the others, more by their hash
		}
		return n
	}
	return p.base
}

// size returns about how many machine words a value takes to compare.
func size(v any) int64 {
	n := int64(1)
	switch v := v.(type) {
	case string:
		n += int64(len(v)) / 8
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for k, e := range v {
			n += int64(len(k))/8 + size(e)
		}
	}
	return n
}
