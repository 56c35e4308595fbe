package api

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

// target is what a gateway URL says of the actor that it addresses. There are two forms, told apart
// by any query parameter that begins with "rvt-":
//
//	direct  /gateway/{id}[@{token}]/…
//	query   /gateway/{name}/…?rvt-method=…&rvt-key=…
type target struct {
	direct    bool
	id        string // direct: the text of an actor id, unchecked
	name      string // query: an actor name, checked
	key       tenants.Key
	create    bool   // query: getOrCreate
	input     []byte // query: the creation's input, a JSON document; nil for none
	namespace string // query: empty if it is left out
	token     string
	hasToken  bool
	rest      string // the query without rvt- pairs, byte for byte: the actor's
}

// Names of the gateway's query parameters.
const (
	pPrefix    = "rvt-"
	pNamespace = "rvt-namespace"
	pMethod    = "rvt-method"
	pKey       = "rvt-key"
	pRunner    = "rvt-runner"
	pPool      = "rvt-pool" // another name of pRunner
	pInput     = "rvt-input"
	pRegion    = "rvt-region"
	pCrash     = "rvt-crash-policy"
	pToken     = "rvt-token"
	pSkipReady = "rvt-skip-ready-wait"
)

// onlyForCreate are the parameters that make no sense with the method get.
var onlyForCreate = []string{pRunner, pInput, pRegion, pCrash}

// guard returns an error of the gateway's own with one of Rivet's names.
func guard(name, format string, args ...any) *abi.Error {
	e := abi.Errorf(abi.CodeInvalidRequest, format, args...)
	e.Name = name
	return e
}

// Names of the gateway's errors.
const (
	badParams     = "query_invalid_params"
	badDuplicate  = "query_duplicate_param"
	badGet        = "query_get_disallowed_params"
	badName       = "query_empty_actor_name"
	badBase64     = "query_invalid_base64_input"
	badCBOR       = "query_invalid_cbor_input"
	badPercent    = "query_invalid_percent_encoding"
	badTokenPlace = "query_path_token_syntax"
)

// parseTarget reads a gateway URL: its encoded path, the path's segment that names the actor, and
// its query, both still encoded.
func parseTarget(path, segment, rawQuery string) (target, error) {
	if strings.Contains(path, "//") {
		return target{}, abi.Errorf(abi.CodeNotFound, "")
	}
	params, rest, err := splitQuery(rawQuery)
	if err != nil {
		return target{}, err
	}
	t := target{rest: rest}
	if params == nil {
		return t, t.parseDirect(segment)
	}
	if strings.Contains(segment, "@") {
		return target{}, guard(badTokenPlace, "with rvt- parameters a token is given as rvt-token, not in the path")
	}
	if t.name, err = url.PathUnescape(segment); err != nil {
		return target{}, guard(badPercent, "the path has an invalid percent-encoding")
	}
	if t.name == "" {
		return target{}, guard(badName, "the actor name is empty")
	}
	if !tenants.ValidName(t.name) {
		return target{}, guard(badParams, "the actor name is not valid")
	}
	if err := t.parseParams(params); err != nil {
		return target{}, err
	}
	return t, nil
}

// parseDirect reads {id}[@{token}], each part encoded by itself.
func (t *target) parseDirect(segment string) (err error) {
	id, token, found := strings.Cut(segment, "@")
	t.direct, t.hasToken = true, found
	if t.id, err = url.PathUnescape(id); err == nil {
		t.token, err = url.PathUnescape(token)
	}
	if err != nil {
		return guard(badPercent, "the path has an invalid percent-encoding")
	}
	return nil
}

// splitQuery takes the rvt- pairs out of a query. params is nil if there is none. A name counts as
// it reads decoded, so that no other spelling of it reaches the actor or a log.
func splitQuery(raw string) (params map[string]string, rest string, err error) {
	if raw == "" {
		return nil, "", nil
	}
	var others []string
	for pair := range strings.SplitSeq(raw, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		if nameErr != nil {
			name = rawName
		}
		if !strings.HasPrefix(name, pPrefix) {
			others = append(others, pair)
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || nameErr != nil {
			return nil, "", guard(badPercent, "the query has an invalid percent-encoding")
		}
		if name == pPool {
			name = pRunner
		}
		if _, ok := params[name]; ok {
			return nil, "", guard(badDuplicate, "the parameter %s is given more than once", clip(name, 64))
		}
		if params == nil {
			params = map[string]string{}
		}
		params[name] = value
	}
	return params, strings.Join(others, "&"), nil
}

// parseParams reads the decoded rvt- parameters.
func (t *target) parseParams(params map[string]string) (err error) {
	for name, value := range params {
		if !utf8.ValidString(value) {
			return guard(badParams, "the parameter %s is not valid UTF-8", clip(name, 64))
		}
		switch name {
		case pNamespace, pMethod, pKey, pRunner, pInput, pRegion: // the pool and the region are ours to choose
		case pToken:
			t.token, t.hasToken = value, true
		case pCrash:
			if value != "sleep" && value != "restart" && value != "destroy" {
				return guard(badParams, "%s must be sleep, restart or destroy", pCrash)
			}
		case pSkipReady:
			if value != "true" && value != "false" {
				return guard(badParams, "%s must be true or false", pSkipReady)
			}
		default:
			return guard(badParams, "unknown parameter %q", clip(name, 64))
		}
	}
	if t.namespace = params[pNamespace]; t.namespace == "" && has(params, pNamespace) {
		return guard(badParams, "%s is empty", pNamespace)
	}
	switch params[pMethod] {
	case "get":
		for _, name := range onlyForCreate {
			if has(params, name) {
				return guard(badGet, "%s is not allowed with %s=get", name, pMethod)
			}
		}
	case "getOrCreate":
		t.create = true
	default:
		return guard(badParams, "%s must be get or getOrCreate", pMethod)
	}
	if t.key, err = parseGatewayKey(params[pKey]); err != nil {
		return err
	}
	if input, ok := params[pInput]; ok {
		t.input, err = parseGatewayInput(input)
	}
	return err
}

func has(params map[string]string, name string) bool { _, ok := params[name]; return ok }

// parseGatewayKey reads a key as the gateway writes it: components joined by commas, without any
// escape, so a component with a comma reads as two.
func parseGatewayKey(s string) (tenants.Key, error) {
	if s == "" {
		return tenants.EmptyKey, nil
	}
	return tenants.NewKey(strings.Split(s, ",")...)
}

// parseGatewayInput reads base64url without padding of CBOR.
func parseGatewayInput(s string) ([]byte, error) {
	b, err := decodeBase64(base64.RawURLEncoding, s)
	if err != nil {
		return nil, guard(badBase64, "%s is not base64url without padding", pInput)
	}
	doc, err := inputOf(b)
	if err != nil {
		return nil, guard(badCBOR, "%s: %v", pInput, err)
	}
	return doc, nil
}
