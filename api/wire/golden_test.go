package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

const (
	goldenActor = "012345678901234567890123456789"       // 30 bytes
	goldenConn  = "01234567-89ab-cdef-0123-456789abcdef" // 36 bytes
)

func number(n uint64) *uint64 { return &n }

// What Rivet's server was seen to send, and what goes with it in the other encodings.
func TestGoldenToClient(t *testing.T) {
	bare, cbor := Of("bare"), Of("cbor")
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"output 7":            {bare.ActionReply([]byte("7")), "04 00 | 01 | 07"},
		"no output":           {bare.ActionReply(nil), `04 00 | 0d | 82 6a "$Undefined" 00`},
		"completed":           {bare.QueueReply("completed", []byte(`{"echoed":{"n":2}}`)), `04 00 | 09 "completed" | 01 10 b9 00 01 66 "echoed" b9 00 01 61 6e 02`},
		"timed out":           {bare.QueueReply("timedOut", nil), `04 00 | 08 "timedOut" | 00`},
		"init":                {bare.Init(goldenActor, goldenConn), `04 00 | 00 | 1e "` + goldenActor + `" | 24 "` + goldenConn + `"`},
		"event":               {bare.Event("count", []byte(`[10,{"by":3}]`)), `04 00 | 03 | 05 "count" | 09 82 0a b9 00 01 62 62 79 03`},
		"response":            {bare.Response(0, []byte("10")), "04 00 | 02 | 00 | 01 0a"},
		"long id":             {bare.Response(300, []byte("10")), "04 00 | 02 | ac 02 | 01 0a"},
		"rejected":            {bare.Failure(Failure{Group: "user", Code: "forbidden", Message: "no entry", Metadata: []byte(`{"why":"test"}`)}), `04 00 | 01 | 04 "user" | 09 "forbidden" | 08 "no entry" | 01 0a a1 63 "why" 64 "test" | 00 | 00`},
		"failed action":       {bare.Failure(Failure{Group: "g", Code: "c", Message: "", Action: number(5)}), `04 00 | 01 | 01 "g" | 01 "c" | 00 | 00 | 01 05 | 00`},
		"cbor output":         {cbor.ActionReply([]byte("7")), `a1 66 "output" 07`},
		"cbor response":       {cbor.Response(0, []byte("10")), `a1 64 "body" a2 63 "tag" 6e "ActionResponse" 63 "val" a2 62 "id" 1b 0000000000000000 66 "output" 0a`},
		"cbor init":           {cbor.Init("a", "c"), `a1 64 "body" a2 63 "tag" 64 "Init" 63 "val" a2 67 "actorId" 61 "a" 6c "connectionId" 61 "c"`},
		"cbor event":          {cbor.Event("e", []byte("[1]")), `a1 64 "body" a2 63 "tag" 65 "Event" 63 "val" a2 64 "name" 61 "e" 64 "args" 81 01`},
		"cbor rejected":       {cbor.Failure(Failure{Group: "g", Code: "c", Message: "m"}), `a1 64 "body" a2 63 "tag" 65 "Error" 63 "val" a4 65 "group" 61 "g" 64 "code" 61 "c" 67 "message" 61 "m" 68 "actionId" f6`},
		"cbor failed action":  {cbor.Failure(Failure{Group: "g", Code: "c", Message: "m", Metadata: []byte(`{"a":1}`), Action: number(2)}), `a1 64 "body" a2 63 "tag" 65 "Error" 63 "val" a5 65 "group" 61 "g" 64 "code" 61 "c" 67 "message" 61 "m" 68 "metadata" a1 61 "a" 01 68 "actionId" 1b 0000000000000002`},
		"cbor completed":      {cbor.QueueReply("completed", []byte("null")), `a2 66 "status" 69 "completed" 68 "response" f6`},
		"cbor timed out":      {cbor.QueueReply("timedOut", nil), `a1 66 "status" 68 "timedOut"`},
		"json output":         {JSON.ActionReply([]byte("7")), `"{" 22 "output" 22 ":7}"`},
		"escaped in bare":     {bare.ActionReply([]byte(`["$x",1]`)), `04 00 | 06 | 82 63 "$$x" 01`},
		"escaped in cbor":     {cbor.ActionReply([]byte(`["$x",1]`)), `a1 66 "output" 82 63 "$$x" 01`},
		"known tags pass":     {bare.ActionReply([]byte(`["$BigInt","5"]`)), `04 00 | 0b | 82 67 "$BigInt" 61 "5"`},
		"escaped in response": {JSON.QueueReply("completed", []byte(`["$x",1]`)), `"{" 22 "status" 22 ":" 22 "completed" 22 "," 22 "response" 22 ":[" 22 "$$x" 22 ",1]}"`},
	} {
		if want := unhex(t, tt.want); string(tt.got) != string(want) {
			t.Errorf("%s:\n got %x\nwant %x", name, tt.got, want)
		}
	}
}

// What Rivet's client was seen to send.
func TestGoldenFromClient(t *testing.T) {
	for name, tt := range map[string]struct {
		encoding, in string
		want         ClientMessage
	}{
		"action":                          {"bare", `04 00 | 00 | 00 | 03 "inc" | 02 81 03`, ClientMessage{Name: "inc", Args: []byte("[3]")}},
		"subscription":                    {"bare", `04 00 | 01 | 05 "count" | 01`, ClientMessage{Event: "count", Subscribe: true}},
		"unsubscription, old":             {"bare", `01 00 | 01 | 05 "count" | 00`, ClientMessage{Event: "count"}},
		"greatest id":                     {"bare", `04 00 | 00 | ffffffffffffffffff01 | 01 "a" | 01 80`, ClientMessage{ID: 1<<64 - 1, Name: "a", Args: []byte("[]")}},
		"cbor action":                     {"cbor", `b9 00 01 64 "body" b9 00 02 63 "tag" 6d "ActionRequest" 63 "val" b9 00 03 62 "id" 1b 0000000000000000 64 "name" 63 "inc" 64 "args" 81 03`, ClientMessage{Name: "inc", Args: []byte("[3]")}},
		"cbor bigint, bytes":              {"cbor", `a1 64 "body" a2 63 "tag" 6d "ActionRequest" 63 "val" a3 62 "id" 1b 0000000000000007 64 "name" 61 "a" 64 "args" 83 1b 0000000000000005 d8 40 41 09 f7`, ClientMessage{ID: 7, Name: "a", Args: []byte(`[["$BigInt","5"],["$Uint8Array","CQ=="],["$Undefined",0]]`)}},
		"cbor list that looks like a tag": {"cbor", `a1 64 "body" a2 63 "tag" 6d "ActionRequest" 63 "val" a3 62 "id" 1b 0000000000000007 64 "name" 61 "a" 64 "args" 82 82 67 "$BigInt" 61 "5" 82 63 "$$x" 01`, ClientMessage{ID: 7, Name: "a", Args: []byte(`[["$$BigInt","5"],["$$$x",1]]`)}},
		"cbor subscription":               {"cbor", `a1 64 "body" a2 63 "tag" 73 "SubscriptionRequest" 63 "val" a2 69 "eventName" 65 "count" 69 "subscribe" f5`, ClientMessage{Event: "count", Subscribe: true}},
	} {
		got, err := Of(tt.encoding).Parse(unhex(t, tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
	type body func(Encoding, []byte) ([]byte, error)
	action, queue := body(Encoding.ActionBody), body(Encoding.QueueBody)
	for name, tt := range map[string]struct {
		decode       body
		encoding, in string
		want         string
	}{
		"inc":                       {action, "bare", "04 00 | 02 | 81 02", `{"args":[2]}`},
		"echo":                      {action, "bare", "04 00 | 0c | 82 61 78 b9 00 01 61 61 83 01 f6 f5", `{"args":["x",{"a":[1,null,true]}]}`},
		"cbor inc":                  {action, "cbor", `b9 00 01 64 "args" 81 02`, `{"args":[2]}`},
		"queue":                     {queue, "bare", `04 00 | 06 b9 00 01 61 6e 02 | 01 04 "done" | 01 01 | 01 d0 07 00 00 00 00 00 00`, `{"body":{"n":2},"name":"done","wait":true,"timeout":2000}`},
		"bare queue":                {queue, "bare", `03 00 | 01 02 | 00 | 00 | 00`, `{"body":2}`},
		"cbor queue, options unset": {queue, "cbor", `b9 00 03 64 "name" f7 64 "body" a1 61 "a" f7 67 "timeout" f7`, `{"body":{"a":["$Undefined",0]}}`},
		"cbor queue, nothing":       {queue, "cbor", `a1 64 "body" f7`, `{"body":["$Undefined",0]}`},
		"cbor queue, long time-out": {queue, "cbor", `a2 64 "body" 02 67 "timeout" 1b 0000000000000064`, `{"body":2,"timeout":["$BigInt","100"]}`},
		"cbor queue":                {queue, "cbor", `b9 00 02 64 "body" 02 64 "wait" f4`, `{"body":2,"wait":false}`},
	} {
		got, err := tt.decode(Of(tt.encoding), unhex(t, tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, tt.want)
		}
	}
}

// What no client sends.
func TestMalformed(t *testing.T) {
	huge := "ff ff ff ff ff ff ff ff 7f"
	for name, tt := range map[string]struct{ in, want string }{
		"empty":                 {"", "too early"},
		"half a version":        {"04", "too early"},
		"version 0":             {`00 00 | 01 | 01 "a" | 01`, "version 0"},
		"version 5":             {`05 00 | 01 | 01 "a" | 01`, "version 5"},
		"other byte order":      {`00 04 | 01 | 01 "a" | 01`, "version 1024"},
		"no tag":                {"04 00", "too early"},
		"unknown tag":           {`04 00 | 02 | 01 "a" | 01`, "not a message"},
		"huge text":             {"04 00 | 01 | " + huge, "too early"},
		"huge value":            {`04 00 | 00 | 00 | 01 "a" | ` + huge, "too early"},
		"number beyond 64 bits": {"04 00 | 00 | ff ff ff ff ff ff ff ff ff ff 01", "longer"},
		"number of two forms":   {`04 00 | 00 | 80 00 | 01 "a" | 01 80`, "longer"},
		"text that is no text":  {"04 00 | 01 | 01 ff | 01", "UTF-8"},
		"truth beyond 1":        {`04 00 | 01 | 01 "a" | 02`, "truth value"},
		"no event":              {"04 00 | 01 | 00 | 01", "not a message"},
		"no action":             {"04 00 | 00 | 00 | 00 | 01 80", "not a message"},
		"arguments are no list": {`04 00 | 00 | 00 | 01 "a" | 01 a0`, "not a message"},
		"no value":              {`04 00 | 00 | 00 | 01 "a" | 00`, "too early"},
		"two values":            {`04 00 | 00 | 00 | 01 "a" | 02 80 80`, "extraneous"},
		"trailing byte":         {`04 00 | 01 | 01 "a" | 01 00`, "follows"},
		"cut":                   {`04 00 | 00 | 00 | 01 "a" | 05 81 03`, "too early"},
		"nested 100,000 deep":   {`04 00 | 00 | 00 | 01 "a" | a1 8d 06 ` + strings.Repeat("81", 100_000) + "01", "nested level"},
		"JSON":                  {`"{}"`, "version"},
	} {
		if _, err := Of("bare").Parse(unhex(t, tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
	for name, in := range map[string]string{
		"empty": "", "no message": "a0", "another tag": `a1 64 "body" a2 63 "tag" 61 "x" 63 "val" a0`,
		"an id that is a number": `a1 64 "body" a2 63 "tag" 6d "ActionRequest" 63 "val" a3 62 "id" 00 64 "name" 61 "a" 64 "args" 80`,
		"nested":                 strings.Repeat("81", 100_000) + "01",
		"huge list":              "9bffffffffffffffff",
	} {
		if m, err := Of("cbor").Parse(unhex(t, in)); err == nil {
			t.Errorf("cbor, %s: taken as %+v", name, m)
		}
	}
	// One byte of CBOR may be 16 of JSON.
	big := append([]byte{4, 0}, bareData(nil, append([]byte{0x9a, 0, 1, 0xff, 0xff}, []byte(strings.Repeat("\xf7", 131_071))...))...)
	if _, err := Of("bare").ActionBody(big); err != ErrTooLong {
		t.Errorf("a body that becomes 2 MiB: %v", err)
	}
}

// JSON values as JavaScript's CBOR has them.
func TestAppendValue(t *testing.T) {
	for in, want := range map[string]string{
		"0": "00", "23": "17", "24": "1818", "255": "18ff", "256": "190100", "65536": "1a00010000", "4294967295": "1affffffff",
		"4294967296": "fb41f0000000000000", "-1": "20", "-4294967295": "3afffffffe", "-4294967296": "fbc1f0000000000000",
		"-0": "fb8000000000000000", "1.5": "fb3ff8000000000000", "1e2": "1864", "1e999": "fb7ff0000000000000", "9007199254740993": "fb4340000000000000",
		`"a"`: "6161", `"\u00fc\n"`: "63c3bc0a", `""`: "60", "true": "f5", "false": "f4", "null": "f6", "[]": "80", "{}": "b90000",
		`[1,[2,[]],{"a":{"b":[3]}}]`:          "83 01 82 02 80 b90001 6161 b90001 6162 81 03",
		`[` + strings.Repeat("0,", 24) + `0]`: "9819" + strings.Repeat("00", 25),
		" [ 1 , 2 ] ":                         "820102",
	} {
		if got, want := appendValue(nil, []byte(in)), unhex(t, want); string(got) != string(want) {
			t.Errorf("%.40s: got %x, want %x", in, got, want)
		}
	}
	wide := map[string]int{}
	for n := range 70_000 {
		wide[fmt.Sprint(n)] = n
	}
	doc, _ := json.Marshal(wide)
	var back map[string]int
	if err := cbor.Unmarshal(appendValue(nil, doc), &back); err != nil || !reflect.DeepEqual(wide, back) {
		t.Errorf("an object of 70,000 members: %d came back, %v", len(back), err)
	}
}

// A value is the same when it comes back, and each document is one that the library takes.
func FuzzAppendValue(f *testing.F) {
	for _, s := range []string{`[1,-1,1.5,1e300,"ü\n",{"a":[null,true,{}]}]`, `"\ud800"`, `{"a":{"a":[[[]]]}}`, `-0`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if CheckJSON(doc, MaxDepth) != nil || len(doc) > 1<<16 {
			return
		}
		b := appendValue(nil, doc)
		if err := cbor.Wellformed(b); err != nil {
			t.Fatalf("%q became %x: %v", doc, b, err)
		}
		got, err := FromCBOR(b, 1<<22)
		if err != nil {
			if strings.Contains(err.Error(), "twice") {
				return // JSON may say a name twice
			}
			t.Fatalf("%q became %x: %v", doc, b, err)
		}
		var was, is any
		if json.Unmarshal(doc, &was) != nil {
			return // a number that is too large
		}
		if err := json.Unmarshal(got, &is); err != nil || !reflect.DeepEqual(was, is) {
			t.Errorf("%q came back as %q, %v", doc, got, err)
		}
	})
}

func fuzzMessages(f *testing.F, encoding string, seeds ...string) {
	for _, s := range seeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := Of(encoding)
		if m, err := e.Parse(data); err == nil {
			if (m.Event == "") == (m.Name == "") {
				t.Errorf("%q is %+v", data, m)
			}
			if m.Name != "" && (!json.Valid(m.Args) || m.Args[0] != '[') {
				t.Errorf("%q has the arguments %q", data, m.Args)
			}
		}
		for _, decode := range []func([]byte) ([]byte, error){e.ActionBody, e.QueueBody} {
			if doc, err := decode(data); err == nil && encoding != "json" && !json.Valid(doc) {
				t.Errorf("%q became %q", data, doc)
			}
		}
	})
}

func FuzzJSONMessage(f *testing.F) {
	fuzzMessages(f, "json", `"{" 22 "body" 22 ":{" 22 "tag" 22 ":" 22 "SubscriptionRequest" 22 "," 22 "val" 22 ":{" 22 "eventName" 22 ":" 22 "e" 22 "," 22 "subscribe" 22 ":true}}}"`)
}

func FuzzCBORMessage(f *testing.F) {
	fuzzMessages(f, "cbor", `a1 64 "body" a2 63 "tag" 73 "SubscriptionRequest" 63 "val" a2 69 "eventName" 65 "count" 69 "subscribe" f5`, `b9 00 01 64 "args" 81 02`)
}

func FuzzBareMessage(f *testing.F) {
	fuzzMessages(f, "bare", `04 00 | 00 | 00 | 03 "inc" | 02 81 03`, `04 00 | 01 | 05 "count" | 01`, `04 00 | 06 b9 00 01 61 6e 02 | 01 04 "done" | 01 01 | 01 d0 07 00 00 00 00 00 00`)
}
