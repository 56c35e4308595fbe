package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// names are those of the encodings that clients speak.
var names = []string{"bare", "cbor", "json"}

// What Rivet's client was seen to send, byte for byte, but that it names the queue after the body and repeats no
// options that are unset.
func TestGoldenOfClient(t *testing.T) {
	bare, cbor, text := ClientOf("bare"), ClientOf("cbor"), ClientOf("json")
	queue := QueueMessage{Queue: "done", Body: []byte(`{"n":2}`), Wait: true, Timeout: 2000}
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"inc":                {bare.ActionRequest([]byte("[2]")), "04 00 | 02 | 81 02"},
		"echo":               {bare.ActionRequest([]byte(`["x",{"a":[1,null,true]}]`)), `04 00 | 0c | 82 61 "x" b9 00 01 61 "a" 83 01 f6 f5`},
		"queue":              {bare.QueueRequest(queue), `04 00 | 06 b9 00 01 61 6e 02 | 01 04 "done" | 01 01 | 01 d0 07 00 00 00 00 00 00`},
		"queue, no wait":     {bare.QueueRequest(QueueMessage{Queue: "q", Body: []byte("1"), Timeout: 5}), `04 00 | 01 01 | 01 01 "q" | 01 00 | 00`},
		"action":             {bare.Action(0, "inc", []byte("[3]")), `04 00 | 00 | 00 | 03 "inc" | 02 81 03`},
		"subscription":       {bare.Subscription("count", true), `04 00 | 01 | 05 "count" | 01`},
		"unsubscription":     {bare.Subscription("count", false), `04 00 | 01 | 05 "count" | 00`},
		"bytes":              {bare.ActionRequest([]byte(`[["$Uint8Array","CQ=="]]`)), `04 00 | 13 | 81 82 6b "$Uint8Array" 64 "CQ=="`},
		"no tag":             {bare.ActionRequest([]byte(`[["$x",1]]`)), `04 00 | 07 | 81 82 63 "$$x" 01`},
		"cbor inc":           {cbor.ActionRequest([]byte("[2]")), `a1 64 "args" 81 02`},
		"cbor action":        {cbor.Action(0, "inc", []byte("[3]")), `a1 64 "body" a2 63 "tag" 6d "ActionRequest" 63 "val" a3 62 "id" 1b 0000000000000000 64 "name" 63 "inc" 64 "args" 81 03`},
		"cbor subscription":  {cbor.Subscription("e", false), `a1 64 "body" a2 63 "tag" 73 "SubscriptionRequest" 63 "val" a2 69 "eventName" 61 "e" 69 "subscribe" f4`},
		"cbor queue":         {cbor.QueueRequest(queue), `a4 64 "body" b9 00 01 61 6e 02 64 "name" 64 "done" 64 "wait" f5 67 "timeout" 19 07d0`},
		"cbor bytes":         {cbor.ActionRequest([]byte(`[["$Uint8Array","CQ=="]]`)), `a1 64 "args" 81 d8 40 41 09`},
		"cbor bigint":        {cbor.ActionRequest([]byte(`[["$BigInt","5"],["$BigInt","-5"]]`)), `a1 64 "args" 82 1b 0000000000000005 3b 0000000000000004`},
		"cbor bignum":        {cbor.ActionRequest([]byte(`[["$BigInt","18446744073709551616"]]`)), `a1 64 "args" 81 c2 49 010000000000000000`},
		"cbor set":           {cbor.ActionRequest([]byte(`[["$Set",[1,[["$Undefined",0]]]],2]`)), `a1 64 "args" 82 d9 0102 82 01 81 f7 02`},
		"cbor no tag":        {cbor.ActionRequest([]byte(`[["$x",1],["$BigInt","x"],["$Set",1]]`)), `a1 64 "args" 83 82 62 "$x" 01 82 67 "$BigInt" 61 "x" 82 64 "$Set" 01`},
		"json queue":         {text.QueueRequest(queue), `"{` + `" 22 "body" 22 ":{" 22 "n" 22 ":2}," 22 "name" 22 ":" 22 "done" 22 "," 22 "wait" 22 ":true," 22 "timeout" 22 ":2000}"`},
		"an input":           {ToCBOR([]byte(`{"start":5}`)), `b9 00 01 65 "start" 05`},
		"an input with tags": {ToCBOR([]byte(`["$$x",["$BigInt","7"]]`)), `82 64 "$$$x" 82 67 "$BigInt" 61 "7"`},
	} {
		if want := unhex(t, tt.want); string(tt.got) != string(want) {
			t.Errorf("%s:\n got %x %q\nwant %x", name, tt.got, tt.got, want)
		}
	}
}

// What Rivet's server was seen to send.
func TestGoldenToTheClient(t *testing.T) {
	zero := uint64(0)
	for name, tt := range map[string]struct {
		encoding, in string
		want         HostMessage
	}{
		"init":               {"bare", `04 00 | 00 | 01 "a" | 01 "c"`, HostMessage{ActorID: "a", ConnID: "c"}},
		"init of version 1":  {"bare", `01 00 | 00 | 01 "a" | 01 "c" | 01 "t"`, HostMessage{ActorID: "a", ConnID: "c"}},
		"event":              {"bare", `04 00 | 03 | 05 "count" | 09 82 0a b9 00 01 62 62 79 03`, HostMessage{Kind: KindEvent, Event: "count", Args: []byte(`[10,{"by":3}]`)}},
		"response":           {"bare", "04 00 | 02 | 00 | 01 0a", HostMessage{Kind: KindResponse, Output: []byte("10")}},
		"void response":      {"bare", `04 00 | 02 | 01 | 0d 82 6a "$Undefined" 00`, HostMessage{Kind: KindResponse, ID: 1}},
		"rejected":           {"bare", `04 00 | 01 | 04 "user" | 09 "forbidden" | 08 "no entry" | 01 0a a1 63 "why" 64 "test" | 00 | 00`, HostMessage{Kind: KindFailure, Failure: Failure{Group: "user", Code: "forbidden", Message: "no entry", Metadata: []byte(`{"why":"test"}`)}}},
		"failed, with actor": {"bare", `04 00 | 01 | 01 "g" | 01 "c" | 00 | 00 | 01 00 | 01 02 "id" 01 01 01 "k"`, HostMessage{Kind: KindFailure, Failure: Failure{Group: "g", Code: "c", Action: &zero}}},
		"failed, version 3":  {"bare", `03 00 | 01 | 01 "g" | 01 "c" | 00 | 00 | 01 00`, HostMessage{Kind: KindFailure, Failure: Failure{Group: "g", Code: "c", Action: &zero}}},
		"cbor response":      {"cbor", `a1 64 "body" a2 63 "tag" 6e "ActionResponse" 63 "val" a2 62 "id" 1b 0000000000000000 66 "output" 0a`, HostMessage{Kind: KindResponse, Output: []byte("10")}},
		"json init":          {"json", `"{" 22 "body" 22 ":{" 22 "tag" 22 ":" 22 "Init" 22 "," 22 "val" 22 ":{" 22 "actorId" 22 ":" 22 "a" 22 "," 22 "connectionId" 22 ":" 22 "c" 22 "}}}"`, HostMessage{ActorID: "a", ConnID: "c"}},
	} {
		got, err := ClientOf(tt.encoding).ParseHost(unhex(t, tt.in), 1<<20)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
	body := unhex(t, `04 00 | 04 "user" | 08 "bad_name" | 08 "bad name" | 01 06 a1 63 6d 69 6e 03 | 01 1e "`+goldenActor+`" 01 01 03 "a/b"`)
	want := Failure{Group: "user", Code: "bad_name", Message: "bad name", Metadata: []byte(`{"min":3}`)}
	if got, err := ClientOf("bare").ParseFailure(body, 1000); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// sentValues are what a client sends, what a guest reads of it, and what a client of Go's reads when it comes back.
var sentValues = []struct{ sent, guest, back string }{
	{`[1,-1,1.5,"ü\n",{"a":[null,true,{}]}]`, "", ""},
	{`["$x",1]`, `["$$x",1]`, `["$x",1]`},
	{`["$$x",1]`, `["$$$x",1]`, `["$$x",1]`},
	{`["$",1]`, `["$$",1]`, `["$",1]`},
	{`["$x",1,2]`, "", ""},
	{`["$BigInt","5"]`, "", "5"},
	{`["$BigInt","-36893488147419103232"]`, "", "-36893488147419103232"},
	{`["$BigInt","007"]`, `["$$BigInt","007"]`, `["$BigInt","007"]`},
	{`["$Uint8Array","CQ=="]`, "", `"CQ=="`},
	{`["$Uint8Array","?"]`, `["$$Uint8Array","?"]`, `["$Uint8Array","?"]`},
	{`["$ArrayBuffer","CQ=="]`, `["$Uint8Array","CQ=="]`, `"CQ=="`},
	{`["$Set",[1,["$Undefined",0],["$x",2]]]`, `["$Set",[1,["$Undefined",0],["$$x",2]]]`, `[1,null,["$x",2]]`},
	{`{"a":[["$Undefined",0],["$y",["$z",0]]]}`, `{"a":[["$Undefined",0],["$$y",["$$z",0]]]}`, `{"a":[null,["$y",["$z",0]]]}`},
}

// A value goes to the host and comes back, in each encoding, by each way.
func TestValuesThereAndBack(t *testing.T) {
	for _, name := range names {
		c, h := ClientOf(name), Of(name)
		for _, v := range sentValues {
			guest, back := v.guest, v.back
			if guest == "" {
				guest = v.sent
			}
			if name != "cbor" && strings.HasPrefix(v.sent, `["$ArrayBuffer"`) {
				guest = v.sent // only CBOR has one form for both
			}
			if back == "" {
				back = v.sent
			}
			m, err := h.Parse(c.Action(7, "echo", []byte("["+v.sent+"]")))
			if err != nil || m.ID != 7 || m.Name != "echo" || string(m.Args) != "["+guest+"]" {
				t.Errorf("%s: %s arrived as %+v %s, %v", name, v.sent, m, m.Args, err)
			}
			body, err := h.ActionBody(c.ActionRequest([]byte("[" + v.sent + "]")))
			if args, argsErr := ParseArgs(body); err != nil || argsErr != nil || string(args) != "["+guest+"]" {
				t.Errorf("%s: the arguments [%s] arrived as %s, %v, %v", name, v.sent, body, err, argsErr)
			}
			for what, got := range map[string]func() (json.RawMessage, error){
				"response": func() (json.RawMessage, error) {
					m, err := c.ParseHost(h.Response(1<<60, []byte(guest)), 1<<20)
					if err == nil && (m.Kind != KindResponse || m.ID != 1<<60) {
						err = fmt.Errorf("it is %+v", m)
					}
					return m.Output, err
				},
				"event": func() (json.RawMessage, error) {
					m, err := c.ParseHost(h.Event("e", []byte("["+guest+"]")), 1<<20)
					return bytes.TrimSuffix(bytes.TrimPrefix(m.Args, []byte("[")), []byte("]")), err
				},
				"metadata": func() (json.RawMessage, error) {
					m, err := c.ParseHost(h.Failure(Failure{Group: "g", Code: "c", Metadata: []byte(guest)}), 1<<20)
					return m.Failure.Metadata, err
				},
				"output": func() (json.RawMessage, error) { return c.ParseOutput(h.ActionReply([]byte(guest)), 1<<20) },
				"completion": func() (json.RawMessage, error) {
					d, err := c.ParseCompletion(h.QueueReply("completed", []byte(guest)), 1<<20)
					return d.Response, err
				},
			} {
				if doc, err := got(); err != nil || string(Untag(doc)) != back {
					t.Errorf("%s: %s came back in the %s as %s, %v, want %s", name, v.sent, what, Untag(doc), err, back)
				}
			}
		}
		for what, doc := range map[string]func() (json.RawMessage, error){
			"output": func() (json.RawMessage, error) { return c.ParseOutput(h.ActionReply(nil), 100) },
			"completion": func() (json.RawMessage, error) {
				d, err := c.ParseCompletion(h.QueueReply("timedOut", nil), 100)
				return d.Response, err
			},
			"metadata": func() (json.RawMessage, error) {
				m, err := c.ParseHost(h.Failure(Failure{Group: "g", Code: "c"}), 1000)
				return m.Failure.Metadata, err
			},
		} {
			if got, err := doc(); got != nil || err != nil {
				t.Errorf("%s: no %s is %s, %v", name, what, got, err)
			}
		}
	}
}

// Arguments of which there are two, the first a text with a "$", are no tag: they arrive as they are.
func TestArgumentsThatLookLikeATag(t *testing.T) {
	for _, args := range []string{`["$AAPL",2]`, `["$$x",1]`, `["$BigInt","5"]`, `["$Undefined",0]`, `["$Set",[1]]`, `[["$BigInt","5"]]`, `["$",1,2]`, `["\n$",1]`} {
		for _, name := range names {
			c, h := ClientOf(name), Of(name)
			if m, err := h.Parse(c.Action(1, "a", []byte(args))); err != nil || string(m.Args) != args {
				t.Errorf("%s: %s arrived as %s, %v", name, args, m.Args, err)
			}
			body, err := h.ActionBody(c.ActionRequest([]byte(args)))
			if got, _ := ParseArgs(body); err != nil || string(UnescapeArgs(got)) != args {
				t.Errorf("%s: %s arrived as %s, %v", name, args, body, err)
			}
		}
	}
	for in, want := range map[string]string{`["\u0024$x",1]`: `["$x",1]`, ` [ "$$x" , 1 ]`: ` [ "$x" , 1 ]`, `[]`: `[]`, `["$x",1]`: `["$x",1]`, `["$$x",1,2]`: `["$$x",1,2]`} {
		if got := string(UnescapeArgs([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestCheckSent(t *testing.T) {
	for doc, want := range map[string]string{
		`[9007199254740991,-9007199254740991,1e300,0.12345678901234567]`: "",
		`[9007199254740992]`:         "beyond 2^53",
		`{"a":[-9007199254740992]}`:  "beyond 2^53",
		`[1152921504606846976]`:      "beyond 2^53",
		`[123456789012345678901234]`: "beyond 2^53",
		`["9007199254740992"]`:       "",
		`[1`:                         "comma",
		"\"\xff\"":                   "UTF-8",
		strings.Repeat("[", 513) + strings.Repeat("]", 513): "deep",
	} {
		for _, name := range names {
			if name == "json" && want == "beyond 2^53" {
				checkErr(t, CheckSent(ClientOf(name), []byte(doc)), "")
				continue
			}
			checkErr(t, CheckSent(ClientOf(name), []byte(doc)), want)
		}
	}
}

// What no host of ours sends.
func TestMalformedOfHost(t *testing.T) {
	long := strings.Repeat("81", 100_000) + "01"
	for name, in := range map[string]string{
		"bare, empty": "", "bare, no tag": "04 00", "bare, another tag": "04 00 04", "bare, another version": `05 00 | 00 | 01 "a" | 01 "c"`,
		"bare, no actor": `04 00 | 00 | 00 | 01 "c"`, "bare, trailing": `04 00 | 00 | 01 "a" | 01 "c" 00`, "bare, cut": `04 00 | 03 | 05 "co`,
		"bare, huge text": "04 00 | 00 | ff ff ff ff ff ff ff ff 7f", "bare, no list": `04 00 | 03 | 01 "e" | 01 05`, "bare, no event": "04 00 | 03 | 00 | 01 80",
		"bare, no output": "04 00 | 02 | 00 | 00", "bare, deep": "04 00 | 02 | 00 | a1 8d 06 " + long, "bare, no code": `04 00 | 01 | 01 "g" | 00 | 00 | 00 | 00 | 00`,
		"bare, long id": "04 00 | 02 | ff ff ff ff ff ff ff ff ff ff 01 | 01 0a",
		"cbor, no map":  "80", "cbor, deep": long, "cbor, another tag": `a1 64 "body" a2 63 "tag" 61 "x" 63 "val" a0`, "cbor, huge": "9bffffffffffffffff",
		"cbor, no id":   `a1 64 "body" a2 63 "tag" 6e "ActionResponse" 63 "val" a1 66 "output" 0a`,
		"json, no id":   `"{" 22 "body" 22 ":{" 22 "tag" 22 ":" 22 "ActionResponse" 22 "," 22 "val" 22 ":{}}}"`,
		"json, nothing": `"{}"`, "json, text": `"hello"`,
		"json, wrong id": `"{" 22 "body" 22 ":{" 22 "tag" 22 ":" 22 "ActionResponse" 22 "," 22 "val" 22 ":{" 22 "id" 22 ":-1}}}"`,
	} {
		encoding, _, _ := strings.Cut(name, ",")
		if m, err := ClientOf(encoding).ParseHost(unhex(t, in), 1<<20); err == nil {
			t.Errorf("%s: taken as %+v", name, m)
		}
	}
	for _, name := range names { // an answer that is, or becomes, longer than what is asked for
		many := Of(name).ActionReply([]byte("[" + strings.Repeat(`["$Undefined",0],`, 1000) + "0]"))
		if _, err := ClientOf(name).ParseOutput(many, 10_000); err != ErrTooLong {
			t.Errorf("%s: %d bytes: %v", name, len(many), err)
		}
	}
}

func TestUntag(t *testing.T) {
	for in, want := range map[string]string{
		`[ "$$x" , 1 ]`:                           `[ "$x" , 1 ]`,
		`["\u0024$x",1]`:                          `["$x",1]`,
		`["\u0024\u0024x",1]`:                     `["\u0024x",1]`,
		`["$x",1]`:                                `["$x",1]`,
		`[["$BigInt","1"],["$BigInt","2"]]`:       `[1,2]`,
		`["$Set",[["$Set",[["$Set",[]]]],1]]`:     `[[[]],1]`,
		`{"$Uint8Array":["\u0024Uint8Array",""]}`: `{"$Uint8Array":""}`,
		`["$Undefined",1]`:                        `["$Undefined",1]`,
	} {
		if got := string(Untag([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func FuzzUntag(f *testing.F) {
	for _, v := range sentValues {
		f.Add([]byte(v.sent))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if CheckJSON(doc, MaxDepth) != nil {
			return
		}
		if got := Untag(doc); !json.Valid(got) || len(got) > len(doc) {
			t.Fatalf("%q became %q", doc, got)
		}
		// What a client sends arrives, and is the same document if it has no tags.
		for _, name := range names {
			if m, err := Of(name).Parse(ClientOf(name).Action(1, "a", append(append([]byte("["), doc...), ']'))); err == nil && !json.Valid(m.Args) {
				t.Errorf("%s: %q arrived as %q", name, doc, m.Args)
			}
		}
	})
}

func FuzzHostMessage(f *testing.F) {
	for i, name := range names {
		h := Of(name)
		f.Add(i, h.Init("a", "c"))
		f.Add(i, h.Event("e", []byte(`[1,["$BigInt","5"]]`)))
		f.Add(i, h.Failure(Failure{Group: "g", Code: "c", Metadata: []byte(`{"a":1}`), Action: number(4)}))
		f.Add(i, h.Response(4, nil))
		f.Add(i, h.QueueReply("completed", []byte("1")))
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		c := ClientOf(names[uint(i)%3])
		const limit = 1 << 16
		check := func(doc json.RawMessage) {
			if doc != nil && (!json.Valid(doc) || len(doc) > limit || !json.Valid(Untag(doc))) {
				t.Errorf("%q has the value %q", data, doc)
			}
		}
		if m, err := c.ParseHost(data, limit); err == nil {
			check(m.Output)
			check(m.Args)
			check(m.Failure.Metadata)
			if (m.Kind == KindEvent) != (m.Event != "" && m.Args[0] == '[') || m.Kind == KindFailure && m.Failure.Code == "" {
				t.Errorf("%q is %+v", data, m)
			}
		}
		if out, err := c.ParseOutput(data, limit); err == nil {
			check(out)
		}
		if d, err := c.ParseCompletion(data, limit); err == nil {
			check(d.Response)
		}
		if e, err := c.ParseFailure(data, limit); err == nil {
			check(e.Metadata)
		}
	})
}
