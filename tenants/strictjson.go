package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNesting bounds how deep documents of strangers go.
const maxNesting = 32

var errNested = errors.New("JSON nested too deeply")

// errAmbiguous says that a document means different things to different readers.
var errAmbiguous = errors.New("ambiguous JSON")

// strictObject reads b as one JSON object that every reader understands alike, and returns its
// members undecoded. encoding/json takes the last of two members with one name and matches names
// without regard to case, other readers do not, and between two readers a token can change its
// tenant. So strictObject refuses, at any depth, two names that are equal when case is ignored; at
// the top, a name that differs from one of known only in case; and text that is not UTF-8.
func strictObject(b []byte, known ...string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if err := checkNames(d, known, maxNesting); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// checkNames reads one value, which is known to be well formed.
func checkNames(d *json.Decoder, known []string, levels int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	if levels == 0 {
		return errNested
	}
	seen := make(map[string]name, len(known))
	for _, n := range known {
		seen[folded(n)] = name{n, false}
	}
	for d.More() {
		if t == json.Delim('{') {
			n, err := d.Token()
			if err != nil {
				return err
			}
			if err := use(seen, n.(string)); err != nil {
				return err
			}
		}
		if err := checkNames(d, nil, levels-1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// name is a member's name that is known, or was met.
type name struct {
	text string
	used bool
}

// use marks a name as met. Names are found by what they are when case is ignored, at once: a document of a stranger
// can be all names.
func use(seen map[string]name, text string) error {
	fold := folded(text)
	n, ok := seen[fold]
	if ok && (n.text != text || n.used) {
		return fmt.Errorf("%w: member %.64q", errAmbiguous, n.text)
	}
	seen[fold] = name{text, true}
	return nil
}

// folded returns what is the same for two texts exactly if strings.EqualFold holds them for equal.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
