package compile

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind says why there is no entry.
type Kind string

const (
	// KindRefused: wazero says that the module is not valid. The client's fault, and final.
	KindRefused Kind = "refused"
	// KindTimeout: the worker reached its wall deadline although it had processor time.
	KindTimeout Kind = "timeout"
	// KindCPU: the worker used up its processor time.
	KindCPU Kind = "cpu"
	// KindMemory: the worker used up its memory.
	KindMemory Kind = "memory"
	// KindSize: the module or the entry is too large.
	KindSize Kind = "size"
	// KindLoad: the entry takes too long to load.
	KindLoad Kind = "load"
	// KindCrashed: the worker died of a signal, a panic or an exit code of its own.
	KindCrashed Kind = "crashed"
	// KindOutput: the worker ended well but what it left is not one entry of the right name. The
	// worker is broken or was taken over, so this is worth an alarm.
	KindOutput Kind = "output"
	// KindBusy: too many compilations wait already, or the worker got next to no processor time before
	// its deadline. Try again later.
	KindBusy Kind = "busy"
	// KindUnavailable: our side failed, such as a full disk, or the Compiler is closed.
	KindUnavailable Kind = "unavailable"
)

// Module reports whether the module is to blame, so that compiling it again would end the same way.
func (k Kind) Module() bool {
	switch k {
	case KindRefused, KindTimeout, KindCPU, KindMemory, KindSize, KindLoad, KindCrashed, KindOutput:
		return true
	}
	return false
}

// Error says why a module has no entry.
type Error struct {
	Kind   Kind
	Detail string // one line, safe for the client; it names no path of the host
	Log    string // what the worker printed, one line; for the log only
	Err    error  // of our side, for the log only; may be nil
}

func (e *Error) Error() string {
	s := "compile: " + string(e.Kind) + ": " + e.Detail
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

func cpuDetail(limit time.Duration) string {
	return fmt.Sprintf("compiling takes more than %v of processor time", limit)
}

func memoryDetail(limit int64) string {
	return fmt.Sprintf("compiling takes more than %d MiB of memory", limit>>20)
}

// unavailable is the failure of a step on our side.
func unavailable(step string, err error) *Error {
	return &Error{Kind: KindUnavailable, Detail: step, Err: err}
}

// Most bytes of what a worker says.
const (
	maxDetail = 500
	maxLog    = 2000
)

// oneLine makes hostile text fit for a log and an answer: one line of printable characters, at most n
// bytes.
func oneLine(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	const ellipsis = "…"
	return strings.ToValidUTF8(s[:max(0, n-len(ellipsis))], "") + ellipsis
}
