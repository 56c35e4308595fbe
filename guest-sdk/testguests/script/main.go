//go:build wasip1

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// op is an operation: how many byte and number arguments it takes, and whether it gives bytes.
type op struct {
	b, n  int
	bytes bool
	call  func(b []string, n []int64) int64
}

type step struct {
	Op string   `json:"op"`
	B  []string `json:"b,omitempty"`
	N  []int64  `json:"n,omitempty"`
}

type outcome struct {
	N     int64  `json:"n"`
	B     string `json:"b,omitempty"`
	Error string `json:"error,omitempty"`
}

//go:wasmimport vivarium input_len
func inputLen() uint32

//go:wasmimport vivarium input_read
func inputRead(p unsafe.Pointer, n uint32) uint32

//go:wasmimport vivarium output
func output(b string)

//go:wasmimport vivarium result_len
func resultLen() uint32

//go:wasmimport vivarium result_read
func resultRead(p unsafe.Pointer, n uint32) uint32

func result() string {
	b := make([]byte, resultLen())
	if len(b) > 0 {
		resultRead(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	}
	return string(b)
}

var (
	counts  = map[string]int64{}
	ballast []byte
)

// seenCount is the number of the next turn to note; zero means that KV knows.
var seen int

//go:wasmexport actor_manifest
func manifest() int32 {
	all := []abi.Hook{abi.HookWake, abi.HookSleep, abi.HookDestroy, abi.HookConnect, abi.HookDisconnect, abi.HookRequest, abi.HookGone,
		abi.HookOpen, abi.HookMessage, abi.HookClose, abi.HookUpgrade, abi.HookSubscribe, abi.HookPublish}
	actions := map[string]abi.ActionManifest{"do": {}, "run": {}, "nop": {}, "echo": {}}
	queues := map[string]abi.QueueManifest{"jobs": {}, "batch": {Batch: 10}}
	m := abi.Manifest{ABI: abi.ABIVersion, SDK: "script/1", Codec: abi.JSON, Egress: []string{"*"}, Uploads: true, Actors: map[string]abi.ActorManifest{
		"hooked": {Actions: actions, Queues: queues, Hooks: all},
		"script": {Actions: actions, Queues: queues},
		"events": {Actions: actions, Hooks: []abi.Hook{abi.HookConnect, abi.HookDisconnect}},
		"pages":  {Actions: actions, Origins: []string{"https://good.example"}, Hooks: []abi.Hook{abi.HookConnect, abi.HookOpen}, Options: abi.Options{MaxMessageSize: 100}},
		"bounds": {
			Actions: actions, Hooks: []abi.Hook{abi.HookConnect, abi.HookOpen, abi.HookMessage, abi.HookPublish}, CheckArgs: true,
			Params: []byte(`{"type":["object","null"]}`),
			Queues: map[string]abi.QueueManifest{"jobs": {Body: []byte(`{"type":"string"}`)}},
			Options: abi.Options{
				ActionTimeout: 300, OnConnectTimeout: 100, OnBeforeConnectTimeout: 100, CreateConnStateTimeout: 100,
				MaxQueueSize: 2, MaxQueueMessageSize: 100, MaxSchedules: 2, SleepTimeout: 50, MaxMessageSize: 1000,
				ConnectionLivenessInterval: 1000, ConnectionLivenessTimeout: 2000,
			},
			Origins: []string{"https://app.example"},
		},
		"hasty": {Actions: actions, Hooks: all, Options: abi.Options{
			Name: "Hasty", Icon: "bolt", CreateVarsTimeout: 100, OnMigrateTimeout: 100, SleepGracePeriod: 100, SleepTimeout: 50,
		}},
		"restless": {Actions: actions, Options: abi.Options{NoSleep: true}},
		"raw":      {Actions: actions, Hooks: []abi.Hook{abi.HookRequest, abi.HookGone, abi.HookOpen, abi.HookMessage, abi.HookClose}},
	}}
	b, _ := json.Marshal(m)
	output(string(b))
	return 0
}

//go:wasmexport actor_turn
func turn() int32 {
	b := make([]byte, inputLen())
	inputRead(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	var t abi.Turn
	if err := abi.ParseTurn(&t, b); err != nil {
		panic(err)
	}
	r := run(&t)
	output(string(abi.AppendReply(nil, &r)))
	return 0
}

func run(t *abi.Turn) abi.Reply {
	if t.Kind == abi.KindAction {
		switch t.Name {
		case "nop":
			return abi.Reply{}
		case "echo":
			return abi.Reply{Result: t.Args}
		case "run":
			var key []string
			if err := json.Unmarshal(t.Args, &key); err != nil || len(key) == 0 {
				return abi.Reply{Status: abi.StatusUser, Name: "bad_script"}
			}
			return stored(t, key[0])
		}
		var args [][]step
		if err := json.Unmarshal(t.Args, &args); err != nil || len(args) == 0 {
			return abi.Reply{Status: abi.StatusUser, Name: "bad_script", Message: fmt.Sprint(err)}
		}
		return script(t, args[0])
	}
	note(t)
	var made []step
	if t.Kind == abi.KindCreate && json.Unmarshal(t.Args, &made) == nil && len(made) > 0 {
		return script(t, made)
	}
	for _, key := range []string{fmt.Sprintf("on/%d/%s", t.Kind, t.Name), fmt.Sprintf("on/%d", t.Kind)} {
		if op_kv_get(key) != abi.Absent {
			return stored(t, key)
		}
	}
	return abi.Reply{}
}

// stored runs the script in a KV item.
func stored(t *abi.Turn, key string) abi.Reply {
	if op_kv_get(key) < 0 {
		return abi.Reply{Status: abi.StatusUser, Name: "no_script"}
	}
	var steps []step
	if err := json.Unmarshal([]byte(result()), &steps); err != nil {
		panic(err)
	}
	return script(t, steps)
}

// note writes a turn down.
func note(t *abi.Turn) {
	if t.Reload || seen == 0 {
		seen = 0
		if op_kv_get("seen") >= 0 {
			fmt.Sscan(result(), &seen)
		}
	}
	seen++
	if op_kv_put(fmt.Sprintf("seen/%06d", seen), string(describe(t))) < 0 || op_kv_put("seen", fmt.Sprint(seen)) < 0 {
		seen = 0
	}
}

// describe returns a turn as JSON.
func describe(t *abi.Turn) []byte {
	b, _ := json.Marshal(map[string]any{
		"kind": t.Kind, "name": t.Name, "args": string(t.Args), "request": t.Request, "reload": t.Reload, "hooks": t.Hooks, "caller": t.Caller,
		"sender": t.Sender, "origin": t.Origin, "conn": string(t.Conn), "head": string(t.Head), "context": string(t.Context),
	})
	return b
}

// script runs steps to the end, or to one that ends the turn.
func script(t *abi.Turn, steps []step) abi.Reply {
	var r abi.Reply
	out := []outcome{}
	last := outcome{}
	for _, s := range steps {
		for i, b := range s.B {
			switch b {
			case "$LAST":
				s.B[i] = last.B
			case "$ARGS":
				s.B[i] = string(t.Args)
			case "$CONN":
				var c abi.Conn
				json.Unmarshal(t.Conn, &c)
				s.B[i] = c.ID
			case "$CONTEXT":
				s.B[i] = string(t.Context)
			}
		}
		for i, n := range s.N {
			if n == -1 {
				s.N[i] = int64(t.Request)
			}
		}
		arg := func(i int) string {
			if i < len(s.B) {
				return s.B[i]
			}
			return ""
		}
		switch s.Op {
		case "turn":
			last = outcome{B: string(describe(t))}
		case "user":
			return abi.Reply{Status: abi.StatusUser, Name: arg(0), Message: arg(1)}
		case "hidden":
			return abi.Reply{Status: abi.StatusHidden, Message: arg(0)}
		case "host":
			return abi.Reply{Status: abi.StatusHost, Code: abi.Code(s.N[0])}
		case "trap":
			panic("as told")
		case "loop":
			for {
			}
		case "exit":
			os.Exit(3)
		case "open":
			r.Status = abi.StatusOpen
			return r
		case "return":
			r.Result = []byte(arg(0))
			return r
		case "head":
			r.Head = []byte(arg(0))
		case "envelope": // of a reply with this result, for the operation reply
			last = outcome{B: string(abi.AppendReply(nil, &abi.Reply{Result: []byte(arg(0))}))}
		case "result": // what an envelope in the last step says
			e, err := abi.ParseReply([]byte(last.B))
			last = outcome{N: int64(e.Status), B: string(e.Result), Error: e.Name + e.Message}
			if err != nil {
				last.Error = err.Error()
			}
			if e.Code != 0 {
				last.N = -int64(e.Code)
			}
		case "bytes": // allocates
			ballast = make([]byte, s.N[0])
			for i := 0; i < len(ballast); i += 4096 {
				ballast[i] = 1
			}
			last = outcome{N: int64(len(ballast))}
		case "pause": // ms
			time.Sleep(time.Duration(s.N[0]) * time.Millisecond)
			last = outcome{}
		case "decode": // base64
			b, err := base64.StdEncoding.DecodeString(arg(0))
			if last = (outcome{B: string(b)}); err != nil {
				last.Error = err.Error()
			}
			out = append(out, outcome{N: int64(len(b))})
			continue
		case "remember":
			counts[arg(0)]++
			last = outcome{N: counts[arg(0)]}
		case "holds":
			last = outcome{N: holds(arg(0))}
		case "append":
			before := ""
			if n := op_kv_get(arg(0)); n >= 0 {
				before = result()
			} else if n != abi.Absent {
				return abi.Reply{Status: abi.StatusHidden, Message: "cannot read what to append to"}
			}
			last = outcome{N: op_kv_put(arg(0), before+" "+arg(1))}
		default:
			last = perform(s)
		}
		out = append(out, last)
	}
	r.Result, _ = json.Marshal(out)
	return r
}

// perform does one operation.
func perform(s step) outcome {
	o, ok := ops[s.Op]
	if !ok {
		return outcome{N: -1, Error: "no such step"}
	}
	for len(s.B) < o.b {
		s.B = append(s.B, "")
	}
	for len(s.N) < o.n {
		s.N = append(s.N, 0)
	}
	n := o.call(s.B, s.N)
	switch {
	case n < abi.Absent:
		return outcome{N: n, Error: result()}
	case o.bytes && n >= 0:
		return outcome{N: n, B: result()}
	}
	return outcome{N: n}
}

func main() {}
