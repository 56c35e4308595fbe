// Package schemas holds what clients send to the JSON Schemas that a module's manifest has.
//
// It owns which schemas an upload may bring, and what checking a value may cost. A schema is a program of
// a stranger that runs in the host without gas, so three things are kept from it: it is cut down to keywords
// that refer to nothing outside of itself, before the library sees it; its patterns are small and of Go's
// linear kind; and each check has a budget of steps, in proportion to the value, which the schema cannot
// raise. When a turn may be checked is for package actors.
//
// One invariant: a value that a Checker refuses gets an error for the client, never for the host.
package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// Limits of the schemas of a manifest.
const (
	MaxSchema  = 64 << 10  // bytes of one
	MaxSchemas = 256 << 10 // bytes of all
	MaxParts   = 5_000     // schemas within schemas, of all; each is about 1 KB of memory and 80 µs to compile
	maxDepth   = 64        // of one, in JSON values
)

// Verify checks all schemas of a manifest. The error is for whoever uploads it.
func Verify(m *abi.Manifest) error {
	size, parts := 0, 0
	for name, a := range m.Actors {
		n, err := sizeOf(&a)
		if err != nil {
			return fmt.Errorf("actor %q: %w", name, err)
		}
		if size += n; size > MaxSchemas {
			return fmt.Errorf("its schemas are longer than %d bytes", MaxSchemas)
		}
		c, err := New(&a)
		if err != nil {
			return fmt.Errorf("actor %q: %w", name, err)
		}
		if parts += c.Parts(); parts > MaxParts {
			return errParts
		}
	}
	return nil
}

var errParts = fmt.Errorf("its schemas have more than %d parts", MaxParts)

// sizeOf returns the bytes of an actor's schemas.
func sizeOf(m *abi.ActorManifest) (int, error) {
	size := 0
	for name, doc := range all(m) {
		if len(doc) > MaxSchema {
			return 0, fmt.Errorf("%s is longer than %d bytes", name, MaxSchema)
		}
		size += len(doc)
	}
	return size, nil
}

// Checker checks what is sent to the actors of one name of one version. Safe for concurrent use; a nil
// Checker takes everything. Documents are JSON, and are not checked to be so first: what is not JSON
// is refused.
type Checker struct {
	mu      sync.Mutex // guards budget and runs one check at a time, which is short
	budget  *budget
	schemas map[string]*jsonschema.Schema // by their names in all
}

// New compiles the schemas of an actor.
func New(m *abi.ActorManifest) (*Checker, error) {
	c := &Checker{budget: &budget{patterns: map[string]*counted{}}, schemas: map[string]*jsonschema.Schema{}}
	for name, doc := range all(m) {
		s, err := compile(doc, c.budget)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c.schemas[name] = s
	}
	return c, nil
}

// Parts returns how many schemas there are, those within others included.
func (c *Checker) Parts() int {
	if c == nil {
		return 0
	}
	return c.budget.parts
}

// The places of schemas in a manifest.
const (
	placeInput  = "input"
	placeParams = "params"
)

func placeArgs(action string) string { return "arguments of " + action }
func placeBody(queue string) string  { return "body of " + queue }

// all yields the schemas of an actor that there are.
func all(m *abi.ActorManifest) func(yield func(place string, doc json.RawMessage) bool) {
	return func(yield func(string, json.RawMessage) bool) {
		list := map[string]json.RawMessage{placeInput: m.Input, placeParams: m.Params}
		for name, a := range m.Actions {
			list[placeArgs(name)], list["result of "+name] = a.Args, a.Result
		}
		for name, q := range m.Queues {
			list[placeBody(name)], list["completion of "+name] = q.Body, q.Result
		}
		for name, doc := range m.EventSchema {
			list["event "+name] = doc
		}
		for place, doc := range list {
			if len(doc) > 0 && !yield(place, doc) {
				return
			}
		}
	}
}

// check holds a document to the schema of a place. The fault is nil if it fits or there is no schema.
func (c *Checker) check(place string, doc []byte) *fault {
	if c == nil || c.schemas[place] == nil {
		return nil
	}
	v, err := decode(doc)
	if err != nil {
		return &fault{reason: err.Error()}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.budget.left = baseBudget + budgetPerByte*int64(len(doc))
	return c.budget.run(func() error { return c.schemas[place].Validate(v) })
}

// Args checks the list of an action's arguments.
func (c *Checker) Args(action string, doc []byte) error {
	f := c.check(placeArgs(action), doc)
	if f == nil {
		return nil
	}
	return f.ofArgs(action)
}

// Input checks the input of a creation; an empty one is none, which the guest takes for its zero.
func (c *Checker) Input(doc []byte) error {
	if len(doc) == 0 {
		return nil
	}
	return c.check(placeInput, doc).of("invalid_input", "input")
}

// Params checks the params of a connection. Empty ones are null.
func (c *Checker) Params(doc []byte) error {
	if len(doc) == 0 {
		doc = []byte("null")
	}
	return c.check(placeParams, doc).of("invalid_params", "params")
}

// Body checks the body of a queue's message.
func (c *Checker) Body(queue string, doc []byte) error {
	return c.check(placeBody(queue), doc).of("invalid_body", "body of "+queue)
}

// errRemote answers the library when it looks for a document that it was not given. No schema can make it
// look, since references are checked before; its own loader would read the host's files.
var errRemote = errors.New("references to other documents are not taken")

// nowhere is a loader that finds nothing.
type nowhere struct{}

func (nowhere) Load(string) (any, error) { return nil, errRemote }

// compile makes a schema whose checks draw on b.
func compile(doc json.RawMessage, b *budget) (*jsonschema.Schema, error) {
	v, err := decode(doc)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nowhere{})
	c.UseRegexpEngine(b.pattern)
	c.AssertFormat() // the only formats left are ours, which count steps
	clean, err := newCleaner(v, func(p price) (string, error) { return b.register(c, p) }).root()
	if err != nil {
		return nil, err
	}
	if err := c.AddResource(location, clean); err != nil {
		return nil, err
	}
	s, err := c.Compile(location)
	if err != nil {
		return nil, brief(err)
	}
	return s, nil
}

const location = "vivarium:schema"

// brief is a complaint of the library without the place that we gave the schema.
func brief(err error) error {
	var invalid *jsonschema.SchemaValidationError
	var wrong *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &wrong) {
		f := faultOf(wrong)
		return fmt.Errorf("at %s: %s", f.pointer(), f.reason)
	}
	return err
}
