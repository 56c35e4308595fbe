package schemas

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// fault is the one thing wrong with a value that the client is told.
type fault struct {
	path   []string // from the root of the document
	reason string
}

// maxReason bounds the text, which can quote the value.
const maxReason = 256

// faultOf picks the most telling complaint: the deepest, since of alternatives the one that fits best is
// refused last, and the first by its path, since members come in random order.
func faultOf(err *jsonschema.ValidationError) *fault {
	var best *jsonschema.ValidationError
	var look func(e *jsonschema.ValidationError)
	look = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			look(cause)
		}
		if len(e.Causes) == 0 && (best == nil || better(e, best)) {
			best = e
		}
	}
	look(err)
	return &fault{path: best.InstanceLocation, reason: reason(best)}
}

func better(e, best *jsonschema.ValidationError) bool {
	if len(e.InstanceLocation) != len(best.InstanceLocation) {
		return len(e.InstanceLocation) > len(best.InstanceLocation)
	}
	return slices.Compare(e.InstanceLocation, best.InstanceLocation) < 0
}

func reason(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.FalseSchema:
		return "nothing is expected here"
	case *kind.MinItems:
		return fmt.Sprintf("want at least %d, got %d", k.Want, k.Got)
	}
	// The library says it with the place in front; the place is ours to say.
	text := (&jsonschema.ValidationError{ErrorKind: e.ErrorKind}).Error()
	text = strings.TrimPrefix(text, "at '': ")
	return safe(text)
}

// safe cuts a text that may quote the value, and takes out what a terminal or a log would act on.
func safe(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// pointer returns the path as a JSON pointer.
func (f *fault) pointer() string { return pointer(f.path) }

func pointer(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return safe(b.String())
}

// of returns the error for a client that sent what.
func (f *fault) of(code, what string) error {
	if f == nil {
		return nil
	}
	text := what + ": "
	if at := f.pointer(); at != "" {
		text += "at " + at + ": "
	}
	return userError(code, text+f.reason, map[string]any{"path": f.pointer(), "reason": f.reason})
}

// ofArgs returns the error for a client that called an action: the argument counts from 0 in the metadata,
// and from 1 in the text, as the SDK has it.
func (f *fault) ofArgs(action string) error {
	metadata := map[string]any{"action": action, "path": "", "reason": f.reason}
	text := action + ": "
	if len(f.path) > 0 {
		if i, err := strconv.Atoi(f.path[0]); err == nil {
			metadata["argument"] = i
			metadata["path"] = pointer(f.path[1:])
			text += fmt.Sprintf("argument %d: ", i+1)
		}
	}
	if at := metadata["path"].(string); at != "" {
		text += "at " + at + ": "
	}
	return userError("invalid_arguments", text+f.reason, metadata)
}

func userError(code, text string, metadata map[string]any) error {
	return (&abi.Error{Code: abi.CodeUser, Name: code, Message: text}).With(metadata)
}
