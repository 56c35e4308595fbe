package api

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/vivarium-run/vivarium/api/wire"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
	"github.com/vivarium-run/vivarium/tenants"
)

func TestParseTarget(t *testing.T) {
	tests := []struct {
		name, segment, query string
		want                 target
	}{
		{name: "direct", segment: "abc", want: target{direct: true, id: "abc"}},
		{name: "direct with a token", segment: "abc@t.o-k", want: target{direct: true, id: "abc", token: "t.o-k", hasToken: true}},
		{name: "direct, both encoded", segment: "a%62c@t%40k", want: target{direct: true, id: "abc", token: "t@k", hasToken: true}},
		{name: "direct with an empty token", segment: "abc@", want: target{direct: true, id: "abc", hasToken: true}},
		{name: "direct keeps the actor's query", segment: "abc", query: "a=%zz&b=1+2", want: target{direct: true, id: "abc", rest: "a=%zz&b=1+2"}},
		{name: "get", segment: "counter", query: "rvt-namespace=default&rvt-method=get&rvt-key=a%2Cb",
			want: target{name: "counter", namespace: "default", key: "a/b"}},
		{name: "namespace left out", segment: "counter", query: "rvt-method=get", want: target{name: "counter", key: "/"}},
		{name: "getOrCreate with everything", segment: "counter",
			query: "rvt-namespace=n&rvt-method=getOrCreate&rvt-key=a&rvt-runner=default&rvt-input=gQE&rvt-region=eu&rvt-crash-policy=sleep&rvt-token=tok&rvt-skip-ready-wait=true",
			want:  target{name: "counter", namespace: "n", create: true, key: "a", input: []byte("[1]"), token: "tok", hasToken: true}},
		{name: "pool is the runner", segment: "counter", query: "rvt-method=getOrCreate&rvt-pool=p", want: target{name: "counter", create: true, key: "/"}},
		{name: "runner left out", segment: "counter", query: "rvt-method=getOrCreate", want: target{name: "counter", create: true, key: "/"}},
		{name: "empty key", segment: "counter", query: "rvt-method=get&rvt-key=", want: target{name: "counter", key: "/"}},
		{name: "empty component", segment: "counter", query: "rvt-method=get&rvt-key=%2Ca", want: target{name: "counter", key: `\0/a`}},
		{name: "slash in a key", segment: "counter", query: "rvt-method=get&rvt-key=a/b", want: target{name: "counter", key: `a\/b`}},
		{name: "plus is a space", segment: "counter", query: "rvt-method=get&rvt-key=a+b", want: target{name: "counter", key: "a b"}},
		{name: "others go to the actor untouched", segment: "counter", query: "q=%C3%BC&rvt-method=get&empty&a=%zz&x=1+2", want: target{name: "counter", key: "/", rest: "q=%C3%BC&empty&a=%zz&x=1+2"}},
		{name: "encoded name of a parameter", segment: "counter", query: "rvt%2Dmethod=get", want: target{name: "counter", key: "/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTarget("/gateway/"+tt.segment+"/action/x", tt.segment, tt.query)
			checkErr(t, err, "")
			if mustJSON(show(got)) != mustJSON(show(tt.want)) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// show makes a target's fields visible to encoding/json.
func show(t target) map[string]any {
	return map[string]any{"direct": t.direct, "id": t.id, "name": t.name, "key": t.key, "create": t.create, "input": string(t.input),
		"namespace": t.namespace, "token": t.token, "hasToken": t.hasToken, "rest": t.rest}
}

func TestParseTargetRefuses(t *testing.T) {
	tests := []struct {
		name, path, segment, query string
		want                       string
	}{
		{name: "double slash", path: "/gateway/counter//action/x", segment: "counter", want: "api/not_found"},
		{name: "unknown parameter", segment: "counter", query: "rvt-method=get&rvt-x=1", want: "guard/query_invalid_params"},
		{name: "the bare prefix", segment: "counter", query: "rvt-method=get&rvt-=1", want: "guard/query_invalid_params"},
		{name: "no method", segment: "counter", query: "rvt-key=a", want: "guard/query_invalid_params"},
		{name: "unknown method", segment: "counter", query: "rvt-method=create", want: "guard/query_invalid_params"},
		{name: "duplicate", segment: "counter", query: "rvt-method=get&rvt-key=a&rvt-key=a", want: "guard/query_duplicate_param"},
		{name: "duplicate in another spelling", segment: "counter", query: "rvt-method=get&%72vt-method=get", want: "guard/query_duplicate_param"},
		{name: "runner and pool", segment: "counter", query: "rvt-method=getOrCreate&rvt-pool=a&rvt-runner=a", want: "guard/query_duplicate_param"},
		{name: "get with a runner", segment: "counter", query: "rvt-method=get&rvt-runner=default", want: "guard/query_get_disallowed_params"},
		{name: "get with an input", segment: "counter", query: "rvt-method=get&rvt-input=gQE", want: "guard/query_get_disallowed_params"},
		{name: "get with a region", segment: "counter", query: "rvt-method=get&rvt-region=", want: "guard/query_get_disallowed_params"},
		{name: "get with a policy", segment: "counter", query: "rvt-method=get&rvt-crash-policy=sleep", want: "guard/query_get_disallowed_params"},
		{name: "policy", segment: "counter", query: "rvt-method=getOrCreate&rvt-crash-policy=explode", want: "guard/query_invalid_params"},
		{name: "skip", segment: "counter", query: "rvt-method=get&rvt-skip-ready-wait=yes", want: "guard/query_invalid_params"},
		{name: "empty namespace", segment: "counter", query: "rvt-method=get&rvt-namespace=", want: "guard/query_invalid_params"},
		{name: "empty name", path: "/gateway/", segment: "", query: "rvt-method=get", want: "guard/query_empty_actor_name"},
		{name: "malformed name", segment: "a%2Fb", query: "rvt-method=get", want: "guard/query_invalid_params"},
		{name: "token in the path", segment: "counter@tok", query: "rvt-method=get", want: "guard/query_path_token_syntax"},
		{name: "percent in the path", segment: "a%zz", query: "rvt-method=get", want: "guard/query_invalid_percent_encoding"},
		{name: "percent in an id", segment: "a%zz", want: "guard/query_invalid_percent_encoding"},
		{name: "percent in a token", segment: "a@%z", want: "guard/query_invalid_percent_encoding"},
		{name: "percent in a value", segment: "counter", query: "rvt-method=%zz", want: "guard/query_invalid_percent_encoding"},
		{name: "percent in a name", segment: "counter", query: "rvt-%zz=get", want: "guard/query_invalid_percent_encoding"},
		{name: "not UTF-8", segment: "counter", query: "rvt-method=get&rvt-key=%ff", want: "guard/query_invalid_params"},
		{name: "control character in a key", segment: "counter", query: "rvt-method=get&rvt-key=%00", want: "actor/invalid_key"},
		{name: "long key", segment: "counter", query: "rvt-method=get&rvt-key=" + strings.Repeat("a", 129), want: "actor/invalid_key"},
		{name: "padded input", segment: "counter", query: "rvt-method=getOrCreate&rvt-input=gQE%3D", want: "guard/query_invalid_base64_input"},
		{name: "standard base64", segment: "counter", query: "rvt-method=getOrCreate&rvt-input=-/", want: "guard/query_invalid_base64_input"},
		{name: "line break in an input", segment: "counter", query: "rvt-method=getOrCreate&rvt-input=gQ%0AE", want: "guard/query_invalid_base64_input"},
		{name: "input is no CBOR", segment: "counter", query: "rvt-method=getOrCreate&rvt-input=gQ", want: "guard/query_invalid_cbor_input"},
		{name: "empty input", segment: "counter", query: "rvt-method=getOrCreate&rvt-input=", want: "guard/query_invalid_cbor_input"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path
			if path == "" {
				path = "/gateway/" + tt.segment + "/action/x"
			}
			_, err := parseTarget(path, tt.segment, tt.query)
			e := abi.AsError(err)
			if e == nil || e.Code.Group()+"/"+e.PublicName() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("counter", "rvt-method=get&rvt-key=a%2Cb&x=1")
	f.Add("abc@tok", "")
	f.Add("counter", "rvt-method=getOrCreate&rvt-input=gQE&rvt-token=t&%72vt-key=a")
	f.Fuzz(func(t *testing.T, segment, query string) {
		got, err := parseTarget("/gateway/"+segment+"/action/x", segment, query)
		if err != nil {
			var e *abi.Error
			if !errors.As(err, &e) || statusOf(e.Code) >= 500 {
				t.Fatalf("error %v is not the client's", err)
			}
			return
		}
		for pair := range strings.SplitSeq(got.rest, "&") {
			name, _, _ := strings.Cut(pair, "=")
			if n, err := url.QueryUnescape(name); err == nil && strings.HasPrefix(n, pPrefix) {
				t.Errorf("%q reaches the actor", pair)
			}
		}
		if got.direct {
			return
		}
		if k, err := tenants.ParseKey(string(got.key)); err != nil || k != got.key {
			t.Errorf("key %q is not canonical", got.key)
		}
		if !tenants.ValidName(got.name) {
			t.Errorf("name %q", got.name)
		}
		if got.input != nil && wire.CheckJSON(got.input, wire.MaxDepth) != nil {
			t.Errorf("input %q is not JSON", got.input)
		}
	})
}
