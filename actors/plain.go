package actors

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// A plain module is any Extism plug-in: each export of type () -> i32 is an action.

// hookCreate is the export that a plain module may have for its creation.
const hookCreate = "on_create"

// notActions are exports of type () -> i32 that start a module up.
var notActions = []string{"main", "hs_init", "memory_bytes"}

// plainActions returns which of a module's exports are actions.
func plainActions(entries []string) map[string]abi.ActionManifest {
	actions := map[string]abi.ActionManifest{}
	for _, name := range entries {
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "actor_") || strings.HasPrefix(name, "on_") || slices.Contains(notActions, name) {
			continue
		}
		actions[name] = abi.ActionManifest{}
	}
	return actions
}

// runPlain runs a turn of a plain module: bytes in, bytes out, by the Extism kernel.
func (a *actor) runPlain(t *turn, k *ask) (Reply, error) {
	export := k.Name
	var input []byte
	var err error
	switch {
	case k.Kind == abi.KindCreate:
		if !a.code.Has(hookCreate) {
			return Reply{}, nil
		}
		export = hookCreate
		input, err = plainInput(a.version.Input, listOf(k.Args))
	case k.isRaw:
		input = k.raw
	default:
		input, err = plainInput(a.version.Input, k.Args)
	}
	if err != nil {
		return Reply{}, err
	}
	c := hostfuncs.NewCall(t.ctx, t, &a.kernel, a.instance, input)
	t.run = c
	n, err := a.call(c, export)
	if err != nil {
		return Reply{}, err
	}
	if n != 0 {
		text := c.PlainError()
		if text == "" {
			text = fmt.Sprintf("%s returned %d", export, n)
		}
		return Reply{}, &abi.Error{Code: abi.CodeUser, Name: "plugin_error", Message: clip(text)}
	}
	return plainReply(t, c, k.isRaw)
}

func listOf(doc []byte) []byte {
	if len(doc) == 0 {
		return []byte("[]")
	}
	return slices.Concat([]byte("["), doc, []byte("]"))
}

// plainInput turns a list of arguments into the bytes that the module reads.
func plainInput(form tenants.InputForm, args []byte) ([]byte, error) {
	if form != tenants.InputValue {
		return args, nil
	}
	var values []json.RawMessage
	if err := json.Unmarshal(args, &values); err != nil {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "the arguments are not a JSON list")
	}
	switch len(values) {
	case 0:
		return nil, nil
	case 1:
		return plainValue(values[0])
	}
	return nil, abi.Errorf(abi.CodeInvalidRequest, "this module takes one argument, not %d", len(values))
}

// plainValue returns the bytes of one value: those of a string or byte string, else its JSON.
func plainValue(v json.RawMessage) ([]byte, error) {
	var s string
	if json.Unmarshal(v, &s) == nil && bytes.HasPrefix(v, []byte{'"'}) {
		return []byte(s), nil
	}
	var tagged []string
	if json.Unmarshal(v, &tagged) == nil && len(tagged) == 2 && (tagged[0] == "$Uint8Array" || tagged[0] == "$ArrayBuffer") {
		b, err := base64.StdEncoding.DecodeString(tagged[1])
		if err != nil {
			return nil, abi.Errorf(abi.CodeInvalidRequest, "a %s is not valid base64", tagged[0])
		}
		return b, nil
	}
	return v, nil
}

// plainReply turns the module's output into an answer: JSON if it is, else a string if it is
// UTF-8, else bytes; no output is no value. A raw call gets the bytes.
func plainReply(t *turn, c *hostfuncs.Call, raw bool) (Reply, error) {
	out, ok := c.PlainOutput()
	if !ok {
		return Reply{}, t.a.hidden("the module set an output that is not in its memory")
	}
	if len(out) > abi.MaxResult {
		return Reply{}, abi.Errorf(abi.CodeOutputTooLarge, "the result is larger than %d bytes", abi.MaxResult)
	}
	if err := t.say(len(out)); err != nil {
		return Reply{}, err
	}
	out = bytes.Clone(out) // it is the kernel's
	switch {
	case raw:
		return Reply{Kind: ReplyRaw, Raw: out}, nil
	case len(out) == 0:
		return Reply{}, nil
	case !utf8.Valid(out):
		return Reply{Kind: ReplyBytes, Bytes: out}, nil
	case isJSON(out):
		return Reply{Output: out}, nil
	}
	s, err := json.Marshal(string(out))
	return Reply{Output: s}, err
}
