package tenants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

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
	if err := checkNames(d, known); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, errors.New("not a JSON object")
	}
	return members, nil
}

// checkNames reads one value, which is known to be well formed.
func checkNames(d *json.Decoder, known []string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	seen := append([]string(nil), known...) // known first, each usable once
	used := make([]bool, len(known))
	for d.More() {
		if t == json.Delim('{') {
			n, err := d.Token()
			if err != nil {
				return err
			}
			if seen, used, err = addName(seen, used, n.(string)); err != nil {
				return err
			}
		}
		if err := checkNames(d, nil); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// addName marks name as used. Names are few: a token is small.
func addName(seen []string, used []bool, name string) ([]string, []bool, error) {
	for i, s := range seen {
		if !strings.EqualFold(s, name) {
			continue
		}
		if s != name || used[i] {
			return nil, nil, fmt.Errorf("%w: member %q", errAmbiguous, s)
		}
		used[i] = true
		return seen, used, nil
	}
	return append(seen, name), append(used, true), nil
}
