package guest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/vivarium-run/vivarium/guest-sdk/internal/hostcall"
	"github.com/vivarium-run/vivarium/hostfuncs/abi"
)

// sdkName is what a manifest says of this SDK.
const sdkName = "vivarium-go/0.1.0"

func init() {
	hostcall.Turn = runTurn
	hostcall.Manifest = writeManifest
}

// out is the reply's envelope, kept from turn to turn.
var out = make([]byte, 0, firstBuffer)

// current is the turn that runs, or ran last.
var current abi.Turn

// keepBuffer is the largest buffer, in bytes, that is kept for the next turn: memory that a guest
// touched stays with it while it lives.
const keepBuffer = 16 << 10

// firstBuffer is the size, in bytes, of buffers that are made in the start-up, so that the first turn of an actor need not.
const firstBuffer = 1 << 10

// runTurn is the export actor_turn.
func runTurn() {
	h := hostcall.Current
	r := dispatch(h.Input())
	out = abi.AppendReply(out[:0], &r)
	h.Output(out)
	if cap(out) > keepBuffer {
		out = nil
	}
}

func dispatch(envelope []byte) abi.Reply {
	if err := abi.ParseTurn(&current, envelope); err != nil {
		return replyTo(err)
	}
	a := registry[current.Actor]
	if a == nil {
		return replyTo(fmt.Errorf("the module has no actor %q", current.Actor))
	}
	return a.turn(&current)
}

// writeManifest is the export actor_manifest.
func writeManifest() {
	m := abi.Manifest{ABI: abi.ABIVersion, SDK: sdkName, Codec: abi.JSON, Actors: make(map[string]abi.ActorManifest, len(registry))}
	for n, a := range registry {
		m.Actors[n] = a.manifest(&m)
	}
	b, err := json.Marshal(&m)
	if err != nil {
		panic(err) // it holds nothing but strings and numbers
	}
	hostcall.Current.Output(b)
}

// valid makes s UTF-8, as texts of the envelope must be.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
