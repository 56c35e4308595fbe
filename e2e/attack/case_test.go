package attack

import (
	"strings"
	"time"

	wt "github.com/vivarium-run/vivarium/sandbox/wasmtest"
)

// attack is one hostile module and what is done with it.
type attack struct {
	row  int // of the threat table
	name string
	wasm func() []byte
	// upload is the verdict on the module: status, group/code and, after "; ", a part of the answer.
	upload string
	calls  []call // for a module that is taken
	again  string // an action that must be answered after each of the calls, by the same actor
	burns  bool   // the upload takes all the gas there is
	slow   bool   // it may compile for longer than a worker may, on some machines, and is then refused for that
	long   bool   // too slow for the short form
}

// fits reports whether the answer is the verdict wanted, or the one that a slow machine may give instead.
func (a *attack) fits(got answer) bool {
	return matches(a.upload, got) || a.burns && got.busy() || a.slow && matches(overLimit+`; "reason":"cpu"`, got)
}

// call is one request to an actor of a module.
type call struct {
	row    int    // zero means the module's
	name   string // of the case; empty means action
	actor  string // name of the actor; empty means the module's
	action string // empty means that the creation is the attack
	input  string // JSON for the creation
	create string // verdict on the creation; empty means taken
	want   string // verdict on the action
	times  int    // how often it is called in a row; zero means once
	long   bool
}

// Verdicts.
const (
	taken       = "201"
	fine        = "200"
	malformed   = "400 module/malformed"
	overLimit   = "422 module/limit_exceeded"
	unsupported = "422 module/unsupported"
	unresolved  = "422 module/unresolved_import"
	invalid     = "422 module/invalid"
	tooLong     = "413 message/incoming_too_long"
	wrongType   = "415 guard/unsupported_media_type"
	trapped     = "502 actor/trapped"
	noGas       = "504 actor/gas_exhausted"
	timedOut    = "504 actor/action_timed_out"
	badArgument = "502 actor/invalid_argument"
	noHandles   = "413 actor/handle_memory"
	tooMany     = "502 actor/too_many_host_calls"
)

// matches reports whether an answer is the one wanted. Where all the gas is wanted, a machine so busy
// that it takes longer than a turn may is as good.
func matches(want string, a answer) bool {
	verdict, part, _ := strings.Cut(want, "; ")
	if verdict == noGas && a.took > turnTime && a.verdict() == timedOut {
		return true
	}
	return a.verdict() == verdict && strings.Contains(string(a.body), part)
}

// turnTime is what a turn may take, less than the time of a request that was stopped by it.
const turnTime = 59 * time.Second

// bytesOf makes the wasm field of an attack.
func bytesOf(b []byte) func() []byte { return func() []byte { return b } }

// plain returns a module that is taken, with one action "go", after f has added to it.
func plain(f func(m *wt.Module)) func() []byte {
	return func() []byte {
		var m wt.Module
		if f != nil {
			f(&m)
		}
		m.Export("go", 0, m.Func(nil, wt.T(wt.I32), nil, wt.Code{}.I32Const(0)))
		return m.Encode()
	}
}

// forever repeats code that leaves the stack as it was.
func forever(body wt.Code) wt.Code {
	return wt.Code{}.Loop(wt.Empty).Then(body).Br(0).Op(wt.End)
}

// corpus returns every attack, in the order of rows.
func corpus() []attack {
	var list []attack
	for _, part := range [][]attack{
		formatAttacks(), limitAttacks(), compileAttacks(), importAttacks(), exportAttacks(), manifestAttacks(),
		startAttacks(), actionAttacks(), turnAttacks(), hostCallAttacks(), wasiAttacks(), residueAttacks(),
	} {
		list = append(list, part...)
	}
	seen := map[string]bool{}
	for i := range list {
		if seen[list[i].name] {
			panic("two attacks named " + list[i].name)
		}
		seen[list[i].name] = true
	}
	return list
}
