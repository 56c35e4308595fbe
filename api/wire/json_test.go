package wire

import (
	"reflect"
	"strings"
	"testing"
)

// One message may be written in many ways.
func TestJSONMessages(t *testing.T) {
	inc := ClientMessage{ID: 7, Name: "inc", Args: []byte(`[3]`)}
	for in, want := range map[string]ClientMessage{
		`{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","7"],"name":"inc","args":[3]}}}`:                         inc,
		` { "body" : { "val" : { "args":[3] , "name":"inc" , "id" : [ "$BigInt" , "7" ] } , "tag":"ActionRequest" } } `: inc,
		`{"a":1,"body":{"b":[],"tag":"ActionRequest","val":{"c":{},"id":["$BigInt","7"],"name":"inc","args":[3]}}}`:     inc,
		`{"b\u006fdy":{"tag":"Action\u0052equest","val":{"id":["\u0024BigInt","7"],"name":"\u0069nc","args":[3]}}}`:     inc,
		`{"body":{"tag":"x","tag":"ActionRequest","val":{"id":["$BigInt","7"],"name":"a","name":"inc","args":[3]}}}`:    inc,
		`{"body":{"tag":"SubscriptionRequest","val":{"eventName":"e","subscribe":true}}}`:                               {Event: "e", Subscribe: true},
		`{"body":{"tag":"SubscriptionRequest","val":{"eventName":"e","subscribe":false}}}`:                              {Event: "e"},
		`{"body":{"tag":"ActionRequest","val":{"id":["$BigInt","18446744073709551615"],"name":"\ud800","args":[]}}}`:    {ID: 1<<64 - 1, Name: "\ufffd", Args: []byte(`[]`)},
	} {
		got, err := JSON.Parse([]byte(in))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", in, got, err, want)
		}
	}
	action := func(id, name, args string) string {
		return `{"body":{"tag":"ActionRequest","val":{"id":` + id + `,"name":` + name + `,"args":` + args + `}}}`
	}
	for _, in := range []string{
		"", "null", "7", "[]", "{}", `"body"`, `{"body":7}`, `{"body":{}}`, `{"body":{"tag":"ActionRequest"}}`, `{"body":{"tag":7,"val":{}}}`,
		`{"Body":{"tag":"SubscriptionRequest","val":{"eventName":"e","subscribe":true}}}`,
		`{"body":{"tag":"SubscriptionRequest","val":{"eventName":"e","subscribe":1}}}`,
		`{"body":{"tag":"SubscriptionRequest","val":{"eventName":"e"}}}`, `{"body":{"tag":"SubscriptionRequest","val":{"eventName":"","subscribe":true}}}`,
		`{"body":{"tag":"SubscriptionRequest","val":{"eventName":["e"],"subscribe":true}}}`,
		action(`7`, `"a"`, `[]`), action(`["$BigInt",7]`, `"a"`, `[]`), action(`["$BigInt","7",1]`, `"a"`, `[]`), action(`["$BigInt"]`, `"a"`, `[]`),
		action(`["$BigInt","-1"]`, `"a"`, `[]`), action(`["$BigInt","18446744073709551616"]`, `"a"`, `[]`), action(`["$Set","7"]`, `"a"`, `[]`),
		action(`["$BigInt","7"]`, `""`, `[]`), action(`["$BigInt","7"]`, `7`, `[]`), action(`["$BigInt","7"]`, `"a"`, `{}`), action(`["$BigInt","7"]`, `"a"`, `"[]"`),
		action(`["$BigInt","7"]`, `"a"`, `[]`) + "{}", action(`["$BigInt","7"]`, `"a"`, `[`), action(`["$BigInt","7"]`, "\"\xff\"", `[]`),
		action(`["$BigInt","7"]`, `"a"`, strings.Repeat("[", MaxDepth)+strings.Repeat("]", MaxDepth)),
	} {
		if m, err := JSON.Parse([]byte(in)); err == nil || !reflect.DeepEqual(m, ClientMessage{}) {
			t.Errorf("%.80s: taken as %+v, %v", in, m, err)
		}
	}
}
